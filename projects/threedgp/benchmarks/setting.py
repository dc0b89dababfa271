"""What is measured; imports nothing heavy."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Setting:
    """What an arm measures; it travels to the arm's process as JSON.

    Args:
        config: Path of the config.
        options: As of ``--cfg-options``.
        device: Where; None for CUDA if there is one.
        batch_size: Images of a training step; None for the config's.
        resolution: Pixels along a side of rendered images; None for the model's.
        samples: Samples on a ray, half of them coarse; None for the model's.
        data_root: Real images, which loading needs; None for none.
    """

    config: str
    options: list[str] = field(default_factory=list)
    device: str | None = None
    batch_size: int | None = None
    resolution: int | None = None
    samples: int | None = None
    data_root: str | None = None


GROUPS = ("train", "render", "load")
SWEEPS = ("batch_size", "resolution", "samples")
"""Numbers of a setting that a run can vary."""
