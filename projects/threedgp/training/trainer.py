"""One step: its phases in their order, and how each is optimised (docs/method.md, sections 9 and 10)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapperDict
from torch import nn

from ..models.losses.generator_term import GeneratorTerm
from .batches import Batch, RealBatch, RealPatches, TermDraws, chunk_indices
from .draws import Draws
from .gradients import sanitize_gradients, without_gradients
from .phases import Logs, PhaseResult, Phases
from .state_dicts import unwrap


@dataclass(frozen=True)
class Trainer:
    """Trains the generator, the discriminator, and now and then on R1.

    All that is drawn before the networks run is drawn for the whole batch, and then cut: a step is the same
    whatever the size of the micro batches.

    Args:
        phases: What to minimise.
        draws: What to draw.
        optim_wrapper: Optimisers, keys ``generator`` and ``discriminator``.
        micro_batch_size: Most images in one forward pass; None for the whole batch.
    """

    phases: Phases
    draws: Draws
    optim_wrapper: OptimWrapperDict
    micro_batch_size: int | None

    def step(self, real: RealBatch, images_seen: int) -> Logs:
        """Train for one step.

        Args:
            real: This process's real images.
            images_seen: Images before the step, over all processes.
        """
        batch_size = len(real) * get_world_size()
        logs = self.train_generator(len(real))
        for term in self.phases.generator_terms:
            if term.is_due(images_seen, batch_size):
                logs |= self.regularize_generator(term, len(real))
        logs |= self.train_discriminator(real, batch_size)
        if self.phases.r1 is not None and self.phases.r1.is_due(images_seen, batch_size):
            logs |= self.penalize_gradients(real, batch_size)
        return logs

    def train_generator(self, n: int) -> Logs:
        """Train the generator on its main loss.

        Args:
            n: Images of this process.
        """
        fakes = self.draws.fakes(n)
        cameras = self.draws.camera_batches(self.phases.regularizers)
        trained = [p for p in self.phases.discriminator.parameters() if p.requires_grad]
        with without_gradients(trained):
            result = self._optimize(
                "generator", lambda part: self.phases.generator_phase(part, cameras), fakes
            )
        return result.logs

    def regularize_generator(self, term: GeneratorTerm, n: int) -> Logs:
        """Train the generator on a regulariser that has a step of its own.

        Args:
            term: The regulariser.
            n: Images of this process in the other phases.
        """
        n = max(n // term.batch_shrink, 1)
        draws = TermDraws(term.draw(n, self.phases.bare_generator))
        result = self._optimize(
            "generator",
            lambda fakes, draws: self.phases.term_phase(term, fakes, draws),
            self.draws.fakes(n, term.one_swap),
            draws,
        )
        return _lazy_logs("generator", term.name, result.logs)

    def train_discriminator(self, real: RealBatch, batch_size: int) -> Logs:
        """Train the discriminator on its main loss.

        Args:
            real: This process's real images.
            batch_size: Images over all processes.
        """
        fakes, patches = self.draws.fakes(len(real)), self._patches(real)
        mean_scale = None if self.phases.distillation is None else patches.mean_scale()
        result = self._optimize(
            "discriminator",
            lambda real, fake: self.phases.discriminator_phase(real, fake, mean_scale),
            patches,
            fakes,
        )
        assert result.w_mean is not None
        self.phases.bare_generator.mapping.track(result.w_mean)
        if self.phases.augmentation is not None:
            self.phases.augmentation.adapt(result.logs["logits/real_sign"], batch_size)
        return result.logs

    def penalize_gradients(self, real: RealBatch, batch_size: int) -> Logs:
        """Train the discriminator on R1.

        Args:
            real: This process's real images.
            batch_size: Images over all processes.
        """
        result = self._optimize(
            "discriminator", lambda part: self.phases.r1_phase(part, batch_size), self._patches(real)
        )
        return _lazy_logs("discriminator", "r1", result.logs)

    def _patches(self, real: RealBatch) -> RealPatches:
        side = self.phases.bare_generator.seen_size(self.phases.sampling)
        return real.cut(self.draws.patches(len(real)), side)

    def _optimize(self, name: str, phase: Callable[..., PhaseResult], *batches: Batch) -> PhaseResult:
        """Run a phase over all chunks of these batches, and step once with the mean gradient."""
        module, wrapper = getattr(self.phases, name), self.optim_wrapper[name]
        wrapper.zero_grad()
        results: list[PhaseResult] = []
        chunks = self._chunks(batches)
        for index, chunk in enumerate(chunks):
            share = len(chunk[0]) / len(batches[0])
            with _synchronized(module, index + 1 == len(chunks)):
                with wrapper.optim_context(module):
                    result = phase(*chunk)
                wrapper.backward(result.loss * share)
            results.append(result.scaled(share))
        norm, bad = sanitize_gradients(module.parameters())
        wrapper.step()
        wrapper.zero_grad()
        whole = reduce(add, results)
        gradient = {f"grad_norm/{name}": norm, f"grad_nonfinite/{name}": bad.float()}
        return replace(whole, logs=whole.logs | gradient)

    def _chunks(self, batches: Sequence[Batch]) -> list[tuple[Batch, ...]]:
        group_size = getattr(unwrap(self.phases.discriminator), "mbstd_group_size", 1)
        indices = chunk_indices(len(batches[0]), self.micro_batch_size, group_size)
        return list(zip(*(batch.split(indices) for batch in batches), strict=True))


def _lazy_logs(network: str, name: str, logs: Logs) -> Logs:
    """Return the losses of a phase that comes now and then, and whether its gradients were finite."""
    losses = {key: value for key, value in logs.items() if key.startswith("loss")}
    return losses | {f"grad_nonfinite/{name}": logs[f"grad_nonfinite/{network}"]}


def _synchronized(module: nn.Module, now: bool) -> AbstractContextManager:
    """Let the processes average their gradients in this backward pass, or put it off to a later one."""
    no_sync = getattr(module, "no_sync", nullcontext)
    return nullcontext() if now else no_sync()
