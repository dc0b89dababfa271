"""A number that is not finite is found and mended wherever it arises; training is then as it would have been.

One training meets one trouble after the other, each after some sound steps. As it would have been: the mean
of each loss over the sound steps after a step back lies in the range that the losses of single steps have in
the undisturbed training, or at most half of its width outside, and in the end the FID (of a stand-in for
Inception) is at most a quarter higher.
"""

import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from projects.threedgp.errors import UserError
from projects.threedgp.training.state_dicts import not_finite
from tests import tiny_runs
from tests.reliability.forked import LONG
from tests.stand_ins import save_inception_stand_in
from tests.tiny import tiny_model_config

BATCH, SOUND = 4, 10


class Troubles(Hook):
    """Puts NaN somewhere after some sound steps, until training steps back; then somewhere else.

    Args:
        places: What spoils it, by name.
    """

    priority = "VERY_HIGH"

    def __init__(self, places: dict) -> None:
        self.places, self.met = places, list[str]()
        self.losses: list[list[dict]] = [[]]

    def before_train(self, runner) -> None:
        self.skipped = 0
        self.once = {name: place(runner, partial(self.is_now, name)) for name, place in self.places.items()}

    def is_now(self, name: str) -> bool:
        is_next = list(self.places)[len(self.met) : len(self.met) + 1] == [name]
        return is_next and len(self.losses[-1]) >= SOUND

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.train_loop.skipped > self.skipped:
            self.skipped = runner.train_loop.skipped
            self.met.append(list(self.places)[len(self.met)])
            self.losses.append([])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses[-1].append({name: float(value) for name, value in outputs.items() if "loss" in name})
        for name, once in self.once.items():
            if once is not None and self.is_now(name) and len(self.losses[-1]) == SOUND:
                once()


@torch.no_grad()
def spoil(tensor) -> None:
    tensor.view(-1)[0] = math.nan


def weight(name, run, is_now):
    return partial(spoil, run.model.state_dict()[name])


def optimiser(network, name, run, is_now):
    return lambda: spoil(next(iter(run.optim_wrapper[network].optimizer.state.values()))[name])


def batch(name, run, is_now):
    def hook(module, inputs, output):
        if is_now():
            spoil(getattr(output["data_samples"], name))

    run.model.data_preprocessor.register_forward_hook(hook)


def result(find, method, run, is_now):
    owner = find(run.model)
    function = getattr(owner, method)
    setattr(owner, method, lambda *args: function(*args) * (math.nan if is_now() else 1.0))


def gradient(name, run, is_now):
    run.model.get_parameter(name).register_hook(lambda grad: grad * (math.nan if is_now() else 1.0))


G, D = "generator.", "discriminator."
PLACES = {
    "images": partial(batch, "gt_img"),
    "weight of the discriminator": partial(weight, D + "from_image.weight"),
    "loss: R1": partial(result, lambda model: model.r1, "forward"),
    "optimiser state of the discriminator": partial(optimiser, "discriminator", "exp_avg_sq"),
    "weight average": partial(weight, "generator_ema.module.field.mlp.out.weight"),
    # The rest is of the long version.
    "depth": partial(batch, "depth"),
    "features": partial(batch, "teacher_feature"),
    "weight of the mapping": partial(weight, G + "mapping.layers.0.weight"),
    "weight of the planes": partial(weight, G + "field.decoder.blocks.0.conv1.weight"),
    "weight of the decoder": partial(weight, G + "field.mlp.out.weight"),
    "weight of the camera generator": partial(weight, G + "camera_generator.origin_net.out.weight"),
    "weight of the depth adaptor": partial(weight, G + "depth_adaptor.head.weight"),
    "weight of the discriminator's end": partial(weight, D + "epilogue.out.weight"),
    "weight of the feature head": partial(weight, D + "epilogue.feature_head.1.weight"),
    "mean style code": partial(weight, G + "mapping.w_avg"),
    "loss: generator": partial(result, lambda model: model.adversarial_loss, "generator"),
    "loss: cameras": partial(result, lambda model: model.camera_regularizers[0], "forward"),
    "loss: discriminator": partial(result, lambda model: model.adversarial_loss, "discriminator"),
    "loss: distillation": partial(result, lambda model: model.distillation, "forward"),
    "gradient of the generator": partial(gradient, G + "field.mlp.out.weight"),
    "gradient of the discriminator": partial(gradient, D + "from_image.weight"),
    "optimiser state of the generator": partial(optimiser, "generator", "exp_avg"),
}
TRIED = dict(list(PLACES.items())[: None if LONG else 5])
STEPS = 5 * len(TRIED) + 15


