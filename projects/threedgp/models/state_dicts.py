"""Checkpoints that fit: names without wrappers, and a refusal of those of another config."""

from mmengine.model import is_model_wrapper
from torch import Tensor, nn


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside a distributed wrapper."""
    return module.module if is_model_wrapper(module) else module


def without_wrappers(
    module: nn.Module, state_dict: dict, prefix: str, local_metadata: dict
) -> None:
    """Rename ``generator.module.x`` of a distributed run to ``generator.x``.

    The toolkit loads into the unwrapped children, so the wrapper's names would match nothing, silently.
    """
    for child in ('generator', 'discriminator'):
        if is_model_wrapper(getattr(module, child, None)):
            start = f'{prefix}{child}.module.'
            for key in [key for key in state_dict if key.startswith(start)]:
                state_dict[f'{prefix}{child}.' + key.removeprefix(start)] = state_dict.pop(key)


def refuse_misfits(own: dict[str, Tensor], given: dict[str, Tensor], prefix: str) -> None:
    """Raise a ValueError that lists what is missing, unknown or of another shape.

    Args:
        own: State of the model.
        given: State of the checkpoint.
        prefix: Start of the model's names in the checkpoint.
    """
    own = {prefix + key: value for key, value in own.items()}
    missing = sorted(own.keys() - given.keys())
    unknown = sorted(key for key in given if key.startswith(prefix) and key not in own)
    shapes = [
        f'{key}: {tuple(given[key].shape)} instead of {tuple(own[key].shape)}'
        for key in sorted(own.keys() & given.keys())
        if given[key].shape != own[key].shape
    ]
    if missing or unknown or shapes:
        raise ValueError(
            'checkpoint: it belongs to another config (model.strict_load=False loads what fits).\n'
            f'  missing ({len(missing)}): {missing[:5]}\n  unknown ({len(unknown)}): {unknown[:5]}\n'
            f'  other shapes ({len(shapes)}): {shapes[:5]}'
        )
