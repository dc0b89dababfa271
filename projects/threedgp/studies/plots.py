"""Pictures of a study: convergence curves, cameras, and samples of all arms side by side."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..apis import ThreeDGPInferencer
from ..engine.fixed_inputs import averaged_pose, draw_fixed_inputs
from ..engine.pictures import captioned, colorize_depth, enlarge, image_grid, save_png
from ..rendering import CAMERA_FIELDS
from ..whole_files import whole_file
from .runs import Run, arms_of

CAMERA_LABELS = {"yaw": "yaw (rad)", "pitch": "pitch (rad)", "fov_deg": "field of view (deg)"}
NUM_CAMERAS = 2048
BINS = 40


def plot_curves(path: Path, runs: Sequence[Run], metric: str, label: str) -> None:
    """Draw a validation metric against images seen: the mean over seeds of each arm, and each seed faintly.

    Args:
        path: The picture.
        runs: Runs with validations.
        metric: Name of the metric.
        label: What the axis says.
    """
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for index, arm in enumerate(arms_of(runs)):
        curves = [run.curve(metric) for run in runs if run.arm.name == arm.name]
        draw_mean_curve(axes, curves, arm.title, f"C{index}")
    axes.set(xlabel="thousands of images seen", ylabel=label, yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    save_figure(figure, path)


def draw_mean_curve(
    axes: Axes, curves: Sequence[tuple[list[float], list[float]]], title: str, colour: str
) -> None:
    """Draw curves faintly and their mean, as far as all of them go, boldly."""
    for kimg, values in curves:
        axes.plot(kimg, values, color=colour, alpha=0.35, linewidth=1)
    length = min(len(values) for _, values in curves)
    mean = np.mean([values[:length] for _, values in curves], axis=0)
    axes.plot(curves[0][0][:length], mean, color=colour, marker=".", label=f"{title} ({len(curves)} seeds)")


def plot_cameras(path: Path, runs: Sequence[Run], true_cameras: Path) -> None:
    """Draw the distributions that were learned over the true ones and the prior, an arm in each row.

    Args:
        path: The picture.
        runs: Trained runs; those of one arm are drawn into one panel.
        true_cameras: Cameras of the data (n, 8).
    """
    true = np.load(true_cameras)
    arms = arms_of(runs)
    figure, grid = plt.subplots(
        len(arms), len(CAMERA_LABELS), figsize=(9, 1.7 * len(arms)), squeeze=False, layout="constrained"
    )
    for row, arm in zip(grid, arms, strict=True):
        learned = [learned_cameras(run) for run in runs if run.arm.name == arm.name]
        shown = [true, learned[0][0], *(posterior for _, posterior in learned)]
        for axes, name in zip(row, CAMERA_LABELS, strict=True):
            draw_histograms(axes, *(cameras[:, CAMERA_FIELDS.index(name)] for cameras in shown))
        row[0].set_ylabel(arm.title, fontsize="small")
    for axes, label in zip(grid[-1], CAMERA_LABELS.values(), strict=True):
        axes.set_xlabel(label)
    grid[0, -1].legend(fontsize="x-small")
    save_figure(figure, path)


def learned_cameras(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Prior cameras (n, 8), the same for any run, and what its averaged generator makes of them."""
    model = ThreeDGPInferencer(run.config_path, run.checkpoint, device="cpu").model
    inputs = draw_fixed_inputs(model, NUM_CAMERAS, seed=0)
    return inputs.prior.params.cpu().numpy(), averaged_pose(model, inputs).params.cpu().numpy()


def draw_histograms(axes: Axes, true: np.ndarray, prior: np.ndarray, *posteriors: np.ndarray) -> None:
    """Draw true cameras filled, the prior dotted, and each seed's learned cameras as a line."""
    low, high = (f([f(values) for values in (true, prior, *posteriors)]) for f in (np.min, np.max))
    edges = np.linspace(low, high, BINS).tolist()
    axes.hist(true, edges, density=True, color="0.8", label="true")
    axes.hist(prior, edges, density=True, histtype="step", linestyle=":", color="0.3", label="prior")
    for index, values in enumerate(posteriors):
        label = "learned" if index == 0 else None
        axes.hist(values, edges, density=True, histtype="step", color=f"C{index}", label=label)
    axes.set_yticks([])


def sample_grid(path: Path, runs: Sequence[Run], enlargement: int = 2) -> None:
    """Draw samples of all runs: a row for each, the same latents and classes, colour over depth.

    Args:
        path: The picture.
        runs: Trained runs.
        enlargement: Pixels along the side of a pixel.
    """
    rows = []
    for run in runs:
        inferencer = ThreeDGPInferencer(run.config_path, run.checkpoint, device="cpu")
        labels = list(range(inferencer.model.num_classes or 0)) or None
        samples = inferencer.sample(len(labels or range(8)), labels, seed=1)
        rgb = [enlarge(sample.rgb, enlargement) for sample in samples]
        depth = [
            enlarge(colorize_depth(sample.depth, *inferencer.depth_range), enlargement) for sample in samples
        ]
        rows.append([captioned(image_grid([rgb, depth]), run.arm.title)])
    save_png(path, image_grid(rows))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, and close it."""
    with whole_file(path) as passing:
        figure.savefig(passing, dpi=110)
    plt.close(figure)
