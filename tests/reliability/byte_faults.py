"""Ways in which the bytes of a file go wrong; a seed chooses among them."""

from collections.abc import Callable
from random import Random

Fault = tuple[str, bytes]


def cut(content: bytes, rng: Random) -> Fault:
    """The end is missing."""
    length = rng.randrange(len(content))
    return f"cut after {length} of {len(content)} bytes", content[:length]


def flipped_bit(content: bytes, rng: Random) -> Fault:
    """One bit is another."""
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    changed = bytes([content[place] ^ (1 << bit)])
    return f"bit {bit} of byte {place} flipped", content[:place] + changed + content[place + 1 :]


def flipped_early(content: bytes, rng: Random) -> Fault:
    """One bit of what describes the rest is another."""
    name, head = flipped_bit(content[:128], rng)
    return name, head + content[128:]


def zeros(content: bytes, rng: Random) -> Fault:
    """A block of a disk was never written."""
    start, length = rng.randrange(len(content)), rng.choice((1, 16, 512, 4096))
    middle = bytes(len(content[start : start + length]))
    return f"{len(middle)} zeros from byte {start}", content[:start] + middle + content[start + len(middle) :]


def noise(content: bytes, rng: Random) -> Fault:
    """A block is another file's."""
    start, length = rng.randrange(len(content)), rng.choice((4, 64, 1024))
    middle = rng.randbytes(len(content[start : start + length]))
    return f"{len(middle)} bytes of noise at {start}", content[:start] + middle + content[start + length :]


def lost(content: bytes, rng: Random) -> Fault:
    """A piece in the middle is missing."""
    start, length = rng.randrange(len(content)), rng.choice((1, 7, 256))
    return f"{length} bytes lost at {start}", content[:start] + content[start + length :]


def repeated(content: bytes, rng: Random) -> Fault:
    """A piece is there twice."""
    start, length = rng.randrange(len(content)), rng.choice((1, 64, 512))
    piece = content[start : start + length]
    return f"{len(piece)} bytes twice at {start}", content[:start] + piece + content[start:]


def all_zeros(content: bytes, rng: Random) -> Fault:
    """The length was written and nothing else."""
    return "zeros only", bytes(len(content))


def empty(content: bytes, rng: Random) -> Fault:
    """Nothing was written."""
    return "empty", b""


def foreign(content: bytes, rng: Random) -> Fault:
    """Something else under this name."""
    beginning = rng.choice(
        (b"<!DOCTYPE html><html>", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"%PDF-1.4\n", b"{}")
    )
    return f"begins with {beginning[:6]!r}", beginning + rng.randbytes(rng.randrange(2000))


FAULTS: tuple[Callable[[bytes, Random], Fault], ...] = (
    *(cut, flipped_bit, flipped_early, zeros, noise, flipped_bit, lost, repeated, cut, flipped_bit),
    *(all_zeros, empty, foreign),
)


def fault(content: bytes, number: int, rng: Random) -> Fault:
    """What goes wrong in a file the ``number``-th time: all ways come in turn."""
    while True:
        name, changed = FAULTS[number % len(FAULTS)](content, rng)
        if changed != content:
            return name, changed
        number += 1
