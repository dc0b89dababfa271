"""How the learned cameras are distributed, beside the prior."""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmagic.registry import HOOKS
from mmengine.runner import Runner
from mmengine.visualization import TensorboardVisBackend, Visualizer

from ..ranges import Count, Positive, Size
from ..rendering import CAMERA_FIELDS, Camera
from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP
from .fixed_inputs import averaged_pose, draw_fixed_inputs
from .periodic_hook import PeriodicHook
from .pictures import save_png

# Roll is always 0.
SHOWN_FIELDS = tuple(name for name in CAMERA_FIELDS if name != "roll")
BINS = 50
LOOKS: tuple[dict[str, Any], ...] = (
    dict(label="prior", color="0.75", fill=True),
    dict(label="posterior", color="C3", linewidth=1.5),
)

Columns = dict[str, Float[np.ndarray, " n"]]


@HOOKS.register_module()
class CameraHistogramHook(PeriodicHook):
    """Shows prior and posterior of each camera parameter.

    Writes a plot to ``work_dir/cameras/kimg_XXXXXX.XXX.png``; histograms (``camera/yaw``,
    ``camera_prior/yaw``) to TensorBoard if it is a backend of the visualiser; and mean and standard
    deviation of the posterior (``camera/yaw_mean``) to the visualiser and the log.

    Args:
        interval: Iterations between two histograms.
        interval_kimg: Thousands of images between two histograms; instead of ``interval``.
        num_samples: Cameras drawn, the same every time.
        seed: What decides on them.

    Raises:
        ValueError: If there are to be no cameras.
    """

    def __init__(
        self,
        interval: Size | None = None,
        interval_kimg: Positive | None = None,
        num_samples: Size = 1024,
        seed: Count = 0,
    ) -> None:
        super().__init__(interval, interval_kimg)
        if num_samples < 1:
            raise ValueError(f"CameraHistogramHook: got num_samples={num_samples}, wanted at least 1")
        self.num_samples, self.seed = num_samples, seed

    def act(self, runner: Runner, step: int) -> None:
        """Draw cameras and show them.

        Args:
            runner: The runner.
            step: Iterations done.
        """
        model: ThreeDGP = unwrap(runner.model)
        inputs = draw_fixed_inputs(model, self.num_samples, self.seed)
        prior, posterior = columns(inputs.prior), columns(averaged_pose(model, inputs))
        add_histograms(runner.visualizer, "camera_prior", prior, step)
        add_histograms(runner.visualizer, "camera", posterior, step)
        scalars = summary(posterior)
        runner.visualizer.add_scalars(scalars, step)
        text = "  ".join(f"{name}: {value:.3f}" for name, value in scalars.items())
        runner.logger.info(f"Cameras at {model.kimg:g} kimg  {text}")
        save_png(self.picture_path(runner, "cameras"), plot_cameras(prior, posterior))


def columns(camera: Camera) -> Columns:
    """Values of each shown parameter."""
    values = camera.params.cpu().numpy()
    return {name: values[:, CAMERA_FIELDS.index(name)] for name in SHOWN_FIELDS}


def summary(posterior: Columns) -> dict[str, float]:
    """Mean and standard deviation of each parameter, under the names they are logged by."""
    means = {f"camera/{name}_mean": float(values.mean()) for name, values in posterior.items()}
    stds = {f"camera/{name}_std": float(values.std()) for name, values in posterior.items()}
    return means | stds


def add_histograms(visualizer: Visualizer, group: str, values: Columns, step: int) -> None:
    """Hand histograms to TensorBoard, if it is among the backends.

    Args:
        visualizer: The visualiser.
        group: What comes before the slash of the name.
        values: Values of each parameter.
        step: Iterations done.
    """
    for backend in visualizer._vis_backends.values():
        if isinstance(backend, TensorboardVisBackend):
            for name, column in values.items():
                backend.experiment.add_histogram(f"{group}/{name}", column, step)


def plot_cameras(prior: Columns, posterior: Columns) -> UInt8[np.ndarray, "h w 3"]:
    """Plot the histograms of prior and posterior, one panel for each parameter."""
    figure = Figure(figsize=(16, 7), dpi=80, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(2, 4).flat
    for panel, name in zip(panels, SHOWN_FIELDS, strict=False):
        _draw_panel(panel, name, prior[name], posterior[name])
    panels[-1].set_axis_off()
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", fontsize="x-large")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_panel(panel: Axes, name: str, prior: np.ndarray, posterior: np.ndarray) -> None:
    finite = [values[np.isfinite(values)] for values in (prior, posterior)]
    edges = np.histogram_bin_edges(np.concatenate(finite), BINS)
    for values, look in zip(finite, LOOKS, strict=True):
        panel.stairs(np.histogram(values, edges)[0], edges, **look)
    panel.set(title=f"{name}: {posterior.mean():.3f} ± {posterior.std():.3f}", ylabel="cameras")
