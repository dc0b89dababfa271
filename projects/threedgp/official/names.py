"""Names and shapes of the authors' tensors, and the same weights under ours, both ways.

The official networks name blocks after their side (``b4``, ``b8``, ...), ours number them in the
order they run: the generator's ascend from 4, the discriminator's descend from the image side. Some
official tensors can be derived (filters, the prior's mean camera); those are not stored here, and
are reconstructed on export.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..rendering import CAMERA_FIELDS

_ORIGIN = "synthesis.camera_adaptor.origin_adaptor."
_LOOK_AT = "synthesis.camera_adaptor.look_at_adaptor."

# Pairs of prefixes, official and ours; the first that fits counts.
_GENERATOR_RULES = (
    ("mapping.fc{i}.", "mapping.layers.{i}."),
    ("mapping.", "mapping."),
    ("synthesis.tri_plane_decoder.b{side}.torgb.", "field.decoder.blocks.{block}.to_image."),
    ("synthesis.tri_plane_decoder.b{side}.", "field.decoder.blocks.{block}."),
    ("synthesis.tri_plane_mlp.model.0.", "field.mlp.hidden."),
    ("synthesis.tri_plane_mlp.model.1.", "field.mlp.out."),
    (_ORIGIN + "main.0.", "camera_generator.origin_net.hidden."),
    (_ORIGIN + "main.1.", "camera_generator.origin_net.out."),
    (_ORIGIN + "project_c.", "camera_generator.origin_net.project_label."),
    (_ORIGIN, "camera_generator.origin_net."),
    (_LOOK_AT + "main.0.", "camera_generator.look_at_net.hidden."),
    (_LOOK_AT + "main.1.", "camera_generator.look_at_net.out."),
    (_LOOK_AT + "project_c.", "camera_generator.look_at_net.project_label."),
    (_LOOK_AT, "camera_generator.look_at_net."),
    ("synthesis.depth_adaptor.near_plane_offset_raw", "depth_adaptor.near_offset_logit"),
    ("synthesis.depth_adaptor.", "depth_adaptor."),
)

_DISCRIMINATOR_RULES = (
    ("scalar_enc.const_embed.", "scalar_encoder.table."),
    ("scalar_enc.fourier_encoder.fourier_coefs", "scalar_encoder.frequencies"),
    ("hyper_mod_mapping.fc{i}.", "code_mapping.layers.{i}."),
    ("hyper_mod_mapping.", "code_mapping."),
    ("head_mapping.fc{i}.", "epilogue.condition_mapping.layers.{i}."),
    ("head_mapping.", "epilogue.condition_mapping."),
    ("b4.feat_out.", "epilogue.feature_head."),
    ("b4.", "epilogue."),
    ("b{image_size}.fromrgb.", "from_image."),
    ("b{side}.fromrgb.", "unused_from_image.{later_block}."),
    ("b{side}.conv1.affine.", "blocks.{block}.affine."),
    ("b{side}.", "blocks.{block}."),
)

_RULES = {"G": _GENERATOR_RULES, "D": _DISCRIMINATOR_RULES}
_MEAN_CAMERA_FIELDS = CAMERA_FIELDS[:5]
_DERIVED_SUFFIXES = ("resample_filter", "mean_camera_params", "progress_coef")


def is_derived(official: str) -> bool:
    """Whether an official tensor follows from the configuration, so that we do not store it."""
    return official.rpartition(".")[2] in _DERIVED_SUFFIXES


def official_to_ours(name: str, network: str, image_size: int = 256) -> str | None:
    """Translate an official tensor name.

    Args:
        name: Official name.
        network: ``G`` or ``D``.
        image_size: Side of the full image; the discriminator's blocks are numbered from it.

    Returns:
        Our name, or None for a derived tensor.

    Raises:
        ValueError: If no rule fits the name.
    """
    return None if is_derived(name) else _translate(name, 0, 1, network, image_size)


def ours_to_official(name: str, network: str, image_size: int = 256) -> str:
    """Translate a tensor name of ours; see ``official_to_ours``."""
    return _translate(name, 1, 0, network, image_size)


def load_official(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill a generator or discriminator with official weights: all of them, or none.

    Args:
        module: A ``ThreeDGPGenerator`` or ``ThreeDGPDiscriminator``.
        state: Tensors under their official names.

    Raises:
        ValueError: If tensors do not map, are missing or have the wrong shape. All are listed.
    """
    own = module.state_dict()
    to_ours, to_official = _to_ours(module), _to_official(module)
    converted: dict[str, Tensor] = {}
    problems = []
    for official, tensor in state.items():
        try:
            name = to_ours(official)
        except ValueError as error:
            problems.append(str(error))
            continue
        if name is None:
            problems += _filter_problems(official, tensor)
        elif name not in own:
            problems.append(f"{official}: maps to {name}, which this model does not have")
        elif tensor.shape != own[name].shape:
            got, wanted = tuple(tensor.shape), tuple(own[name].shape)
            problems.append(f"{official}: got shape {got}, wanted {wanted}")
        elif not (tensor.is_meta or tensor.isfinite().all()):
            problems.append(f"{official}: got numbers that are not finite")
        else:
            converted[name] = tensor
    problems += [f"{to_official(name)}: missing" for name in own if to_official(name) not in state]
    if problems:
        raise ValueError("official weights do not fit this model:\n  " + "\n  ".join(problems))
    module.load_state_dict(converted)


