"""Generated samples in the toolkit's form."""

from jaxtyping import Float, Int
from mmagic.structures import DataSample
from torch import Tensor

from ..models.generator import GeneratorOutput


def to_bgr_bytes(rgb: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    """Convert RGB in [-1, 1] to BGR in [0, 255], clamped and rounded, as the toolkit's sinks want it."""
    return ((rgb + 1) * 127.5).round().clamp(0, 255).flip(-3)


def _one_sample(output: GeneratorOutput, i: int) -> DataSample:
    sample = DataSample(fake_img=to_bgr_bytes(output.rgb[i]), depth=output.full_depth[i])
    if output.adapted_depth is not None:
        sample.adapted_depth = output.as_large(output.adapted_depth)[i]
    sample.camera = output.camera.params[i]
    return sample


def pack_samples(
    outputs: dict[str, GeneratorOutput],
    noise: Float[Tensor, "n z"],
    label: Int[Tensor, " n"] | None,
    sample_kwargs: dict,
    data_samples: DataSample | None = None,
) -> list[DataSample]:
    """Make one ``DataSample`` of each image.

    Args:
        outputs: One output, or those of ``ema`` and ``orig``, which are nested under these names.
        noise: Latents.
        label: Classes.
        sample_kwargs: How it was sampled, kept as a record.
        data_samples: Fields to carry along.
    """
    given = data_samples.split(allow_nonseq_value=True) if data_samples else None
    samples = []
    for i in range(len(noise)):
        sample = DataSample()
        if given:
            sample.update(given[i])
        parts = {kind: _one_sample(output, i) for kind, output in outputs.items()}
        if len(parts) == 1:
            sample.update(next(iter(parts.values())))
        else:
            for kind, part in parts.items():
                setattr(sample, kind, part)
        sample.noise = noise[i]
        if label is not None:
            sample.set_gt_label(label[i : i + 1])
        sample.sample_model = "/".join(outputs)
        sample.sample_kwargs = dict(sample_kwargs)
        samples.append(sample)
    return samples
