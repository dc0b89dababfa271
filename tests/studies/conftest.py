"""What tests of the studies share: scenes and networks as prepare.py makes them, but small and bad."""

from pathlib import Path

import pytest

from tools.studies import prepare

NUM_SCENES = 64


@pytest.fixture(scope="session")
def small() -> list[str]:
    """Options of prepare.py for half a minute instead of ten."""
    return ["--num", str(NUM_SCENES), "--epochs", "1", "--held-out", "32"]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, small) -> Path:
    """A folder that prepare.py made; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("prepared") / "toy"
    prepare.main([str(folder), *small])
    return folder