def export_official(module: nn.Module) -> dict[str, Tensor]:
    """Return all tensors that the official network would have, with this model's weights.

    The depth adaptor's ``progress_coef`` is that of a fresh model: here the schedule follows the
    images seen, which no official tensor holds.

    Args:
        module: A ``ThreeDGPGenerator`` or ``ThreeDGPDiscriminator``.
    """
    to_official = _to_official(module)
    state = {to_official(name): tensor for name, tensor in module.state_dict().items()}
    for name in _filter_names(state):
        state[name] = _resample_filter()
    if hasattr(module, "field"):
        prior: Any = module.prior
        means = [prior.distributions[name].center for name in _MEAN_CAMERA_FIELDS]
        state["mapping.mean_camera_params"] = torch.tensor(means, dtype=torch.float64)
    if getattr(module, "depth_adaptor", None) is not None:
        state["synthesis.depth_adaptor.progress_coef"] = torch.zeros(1)
    return state


def _translate(name: str, source: int, target: int, network: str, image_size: int) -> str:
    if network not in _RULES:
        raise ValueError(f"network: got {network!r}, wanted one of {sorted(_RULES)}")
    for rule in _RULES[network]:
        pattern = re.escape(rule[source].replace("{image_size}", str(image_size)))
        match = re.match(re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", pattern), name)
        if match:
            given = {key: int(value) for key, value in match.groupdict().items()}
            if _is_side(given.get("side", 4)):
                numbers = given | _block_numbers(network, image_size, given)
                return rule[target].format(image_size=image_size, **numbers) + name[match.end() :]
    raise ValueError(f"{name}: no rule for this name")


def _is_side(value: int) -> bool:
    return value >= 4 and not value & (value - 1)


def _block_numbers(network: str, image_size: int, given: Mapping[str, int]) -> dict[str, int]:
    """Return the side of a block whose number is given, or its number if its side is."""
    if "side" in given:
        ratio = given["side"] / 4 if network == "G" else image_size / given["side"]
        block = int(math.log2(ratio))
        return dict(block=block, later_block=block - 1)
    if "block" in given or "later_block" in given:
        block = given["block"] if "block" in given else given["later_block"] + 1
        return dict(side=4 << block if network == "G" else image_size >> block)
    return {}


def _to_ours(module: nn.Module) -> Callable[[str], str | None]:
    return partial(official_to_ours, **_context(module))


def _to_official(module: nn.Module) -> Callable[[str], str]:
    return partial(ours_to_official, **_context(module))


def _context(module: nn.Module) -> dict[str, Any]:
    network = "G" if hasattr(module, "field") else "D"
    return dict(network=network, image_size=module.image_size)


def _resample_filter() -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return taps[:, None] * taps


def _filter_problems(official: str, tensor: Tensor) -> list[str]:
    expected = _resample_filter()
    if not official.endswith("resample_filter") or tensor.is_meta:
        return []
    if tensor.shape == expected.shape and torch.allclose(tensor.cpu().float(), expected):
        return []
    return [f"{official}: got another filter than [1, 3, 3, 1] / 8, which is built in"]


def _filter_names(state: Mapping[str, Tensor]) -> list[str]:
    """Official names of the filters: one in every block and in every convolution but the torgb."""
    convolutions = [
        name.removesuffix("weight")
        for name, tensor in state.items()
        if name.endswith(".weight") and tensor.ndim == 4 and ".torgb." not in name
    ]
    blocks = [name.removesuffix("conv1.weight") for name in state if name.endswith(".conv1.weight")]
    return [prefix + "resample_filter" for prefix in convolutions + blocks]
