"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """A number with its noun, which is given in the singular: `1 image`, `2 images`, `2 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"
