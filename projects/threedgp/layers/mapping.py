"""Mapping networks: latents, labels and patch codes to style codes (docs/method.md, sections 4 and 8)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from mmagic.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ..ranges import Count, Number, Positive, Share, Size
from ..wording import counted
from .equalized import EqualizedLinear, normalize_second_moment

Label = Int[Tensor, " n"] | Float[Tensor, "n classes"]


def one_hot_label(label: Label | None, num_classes: int | None, n: int) -> Float[Tensor, "n classes"]:
    """Return labels as one-hot rows (soft labels pass); the rows are empty without classes.

    Raises:
        ValueError: If a label is missing, has the wrong shape or lies outside [0, num_classes).
    """
    if not num_classes:
        return torch.zeros(n, 0)
    if label is None:
        raise ValueError(f"label: got None, wanted {counted(n, 'label')} of {counted(num_classes, 'class')}")
    if label.ndim == 2 and label.is_floating_point():
        if label.shape != (n, num_classes):
            raise ValueError(f"label: got shape {tuple(label.shape)}, wanted ({n}, {num_classes})")
        return label
    label = label.reshape(-1).long()
    if len(label) != n:
        raise ValueError(f"label: got {counted(len(label), 'label')}, wanted {n}")
    # A GPU would have to be waited for; it checks by itself.
    if n and not label.is_cuda and not 0 <= int(label.min()) <= int(label.max()) < num_classes:
        bad = sorted({int(v) for v in label if not 0 <= int(v) < num_classes})
        raise ValueError(f"label: got {bad}, wanted integers in [0, {num_classes})")
    return F.one_hot(label, num_classes).float()


def with_pose(
    label: Float[Tensor, "n classes"], pose: Float[Tensor, "n pose"] | None, pose_dim: int
) -> Float[Tensor, "n c"]:
    """Return rows of labels with poses behind them, if there are any to be told.

    Raises:
        ValueError: If poses are missing or of another width.
    """
    if not pose_dim:
        return label
    if pose is None or pose.shape[1] != pose_dim:
        got = None if pose is None else tuple(pose.shape)
        raise ValueError(f"pose: got {got}, wanted ({len(label)}, {pose_dim})")
    return torch.cat([label, pose.to(label)], dim=1)


@MODELS.register_module()
class StyleMapping(nn.Module):
    """Mapping of (z, label) to style codes, with a running mean for truncation.

    z and the embedded label are each brought to unit second moment, concatenated, and go through
    leaky-ReLU layers.

    Args:
        z_dim: Width of the latent.
        num_classes: Number of classes; None or 0 for none.
        w_dim: Width of a style code.
        num_layers: Fully connected layers.
        lr_multiplier: Factor on their learning rate.
        w_avg_decay: Decay of the running mean of w.
        hidden_dim: Width of the layers but the last; None for ``w_dim``.
        pose_dim: Numbers of a pose that are told behind the label; 0 for none.
        pose_scale: Factor on them; 0 tells every pose alike.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: Size = 512,
        num_classes: Size | None = 1000,
        w_dim: Size = 512,
        num_layers: Size = 2,
        lr_multiplier: Positive = 0.01,
        w_avg_decay: Share = 0.998,
        hidden_dim: Size | None = None,
        pose_dim: Count = 0,
        pose_scale: Number = 1.0,
    ) -> None:
        super().__init__()
        self.z_dim, self.num_classes, self.w_dim = z_dim, num_classes, w_dim
        self.w_avg_decay, self.pose_dim, self.pose_scale = w_avg_decay, pose_dim, pose_scale
        told_dim = (num_classes or 0) + pose_dim
        self.embed = EqualizedLinear(told_dim, w_dim) if told_dim else None
        hidden = [hidden_dim or w_dim] * (num_layers - 1)
        widths = [z_dim + (w_dim if told_dim else 0), *hidden, w_dim]
        self.layers = nn.ModuleList(
            EqualizedLinear(i, o, "leaky_relu", lr_multiplier) for i, o in pairwise(widths)
        )
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Float[Tensor, "n z"],
        label: Label | None = None,
        pose: Float[Tensor, "n pose"] | None = None,
    ) -> Float[Tensor, "n w"]:
        """Map latents and labels to w.

        Args:
            z: Latents of unit variance.
            label: Class indices or one-hot rows; ignored without classes.
            pose: Poses; ignored without ``pose_dim``.
        """
        x = normalize_second_moment(z)
        if self.embed is not None:
            one_hot = one_hot_label(label, self.num_classes, z.shape[0]).to(z)
            told = with_pose(one_hot, None if pose is None else self.pose_scale * pose, self.pose_dim)
            x = torch.cat([x, normalize_second_moment(self.embed(told))], dim=1)
        for layer in self.layers:
            x = layer(x)
        return x

    @torch.no_grad()
    def track(self, mean: Float[Tensor, " w"]) -> None:
        """Move the running mean of w towards a batch's mean, averaged over all processes."""
        mean = mean.detach().clone()
        all_reduce(mean, op="mean")
        self.w_avg.copy_(mean.lerp(self.w_avg, self.w_avg_decay))

    def truncate(
        self,
        ws: Float[Tensor, "n l w"],
        psi: float,
        cutoff: int | None = None,
        center: Float[Tensor, "n w"] | None = None,
    ) -> Float[Tensor, "n l w"]:
        """Pull style codes towards the running mean: w_avg + psi (w - w_avg).

        Args:
            ws: One code for each layer.
            psi: 1 leaves the codes as they are, 0 gives the mean.
            cutoff: Truncate the first so many layers only.
            center: What to pull towards instead, a class mean for example.
        """
        center = self.w_avg[None] if center is None else center
        pulled = center[:, None].lerp(ws[:, :cutoff], psi)
        return pulled if cutoff is None else torch.cat([pulled, ws[:, cutoff:]], dim=1)


class CodeMapping(nn.Module):
    """Mapping of a vector to a code: embedding, unit second moment, leaky-ReLU layers.

    Args:
        in_dim: Width of the input.
        out_dim: Width of the code.
        num_layers: Layers behind the embedding.
        lr_multiplier: Factor on their learning rate.
        hidden_dim: Width between these layers; None for ``out_dim``.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        num_layers: int = 2,
        lr_multiplier: float = 0.01,
        hidden_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.embed = EqualizedLinear(in_dim, out_dim)
        widths = [out_dim, *[hidden_dim or out_dim] * (num_layers - 1), out_dim]
        self.layers = nn.ModuleList(
            EqualizedLinear(i, o, "leaky_relu", lr_multiplier) for i, o in pairwise(widths[: num_layers + 1])
        )

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Map vectors to codes."""
        x = normalize_second_moment(self.embed(x))
        for layer in self.layers:
            x = layer(x)
        return x
