"""The config in a checkpoint is read and not run."""

import sys
from pathlib import Path

import pytest

from projects.threedgp.engine.plain_config import parse_plain_config
from projects.threedgp.engine.run_config import read_config, stored_config
from projects.threedgp.errors import UserError

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_the_toolkit_writes_of_a_config_is_read_as_it_was(path):
    config = read_config(path)
    assert stored_config(dict(meta=dict(cfg=config.pretty_text)), "a.pth").to_dict() == {
        name: value for name, value in config.to_dict().items() if name not in ("load_from", "resume")
    }


def test_plain_values():
    text = '"""About it."""\na = dict(b=[1, -2.5, (True, None)], c={"d": {3}}, e=inf)\nf = -nan'
    values = parse_plain_config(text)
    assert values["a"] == dict(b=[1, -2.5, (True, None)], c=dict(d={3}), e=float("inf"))
    assert values["f"] != values["f"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("open('{mark}', 'w')", r"got \"open\("),
        ("import os\nos.mkdir('{mark}')", "got 'import os'"),
        ("a = dict(b=[open('{mark}', 'w')])", 'got "open'),
        ("a = [open(p, 'w') for p in ['{mark}']]", "wanted names and plain values alone"),
        ("a = dict(**open('{mark}', 'w'))", "wanted names and plain values alone"),
        ("a = (lambda: open('{mark}', 'w'))()", "wanted names and plain values alone"),
        ("3", "got '3', wanted names"),
        ("a.b = 3", "got 'a.b = 3'"),
        ("", r"got no config \(it is empty\)"),
        ("a = dict(", "got no config"),
        ("a = " + "[" * 5000, "got no config"),
        ("_base_ = ['{mark}']", "_base_: got"),
        ("custom_imports = dict(imports=['antigravity'])", "custom_imports: got 'antigravity'"),
        ("custom_imports = 'antigravity'", "custom_imports: got 'antigravity'"),
        (
            "model = dict(type='os.mkdir', path='{mark}')",
            "model.type: got 'os.mkdir', wanted a registered name",
        ),
        ("a = [dict(b=dict(type='os.mkdir'))]", "a.0.b.type: got 'os.mkdir'"),
        ("model = dict(type='A', _scope_='antigravity')", "model._scope_: got 'antigravity'"),
        ("default_scope = 'antigravity'", "default_scope: got 'antigravity'"),
    ],
)
def test_whatever_could_run_is_refused_and_not_run(tmp_path, text, message):
    mark = tmp_path / "mark"
    stored = dict(meta=dict(cfg=text.format(mark=mark) if "{mark}" in text else text))
    with pytest.raises(UserError, match=f"config in a.pth: .*{message}"):
        stored_config(stored, "a.pth")
    assert not mark.exists() and "antigravity" not in sys.modules


def test_a_config_beside_a_checkpoint_is_not_run_either(tmp_path):
    (tmp_path / "a.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    with pytest.raises(UserError, match=r"a\.py: got .*give CONFIG, a file that you trust"):
        stored_config({}, str(tmp_path / "a.pth"))
    assert not (tmp_path / "mark").exists()
