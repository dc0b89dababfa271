"""Measures the tests by breaking the code: `python tools/mutate.py --sample 60 projects/threedgp/rendering`.

Each mutant is one small change (an operator, a comparison, a constant, a dropped keyword, ...). The tests of
the changed file, tests/<same path>/test_<name>.py (or all of its room, where there are none), and a general
set run against it in a copy of the checkout; a mutant they let pass has survived, and its diff is printed.
Results go to --out, one JSON line a mutant; a second run with the same file goes on where the first ended.
`--named` runs the mutations of tools/mutations.toml, which are known to be subtle, instead.
"""

import argparse
import ast
import copy
import difflib
import hashlib
import json
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
TARGETS = [f"projects/threedgp/{room}" for room in ("models", "rendering", "layers", "engine", "training")]
GENERAL = [
    "tests/test_defaults.py",
    "tests/test_reference.py",
    "tests/golden",
    "tests/rendering/test_devices.py",
]
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
# Annotations, decorators and error messages do not compute; f-strings have no exact positions.
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)
SKIPPED_FIELDS = ("annotation", "returns", "decorator_list")


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the bytes from `start` to `end` become `text`.

    Attributes:
        file: Path inside the repository.
        tests: What to run besides the general set; None for the file's own tests.
    """

    file: str
    start: int
    end: int
    text: str
    kind: str
    tests: tuple[str, ...] | None = None

    def apply(self, source: bytes) -> bytes:
        """The changed source."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def key(self, source: bytes) -> str:
        """A short name that stays the same as long as the file does."""
        return hashlib.sha256(repr(self).encode() + source).hexdigest()[:16]

    def diff(self, source: bytes) -> str:
        """The change as a unified diff without context."""
        before, after = (text.decode().splitlines() for text in (source, self.apply(source)))
        return "\n".join(difflib.unified_diff(before, after, self.file, self.kind, "", "", 0, ""))


def computing_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node under this one that a mutation may change the result of."""
    for name, field in ast.iter_fields(node):
        if name in SKIPPED_FIELDS:
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST) and not isinstance(child, SKIPPED):
                yield child
                yield from computing_nodes(child)


def changed(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of the node with other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def replacements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The kinds of change a node admits, each with what takes the node's place."""
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield "operator", changed(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=[op, *rest]):
            yield "comparison", changed(node, ops=[OPERATORS[type(op)](), *rest])
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield "unary", operand
        case ast.If(test=test) | ast.IfExp(test=test):
            yield "condition", changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr() as value) if not is_none(value):
            yield "return", ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield "statement", ast.Pass()
        case ast.Call(args=args, keywords=keywords):
            starred = any(isinstance(arg, ast.Starred) for arg in args[:2])
            if len(args) > 1 and not starred and ast.dump(args[0]) != ast.dump(args[1]):
                yield "swap", changed(node, args=[args[1], args[0], *args[2:]])
            for index in range(len(keywords)):
                yield "keyword", changed(node, keywords=keywords[:index] + keywords[index + 1 :])


def is_none(node: ast.AST) -> bool:
    """Whether an expression is the constant None."""
    return isinstance(node, ast.Constant) and node.value is None


