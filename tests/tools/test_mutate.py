"""tools/mutate.py: which changes it makes, and whether the tests notice them."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import mutate

ROOT = Path(__file__).resolve().parents[2]

CODE = b'''"""Doc 1 < 2."""


def total(first: int, second: "n 3" = 2) -> int:
    if first < second and not first == 0:
        return -first
    log(first, second, level=3)
    first += 1
    log(first, first)
    if first is None:
        raise ValueError(f"{1 + 1} {2 * 3}")
    return first * second  # \xc3\x97
'''


def lines_after(kind):
    """What each mutant of a kind makes of the line it changes."""
    changed = []
    for mutant in mutate.mutants_of("code.py", CODE):
        after = mutant.apply(CODE)
        ast.parse(after)
        if mutant.kind == kind:
            pairs = zip(CODE.decode().splitlines(), after.decode().splitlines(), strict=True)
            changed += [new.strip() for old, new in pairs if old != new]
    return changed


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (
            "operator",
            [
                "if (first < second or not first == 0):",
                "first -= 1",
                "return (first / second)  # ×",
            ],
        ),
        (
            "comparison",
            [
                "if (first <= second) and not first == 0:",
                "if first < second and not (first != 0):",
                "if (first is not None):",
            ],
        ),
        (
            "constant",
            [
                'def total(first: int, second: "n 3" = 3) -> int:',
                "if first < second and not first == 1:",
                "log(first, second, level=4)",
                "first += 2",
            ],
        ),
        ("unary", ["if first < second and (first == 0):", "return (first)"]),
        ("condition", ["if (not (first < second and (not first == 0))):", "if (not first is None):"]),
        ("return", ["return None", "return None  # ×"]),
        ("statement", ["pass", "pass"]),
        ("swap", ["log(second, first, level=3)"]),
        ("keyword", ["log(first, second)"]),
    ],
)
def test_mutants_of_each_kind(kind, lines):
    assert lines_after(kind) == lines


def test_a_diff_shows_the_changed_line_alone():
    mutant = next(each for each in mutate.mutants_of("code.py", CODE) if each.kind == "swap")
    assert mutant.diff(CODE).splitlines()[2:] == [
        "@@ -7 +7 @@",
        "-    log(first, second, level=3)",
        "+    log(second, first, level=3)",
    ]


def test_a_sample_is_the_same_for_a_seed():
    def sample(seed):
        return mutate.sampled_mutants(ROOT, ["projects/threedgp/layers"], 10, seed)

    assert sample(1) == sample(1) != sample(2) and len(set(sample(1))) == 10
    with pytest.raises(ValueError, match=r"projects/nowhere: no Python files there"):
        mutate.sampled_mutants(ROOT, ["projects/nowhere"], 1, 0)


def test_nearest_tests_come_first():
    (mutant,) = mutate.sampled_mutants(ROOT, ["projects/threedgp/rendering/patches.py"], 1, 0)
    assert mutate.tests_of(mutant, ROOT, ["tests/golden"]) == [
        "tests/rendering/test_patches.py",
        "tests/golden",
    ]


def test_every_named_mutation_is_still_in_the_code():
    named = mutate.named_mutants(ROOT, ROOT / "tools" / "mutations.toml")
    assert len(named) >= 7
    for mutant in named:
        ast.parse(mutant.apply((ROOT / mutant.file).read_bytes()))
        assert all((ROOT / test).exists() for test in mutant.tests)


@pytest.mark.parametrize(("find", "places"), [("gone", 0), ("first", 10)])
def test_a_named_mutation_that_does_not_fit_is_refused(tmp_path, find, places):
    (tmp_path / "code.py").write_bytes(CODE)
    table = tmp_path / "table.toml"
    table.write_text(f'[[mutation]]\nname = "n"\nfiles = "*.py"\nfind = "{find}"\nreplace = ""\ntests = []\n')
    with pytest.raises(ValueError, match=f"table.toml: 'n': got {places} places in \\*.py, wanted one with"):
        mutate.named_mutants(tmp_path, table)


@pytest.fixture
def checkout(tmp_path):
    """A small repository whose test notices what happens to 3 alone."""
    files = {
        "projects/threedgp/sums/add.py": "def add(a, b):\n    return a + b if a != 0 else b\n",
        "tests/sums/test_add.py": "import sys\n\nsys.path.insert(0, '.')\n\nfrom projects.threedgp.sums.add "
        "import add\n\n\ndef test_add():\n    assert add(3, 4) == 7\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


@pytest.mark.slow
def test_survivors_are_reported_and_a_second_run_goes_on(checkout, tmp_path):
    command = [sys.executable, ROOT / "tools" / "mutate.py", "projects/threedgp/sums", "--root", checkout]
    options = ["--tests", "tests/sums/test_add.py", "--out", tmp_path / "out.jsonl"]
    before = (checkout / "projects/threedgp/sums/add.py").read_bytes()
    first = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert first.returncode == 1, first.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    outcomes = {row["diff"].splitlines()[-1].strip("+ "): row["outcome"] for row in rows}
    assert outcomes == {
        "return (a - b) if a != 0 else b": "killed",
        "return None": "killed",
        "return (a + b if not a != 0 else b)": "killed",
        "return a + b if (a == 0) else b": "killed",
        "return a + b if a != 1 else b": "survived",
    }
    assert "| projects/threedgp/sums/add.py | 5 | 4 | 80% |" in first.stdout
    assert "+    return a + b if a != 1 else b" in first.stdout
    second = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert second.stdout == first.stdout
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5
    assert (checkout / "projects/threedgp/sums/add.py").read_bytes() == before


@pytest.mark.slow
def test_tests_that_fail_anyway_measure_nothing(checkout, tmp_path):
    (checkout / "tests/sums/test_add.py").write_text("def test_nothing():\n    assert False\n")
    command = [sys.executable, ROOT / "tools" / "mutate.py", "projects/threedgp/sums", "--root", checkout]
    options = ["--tests", "tests/sums/test_add.py", "--out", tmp_path / "out.jsonl"]
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    message = "mutate.py: without any mutation the tests fail (killed tests/sums/test_add.py::test_nothing)"
    assert run.stderr.splitlines()[-1] == message
