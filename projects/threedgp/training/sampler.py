"""Full images of a trained generator: what metrics, hooks and inferencers call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..models.generator import GeneratorInput, GeneratorOutput, ThreeDGPGenerator
from ..models.sampling import Sampling
from ..rendering import Camera


@dataclass(frozen=True)
class Sampler:
    """Samples of the trained generator or of its average.

    Args:
        orig: The trained generator.
        ema: Its average; None for none.
        deterministic: Without other wishes, take fixed ray samples and stored noise.
        level: Without other wishes, how far the images have grown; None for all of it.
    """

    orig: ThreeDGPGenerator
    ema: ThreeDGPGenerator | None
    deterministic: bool
    level: float | None = None

    def kind(self, sample_model: str | None) -> str:
        """Return which generators are meant: ``ema``, ``orig``, ``ema/orig``; None for the best there is.

        Raises:
            ValueError: If there is no such generator.
        """
        known = ("orig",) if self.ema is None else ("ema", "orig", "ema/orig")
        if sample_model is not None and sample_model not in known:
            raise ValueError(f"sample_model: got {sample_model!r}, wanted one of {known}")
        return sample_model or known[0]

    def generator_of(self, sample_model: str | None = None) -> ThreeDGPGenerator:
        """Return the averaged generator (``ema``) or the trained one (``orig``); None as in ``kind``."""
        generator = self.ema if self.kind(sample_model) == "ema" else self.orig
        assert generator is not None
        return generator

    def sample(
        self,
        z: Float[Tensor, "n z"],
        label: Int[Tensor, " n"] | None = None,
        camera: Camera | None = None,
        sampling: Sampling = Sampling(),
        sample_model: str | None = None,
    ) -> GeneratorOutput:
        """Generate full images without gradients.

        Args:
            z: Latents.
            label: Classes; ignored without classes.
            camera: Cameras to render as they are; None draws posterior ones.
            sampling: How to sample.
            sample_model: ``ema`` or ``orig``; None as in ``kind``.
        """
        generator = self.generator_of(sample_model)
        if sampling.level is None:
            sampling = replace(sampling, level=self.level)
        training = generator.training
        generator.eval()
        try:
            with torch.no_grad():
                return generator.generate(GeneratorInput(z, label, camera), sampling)
        finally:
            generator.train(training)

    def sample_as_asked(
        self,
        z: Float[Tensor, "n z"],
        label: Int[Tensor, " n"] | None,
        sample_model: str | None,
        sample_kwargs: Mapping[str, Any],
    ) -> dict[str, GeneratorOutput]:
        """Generate full images with options in the toolkit's form.

        Args:
            z: Latents.
            label: Classes; ignored without classes.
            sample_model: See ``kind``.
            sample_kwargs: See ``ThreeDGP.forward``.

        Returns:
            The output of each generator that is meant, by its name.
        """
        options = dict(sample_kwargs)
        camera = self._camera(options.pop("camera", None), len(z), z.device)
        sampling = self._sampling(options)
        kinds = self.kind(sample_model).split("/")
        return {kind: self.sample(z, label, camera, sampling, kind) for kind in kinds}

    def _camera(self, camera: Any, n: int, device: torch.device) -> Camera | None:
        if camera is None:
            return None
        if isinstance(camera, str):
            if camera != "mean":
                raise ValueError(f"sample_kwargs.camera: got {camera!r}, wanted 'mean' or (n, 8) numbers")
            return self.orig.prior.mean(n, device)
        return Camera(torch.as_tensor(camera, device=device).float().expand(n, 8))

    def _sampling(self, options: Mapping[str, Any]) -> Sampling:
        options = dict(deterministic=self.deterministic) | dict(options)
        if "marching" in options:
            options["marching"] = replace(self.orig.marching, **options["marching"])
        return Sampling(**options)
