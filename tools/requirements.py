"""What setup.cfg asks for, printed for pip: `python tools/requirements.py [--key FILE] [EXTRA ...]`.

Needs nothing but the standard library, since it runs before anything is installed.
"""

import argparse
import configparser
import hashlib
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_requirements(setup_cfg: Path, extras: Sequence[str] = (), only_extras: bool = False) -> list[str]:
    """Requirement lines of `install_requires` and of the named extras, in the order of setup.cfg.

    Args:
        setup_cfg: The setup.cfg to read.
        extras: Names out of `[options.extras_require]`.
        only_extras: Whether to leave `install_requires` out.

    Raises:
        ValueError: An extra is not in setup.cfg.
    """
    config = configparser.ConfigParser()
    with open(setup_cfg, encoding="utf-8") as file:
        config.read_file(file)
    known = config["options.extras_require"]
    if unknown := [extra for extra in extras if extra not in known]:
        raise ValueError(f"{setup_cfg}: extras wanted {unknown}, known {sorted(known)}")
    always = [] if only_extras else [config["options"]["install_requires"]]
    blocks = always + [known[extra] for extra in extras]
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def keep_installed_mmcv(requirements: Sequence[str]) -> list[str]:
    """Asks for `mmcv`, not `mmcv-lite`, where that is installed: they exclude each other."""
    try:
        metadata.version("mmcv")
    except metadata.PackageNotFoundError:
        return list(requirements)
    return [line.replace("mmcv-lite", "mmcv", 1) for line in requirements]


def environment_key(requirements: Sequence[str], constraints: Path) -> str:
    """A short hash that changes when the requirements, the constraints or the Python version do."""
    digest = hashlib.sha256()
    digest.update("\n".join(requirements).encode())
    digest.update(constraints.read_bytes())
    digest.update(sys.version.encode())
    return digest.hexdigest()[:16]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the requirements, or with --key their hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help="extras of setup.cfg, e.g. dev")
    parser.add_argument("--only-extras", action="store_true", help="leave out install_requires")
    parser.add_argument(
        "--key", type=Path, metavar="CONSTRAINTS", help="print the environment's key with that file instead"
    )
    args = parser.parse_args(argv)
    requirements = read_requirements(ROOT / "setup.cfg", args.extras, args.only_extras)
    if args.key:
        print(environment_key(requirements, args.key))
    else:
        print("\n".join(keep_installed_mmcv(requirements)))


if __name__ == "__main__":
    main()
