"""The process of an arm: does a part whenever it is told to, and answers with the time that it took.

It is started in the checkout that it measures, reads JSON lines and answers with JSON lines.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from projects.threedgp.benchmarks.parts import Part, Setting, Subject
from projects.threedgp.engine.throughput_hook import peak_memory_gb
from projects.threedgp.errors import user_errors


def seconds_of(part: Part, device: torch.device) -> float:
    """Do a part; the time it takes.

    On a GPU by its events, with one thread as the time of the processor, which other programs do not
    lengthen much, else as that of the clock.

    Args:
        part: The part.
        device: Where it runs.
    """
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        part.run()
        end.record()
        torch.cuda.synchronize(device)
        return begin.elapsed_time(end) / 1000
    now = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    # A loader's processes work while this one waits.
    now = time.perf_counter if part.waits else now
    started = now()
    part.run()
    return now() - started


def hardware(device: torch.device) -> str:
    """Name of the GPU, or of the CPU with the number of threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} thread(s)"


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer until there are no more questions.

    The first is ``{"setting": ..., "group": ..., "warmup": ...}`` and answered with what the parts are; the
    others are names of parts, answered with seconds and with the peak of the process's memory until then.

    Args:
        questions: JSON lines.
        answers: JSON lines.
    """

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    first = json.loads(questions.readline())
    subject = Subject(Setting(**first["setting"]))
    parts = subject.parts(first["group"])
    for part in parts.values():
        for _ in range(first["warmup"]):
            part.run()
    answer(
        parts={name: dict(images=part.images, share=part.share) for name, part in parts.items()},
        hardware=hardware(subject.device),
        torch=torch.__version__,
    )
    for line in questions:
        seconds = seconds_of(parts[json.loads(line)], subject.device)
        answer(seconds=seconds, peak_gb=peak_memory_gb())


def main() -> None:
    """Serve on the standard streams; whatever libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    init_default_scope("mmagic")
    MMLogger.get_instance("benchmark").setLevel("WARNING")
    with user_errors():
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
