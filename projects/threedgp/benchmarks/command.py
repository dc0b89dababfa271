"""What tools/benchmark.py does."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..whole_files import write_text
from . import report
from .session import Arm
from .session import run as measure
from .setting import SWEEPS, Setting


def run(args: argparse.Namespace, command: str) -> None:
    """Measure, write and print.

    Args:
        args: The command line.
        command: How to get the results again.

    Raises:
        UserError: If something on the command line is wrong.
    """
    before = None if args.against is None else report.Results.read(args.against)
    groups = args.groups or ("train", "render")
    if "load" in groups and args.data_root is None:
        raise UserError("--groups load: got no --data-root, wanted a folder of images")
    sizes = sweep_sizes(args)
    arms = list(swept(args, sizes) if sizes else compared(args))
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise UserError(f"arms: got the names {', '.join(names)}, wanted different ones")
    results = measure(arms, groups, args.rounds, args.warmup, {"command": command})
    texts = ["".join(f"* {name}: `{value}`\n" for name, value in results.facts.items())]
    texts += [report.table(results), report.rates(results)]
    if sizes:
        texts.append(report.slopes(results, sizes, args.sweep[0]))
    if before is not None:
        texts.append(report.comparison(results, before))
    write_text(args.out.with_suffix(".json"), results.as_json())
    write_text(args.out.with_suffix(".md"), "\n".join(texts))
    print("\n".join(texts))


def setting_of(args: argparse.Namespace, config: str) -> Setting:
    """What to measure of a config."""
    return Setting(
        str(Path(config).resolve()),
        list(args.cfg_options),
        args.device,
        args.batch_size,
        args.resolution,
        args.samples,
        args.data_root and str(Path(args.data_root).resolve()),
    )


def compared(args: argparse.Namespace) -> Iterator[Arm]:
    """All configs, the first of them with other options, and with other code."""
    for config in args.configs:
        yield Arm(Path(config).stem, setting_of(args, config))
    first = setting_of(args, args.configs[0])
    for name, *options in args.arm:
        yield Arm(name, replace(first, options=[*first.options, *options]))
    for name, folder in args.checkout:
        root = Path(folder).resolve()
        if not (root / "projects" / "threedgp" / "benchmarks").is_dir():
            raise UserError(f"--checkout {folder}: wanted a checkout with projects/threedgp/benchmarks")
        yield Arm(name, replace(first, config=args.configs[0]), root)


def sweep_sizes(args: argparse.Namespace) -> dict[str, int]:
    """Size of each arm of a sweep, by name; empty without one.

    Raises:
        UserError: If there is no such size.
    """
    if args.sweep is None:
        return {}
    key, *numbers = args.sweep
    if key not in SWEEPS:
        raise UserError(f"--sweep {key}: wanted one of {', '.join(SWEEPS)}")
    if len(numbers) < 2 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise UserError(f"--sweep {key}: got {numbers}, wanted two or more whole numbers")
    return {f"{key} {number}": int(number) for number in numbers}


def swept(args: argparse.Namespace, sizes: Mapping[str, int]) -> Iterator[Arm]:
    """The config at each size."""
    first = setting_of(args, args.configs[0])
    for name, size in sizes.items():
        changed: dict[str, Any] = {args.sweep[0]: size}
        yield Arm(name, replace(first, **changed))