def mutants_of(file: str, source: bytes) -> Iterator[Mutant]:
    """All mutants of a file."""
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for node in computing_nodes(ast.parse(source)):
        for kind, new in replacements(node):
            # Of a statement with a body only the condition is changed, so that its text stays as it is.
            old, new = (node.test, new.test) if isinstance(node, ast.If) else (node, new)  # type: ignore[attr-defined]
            start = begins[old.lineno - 1] + old.col_offset  # type: ignore[attr-defined]
            end = begins[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
            bare = isinstance(new, ast.stmt | ast.Constant | ast.Call)
            text = ast.unparse(new)
            yield Mutant(file, start, end, text if bare else f"({text})", kind)


def sampled_mutants(root: Path, targets: Iterable[str], sample: int | None, seed: int) -> list[Mutant]:
    """Mutants of the Python files under the targets: `sample` of them, or all.

    Raises:
        ValueError: A target is neither a Python file nor a folder with one.
    """
    mutants: list[Mutant] = []
    for target in targets:
        files = [root / target] if target.endswith(".py") else sorted((root / target).rglob("*.py"))
        if not files or not all(file.is_file() for file in files):
            raise ValueError(f"{target}: no Python files there")
        for file in files:
            if file.name != "__init__.py":
                mutants += mutants_of(file.relative_to(root).as_posix(), file.read_bytes())
    if sample is None or sample >= len(mutants):
        return mutants
    return random.Random(seed).sample(mutants, sample)


def named_mutants(root: Path, table: Path) -> list[Mutant]:
    """The mutations of a table: `name`, `files` (a pattern), `find`, `replace` and `tests` of each.

    Raises:
        ValueError: A text to replace is not in the files exactly once: the table has to follow the code.
    """
    mutants = []
    for entry in tomllib.loads(table.read_text(encoding="utf-8"))["mutation"]:
        find, places = entry["find"].encode(), []
        for path in root.glob(entry["files"]):
            places += [(path, match.start()) for match in re.finditer(re.escape(find), path.read_bytes())]
        if len(places) != 1:
            raise ValueError(
                f"{table.name}: {entry['name']!r}: got {len(places)} places in {entry['files']}, wanted one "
                f"with {entry['find']!r}"
            )
        ((path, start),) = places
        file, tests = path.relative_to(root).as_posix(), tuple(entry["tests"])
        mutants.append(Mutant(file, start, start + len(find), entry["replace"], entry["name"], tests))
    return mutants


def tests_of(mutant: Mutant, root: Path, general: Sequence[str]) -> list[str]:
    """Tests to run for a mutant, nearest first: those of its file, or else of its room."""
    if mutant.tests is not None:
        return list(mutant.tests)
    path = Path(mutant.file).relative_to("projects/threedgp")
    own = Path("tests", path.parent, f"test_{path.name}")
    room = Path("tests", path.parts[0])
    return [(own if (root / own).is_file() else room).as_posix(), *general]


def copy_checkout(root: Path, folder: Path) -> Path:
    """Copies what git knows or would know, as it is now, into a folder."""
    listing = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, check=True, capture_output=True).stdout.decode().split("\0"):
        path = root / name
        if path.is_file() or (path.is_symlink() and not path.readlink().is_absolute()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / name, follow_symlinks=False)
    return folder


def import_heavy_packages() -> None:
    """Imports once what tests/conftest.py imports in every run, and none of the plugin itself."""
    runpy.run_path(str(ROOT / "projects" / "threedgp" / "compat.py"))
    __import__("mmagic.apis")
    __import__("mmagic.evaluation")
    __import__("timm")


def run_tests(folder: Path, tests: Sequence[str], timeout: float) -> tuple[str, str]:
    """Runs tests in a copy of the checkout, in a fork of this process.

    Returns:
        `survived`, `killed` or `timeout`, and the first test that failed.
    """
    log = folder / "mutate.log"
    child = os.fork()
    if child == 0:
        os.setsid()
        with open(log, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(folder)
        sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        os._exit(_pytest_status(tests))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log.read_text(errors="replace"), re.MULTILINE)
            return "killed" if status else "survived", failed[1] if failed else ""
        time.sleep(0.1)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return "timeout", ""


def _pytest_status(tests: Sequence[str]) -> int:
    try:
        import pytest

        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    except BaseException:
        return 70