def write_data(folder, value: float = 0.0) -> dict:
    """Images, and a loader of them with a table of features, one of which is set."""
    root = tiny_runs.write_images(folder / "data")
    names = sorted(str(path.relative_to(root)) for path in (folder / "data").glob("*/???.png"))
    rows = np.random.default_rng(0).normal(size=(len(names), 12)).astype(np.float32)
    rows[3, 4] = value
    np.save(folder / "features.npy", rows)
    (folder / "features.txt").write_text("\n".join(names))
    loader = tiny_runs.loader(root, BATCH, features=str(folder / "features.npy"))
    loader["dataset"]["pipeline"][-1]["data_keys"] += ["teacher_feature"]
    return loader


def train(folder, loader, places: dict, **arguments):
    """Train, and return the runner and what troubled it."""
    field = dict(resolution=16, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8)
    config = tiny_model_config(
        generator=dict(field=field, renderer=dict(num_coarse=4, num_fine=4)),
        camera_regularizers=[dict(type="CameraMeanRegularizer", num_samples=8)],
        r1=dict(type="R1Regularizer", interval=2),
    )
    config["discriminator"].update(code_dim=16, cbase=64, cmax=8)
    fid = dict(type="LocalFID", fake_nums=64, real_nums=-1, prefix="FID", sample_model="orig")
    folder.mkdir(exist_ok=True)
    fid["inception_path"] = save_inception_stand_in(folder)
    troubles = Troubles(places)
    run = tiny_runs.training(
        folder,
        "",
        STEPS * BATCH / 1000,
        model=config,
        train_dataloader=loader,
        val_dataloader=tiny_runs.loader(loader["dataset"]["data_root"], training=False),
        val_evaluator=dict(type="Evaluator", metrics=[fid]),
        val_cfg=dict(type="SeededValLoop"),
        default_hooks=dict(
            logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
            checkpoint=dict(type="WholeCheckpointHook", interval=5, by_epoch=False),
            divergence=dict(type="DivergenceHook", interval=5, distance=1, skip=5, window=10, max_alarms=100),
        ),
        custom_hooks=[troubles],
        **arguments,
    )
    run.train()
    return run, troubles


def fid(run) -> float:
    (name,) = [name for name in run.message_hub.log_scalars if name.endswith("fid")]
    return run.message_hub.get_scalar(name).current()


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory, loader):
    return train(tmp_path_factory.mktemp("straight"), loader, {})


@pytest.mark.slow
def test_each_trouble_is_found_and_mended(tmp_path, loader, straight, record_property):
    run, troubles = train(tmp_path, loader, TRIED)
    assert troubles.met == list(TRIED) and int(run.model.images_seen) == STEPS * BATCH
    incidents = [json.loads(line) for line in (tmp_path / "incidents.jsonl").read_text().splitlines()]
    for name, incident in zip(troubles.met, incidents, strict=True):
        record_property(name, incident["reason"])
    for path in tmp_path.glob("iter_*.pth"):
        assert not_finite(torch.load(path, weights_only=False)["state_dict"]) == [], path.name
    (undisturbed,) = straight[1].losses
    for place, losses in zip([*TRIED, "the end"], troubles.losses, strict=True):
        for name in undisturbed[0] | undisturbed[1]:
            sound = [each[name] for each in losses[:SOUND] if name in each]
            usual = [each[name] for each in undisturbed if name in each]
            lowest, highest = min(usual), max(usual)
            slack = (highest - lowest) / 2
            assert lowest - slack <= np.mean(sound) <= highest + slack, f"{name} before {place}"
    record_property("FID, and of the undisturbed training", f"{fid(run):.4g}, {fid(straight[0]):.4g}")
    assert fid(run) < 1.25 * fid(straight[0])


@pytest.mark.slow
def test_trouble_in_the_table_of_features_is_refused_before_the_first_step(tmp_path):
    loader = write_data(tmp_path, math.nan)
    with pytest.raises(ValueError, match=r"features.npy.* finite"):
        train(tmp_path / "run", loader, {})


@pytest.mark.slow
def test_weights_to_begin_with_that_are_broken_are_refused_before_the_first_step(tmp_path, loader, straight):
    state = {name: value.clone() for name, value in straight[0].model.state_dict().items()}
    spoil(state["generator.mapping.embed.weight"])
    torch.save(dict(state_dict=state, meta={}), tmp_path / "broken.pth")
    with pytest.raises(UserError, match=r"broken\.pth': 1 tensor with numbers that are not finite"):
        train(tmp_path / "run", loader, {}, load_from=str(tmp_path / "broken.pth"))
    assert not list((tmp_path / "run").glob("iter_*.pth"))
