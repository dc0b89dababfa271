"""One of several gloo processes that train, or resume, and note what the model then generates."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import projects.threedgp  # noqa: F401, I001
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from tests import tiny_runs


WRAPPER = dict(type="MMSeparateDistributedDataParallel", device_ids=None, broadcast_buffers=False)


class NoteOutputs(Hook):
    """Saves images of fixed latents when training begins and when it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def note(self, runner, name: str) -> None:
        model = getattr(runner.model, "module", runner.model)
        outputs = generate(model)
        if is_main_process():
            torch.save(outputs, self.folder / f"{name}_{runner.iter}.pt")

    def before_train(self, runner) -> None:
        self.note(runner, "begin")

    def after_train(self, runner) -> None:
        self.note(runner, "end")


def generate(model) -> dict:
    """Images of fixed latents by both generators, and the discriminator's opinion of them."""
    latents = torch.randn(4, 32, generator=torch.Generator().manual_seed(3))
    label = torch.arange(4)
    camera = model.sample(latents, label).camera  # consumes the same draws in any run
    camera = type(camera)(camera.params[:1].new_tensor([0, 1.5, 0, 20, 1, 0, 1.5, 0]).expand(4, 8))
    images = {kind: model.sample(latents, label, camera, sample_model=kind).rgb for kind in ("ema", "orig")}
    discriminator = getattr(model.discriminator, "module", model.discriminator)
    with torch.no_grad():
        images["opinion"] = discriminator(images["orig"].new_ones(4, 4, 16, 16), label)
    return images


def main(data_root: str, folder: str, kimg: float) -> None:
    """Train to ``kimg``, from the last checkpoint in ``folder`` if there is one."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    runner = tiny_runs.training(
        Path(folder),
        data_root,
        kimg,
        launcher="pytorch",
        resume=True,
        experiment=f"run{kimg}",
        cfg=dict(model_wrapper_cfg=WRAPPER),
    )
    runner.register_hook(NoteOutputs(Path(folder)), priority="LOWEST")
    runner.train()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