def judge(mutant: Mutant, folder: Path, tests: Sequence[str], timeout: float) -> dict:
    """Runs the tests against a mutant; the copy is as before afterwards."""
    path, started = folder / mutant.file, time.monotonic()
    source = path.read_bytes()
    try:
        _write(path, mutant.apply(source))
        outcome, killer = run_tests(folder, tests, timeout)
    finally:
        _write(path, source)
    about = asdict(mutant) | dict(key=mutant.key(source), diff=mutant.diff(source))
    return about | dict(outcome=outcome, killer=killer, seconds=round(time.monotonic() - started, 1))


def _write(path: Path, source: bytes) -> None:
    # Compiled code is told apart by size and whole seconds only, which two mutants may share.
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()
    path.write_bytes(source)


def judge_all(mutants: Sequence[Mutant], args: argparse.Namespace) -> list[dict]:
    """The results of all mutants, of which those that are in --out already are not run again.

    Raises:
        ValueError: The tests fail without any mutation.
    """
    known = {}
    if args.out.is_file():
        lines = args.out.read_text(encoding="utf-8").splitlines()
        known = {row["key"]: row for row in map(json.loads, lines)}
        if args.retry:
            known = {key: row for key, row in known.items() if row["outcome"] != "survived"}
    keys = [mutant.key((args.root / mutant.file).read_bytes()) for mutant in mutants]
    todo = [mutant for mutant, key in zip(mutants, keys, strict=True) if key not in known]
    with tempfile.TemporaryDirectory(prefix="mutate-") as temporary:
        folder = copy_checkout(args.root, Path(temporary))
        every = sorted({test for mutant in todo for test in tests_of(mutant, args.root, args.tests)})
        if todo and (folder / "tests" / "conftest.py").is_file():
            import_heavy_packages()
        if todo and (outcome := run_tests(folder, every, 4 * args.timeout))[0] != "survived":
            raise ValueError(f"without any mutation the tests fail ({' '.join(outcome)})")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with open(args.out, "a", encoding="utf-8") as file:
            for mutant in tqdm(todo, desc="Mutants", unit="mutant", dynamic_ncols=True):
                row = judge(mutant, folder, tests_of(mutant, args.root, args.tests), args.timeout)
                known[row["key"]] = row
                print(json.dumps(row), file=file, flush=True)
    return [known[key] for key in keys]


def report(rows: Sequence[dict]) -> str:
    """The score of each file as a Markdown table, and the survivors' diffs."""
    by_file: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        by_file[row["file"]].append(row)
    lines = ["| file | mutants | killed | score |", "| --- | ---: | ---: | ---: |"]
    for name, group in [*sorted(by_file.items()), ("all", list(rows))]:
        killed = sum(row["outcome"] != "survived" for row in group)
        lines.append(f"| {name} | {len(group)} | {killed} | {killed / max(len(group), 1):.0%} |")
    survivors = [row["diff"] for row in rows if row["outcome"] == "survived"]
    return "\n".join([*lines, "", f"{len(survivors)} survived:", "", *survivors])


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("targets", nargs="*", default=TARGETS, help=f"files or folders (default: {' '.join(TARGETS)})")
    add("--named", action="store_true", help="run the mutations of tools/mutations.toml instead")
    add("--sample", type=int, help="how many mutants, drawn with --seed (default: all)")
    add("--seed", type=int, default=0)
    add("--tests", nargs="+", default=GENERAL, help=f"the general set (default: {' '.join(GENERAL)})")
    add("--timeout", type=float, default=300, help="seconds for one mutant's tests")
    add("--out", type=Path, default=Path("work_dirs/mutants.jsonl"), help="results, one JSON line each")
    add("--retry", action="store_true", help="run those again that survived before")
    add("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the mutants; 1 if one survived, 2 if they cannot be run."""
    args = parse_arguments(argv)
    try:
        if args.named:
            mutants = named_mutants(args.root, args.root / "tools" / "mutations.toml")
        else:
            mutants = sampled_mutants(args.root, args.targets, args.sample, args.seed)
        rows = judge_all(mutants, args)
    except ValueError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    print(report(rows))
    return int(any(row["outcome"] == "survived" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
