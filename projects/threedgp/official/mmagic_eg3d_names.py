"""Tensors of the toolkit's EG3D (``TriplaneGenerator``, ``DualDiscriminator``) under our names."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

_LAYER = (
    (r"conv\.style_modulation\.linear\.weight_orig$", "affine.weight"),
    (r"conv\.style_modulation\.bias$", "affine.bias"),
    (r"conv\.weight_orig$", "weight"),
    (r"linear\.weight_orig$", "weight"),
    (r"noise_injector\.weight$", "noise_strength"),
    (r"activate\.bias$", "bias"),
)
_GENERATOR = (
    (r"^backbone\.w_avg", "mapping.w_avg"),
    (r"^backbone\.embed", "mapping.embed"),
    (r"^backbone\.style_mapping\.(\d+)", r"mapping.layers.\1"),
    (r"^backbone\.constant_input\.input", "field.decoder.blocks.0.const"),
    (r"^backbone\.conv1\.", "field.decoder.blocks.0.conv1."),
    (r"^backbone\.to_rgb1\.", "field.decoder.blocks.0.to_image."),
    (r"^backbone\.convs\.(\d+)", lambda m: f"field.decoder.blocks.{int(m[1]) // 2 + 1}.conv{int(m[1]) % 2}"),
    (r"^backbone\.to_rgbs\.(\d+)", lambda m: f"field.decoder.blocks.{int(m[1]) + 1}.to_image"),
    (
        r"^backbone\.injected_noise_(\d+)",
        lambda m: f"field.decoder.blocks.{(int(m[1]) + 1) // 2}.conv{(int(m[1]) + 1) % 2}.noise_const",
    ),
    (r"^renderer\.decoder\.net\.0", "field.mlp.hidden"),
    (r"^renderer\.decoder\.net\.2", "field.mlp.out"),
    (r"^sr_model\.block(\d+)\.to_rgb", r"upsampler.blocks.\1.to_image"),
    (r"^sr_model\.block(\d+)", r"upsampler.blocks.\1"),
    *_LAYER,
)
_DISCRIMINATOR = (
    (r"^mapping\.embed", "judge.epilogue.condition_mapping.embed"),
    (r"^mapping\.fc(\d+)", r"judge.epilogue.condition_mapping.layers.\1"),
    (r"^convs\.0\.0\.", "judge.from_image."),
    (r"^convs\.0\.1\.", "judge.from_image."),
    (r"^convs\.(\d+)\.", lambda m: f"judge.blocks.{int(m[1]) - 1}."),
    (r"conv1\.[01]\.", "conv0."),
    (r"conv2\.[12]\.", "conv1."),
    (r"skip\.1\.", "skip."),
    (r"^final_conv\.[01]\.", "judge.epilogue.conv."),
    (r"^final_linear\.0\.", "judge.epilogue.fc."),
    (r"^final_linear\.1\.", "judge.epilogue.out."),
    *_LAYER,
)
_DENSITY_FIRST = "field.mlp.out."
_NOT_THEIRS = re.compile(r"^upsampler\..*noise_const$")
"""Stored noise of the super-resolution, which the toolkit's does not have (nor use)."""


def load_mmagic(module: nn.Module, state: Mapping[str, Tensor], network: str) -> None:
    """Load tensors of the toolkit's network into ours.

    Args:
        module: Our generator or discriminator.
        state: The toolkit's tensors.
        network: ``generator`` or ``discriminator``.

    Raises:
        ValueError: If they do not map one to one; all that do not are listed.
    """
    own = module.state_dict()
    renamed = {_ours(name, network): value for name, value in state.items() if not name.endswith(".kernel")}
    problems = [f"{name}: not in our network" for name in renamed.keys() - own.keys()]
    problems += [f"{name}: missing" for name in own.keys() - renamed.keys() if not _NOT_THEIRS.match(name)]
    for name in renamed.keys() & own.keys():
        if renamed[name].squeeze().shape != own[name].squeeze().shape:
            got, wanted = tuple(renamed[name].shape), tuple(own[name].shape)
            problems.append(f"{name}: got {got}, wanted {wanted}")
            continue
        value = renamed[name].reshape(own[name].shape)
        # The toolkit's decoder has the density first, ours has it last.
        own[name] = value.roll(-1, dims=0) if name.startswith(_DENSITY_FIRST) else value
    if problems:
        raise ValueError(f"{network}: the tensors do not map:\n  " + "\n  ".join(sorted(problems)))
    module.load_state_dict(own)


def _ours(name: str, network: str) -> str:
    for pattern, new in _GENERATOR if network == "generator" else _DISCRIMINATOR:
        name = re.sub(pattern, new, name)
    return name


def split_networks(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Sort the tensors of a checkpoint by network; without prefixes all of them are the generator's."""
    prefixes = {"generator_ema.module.": "average", "generator_ema.": "average"}
    prefixes |= {"generator.": "generator", "discriminator.": "discriminator"}
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        network = prefixes.get(prefix, "generator")
        if torch.is_tensor(value) and name != "generator_ema.steps":
            found.setdefault(network, {})[name.removeprefix(prefix)] = value
    return found
