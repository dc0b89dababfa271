"""projects/threedgp/studies/arms.py: every arm changes what its title says, and nothing else."""

from itertools import chain

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from projects.threedgp.rendering import CAMERA_FIELDS
from projects.threedgp.studies import arms, inexact_depth
from projects.threedgp.studies.runs import plan, write_config
from projects.threedgp.studies.sizes import SIZES
from projects.threedgp.training.batches import RealBatch

SIZE, BATCH = 32, 4


def config_of(arm, folder) -> Config:
    """The config of a run of this arm, as it is trained."""
    (run,) = plan([arm], [0], folder)
    write_config(run, folder, SIZES["smoke"])
    return Config.fromfile(run.config_path)


def built(arm, folder):
    """The arm's model."""
    init_default_scope("mmagic")
    torch.manual_seed(0)
    return MODELS.build(config_of(arm, folder).model)


def logs_of_a_step(model) -> set[str]:
    """The names of all losses of the generator's and the discriminator's phase."""
    images = torch.randn(BATCH, model.generator.out_channels, SIZE, SIZE)
    features = None if model.distillation is None else torch.randn(BATCH, model.discriminator.feature_dim)
    real = RealBatch(images, torch.arange(BATCH), features)
    phases, draws = model.phases, model.draws
    patches = real.cut(draws.patches(BATCH), model.generator.patch_size)
    trained = phases.generator_phase(draws.fakes(BATCH), draws.camera_batches(phases.regularizers))
    judged = phases.discriminator_phase(patches, draws.fakes(BATCH), patches.mean_scale())
    losses = trained.logs | judged.logs
    return {name for name in losses if name.startswith("loss")}


def poses(model, n=16):
    """Prior cameras, and what the generator makes of them."""
    prior = model.generator.prior.sample(n, model.device)
    z = torch.randn(n, model.generator.noise_size)
    return prior.params, model.generator.pose(prior, z, torch.zeros(n, dtype=torch.long)).params


CAMERA_LOSSES = {f"loss_g_camera_{name}" for name in ("slope", "emd", "mean")}
ALL_LOSSES = CAMERA_LOSSES | {"loss_g_adv", "loss_d_adv", "loss_d_kd"}


def test_the_full_model_has_all_ideas(tmp_path):
    model = built(arms.FULL, tmp_path)
    assert model.generator.out_channels == 4
    depth = torch.rand(2, 1, 8, 8)
    adaptor = model.generator.depth_adaptor.eval()
    assert not torch.allclose(adaptor(depth), adaptor.normalize(depth))
    prior, posterior = poses(model)
    assert not torch.allclose(prior, posterior)
    assert logs_of_a_step(model) == ALL_LOSSES
    assert model.distillation.form == "l2"


def test_without_depth_the_discriminator_sees_three_channels_and_the_data_has_none(tmp_path):
    model, config = built(arms.NO_DEPTH, tmp_path / "model"), config_of(arms.NO_DEPTH, tmp_path)
    assert model.generator.depth_adaptor is None
    assert model.generator.out_channels == 3
    assert config.train_dataloader.dataset.use_depth is False
    assert config_of(arms.FULL, tmp_path).train_dataloader.dataset.get("use_depth", True) is True
    assert logs_of_a_step(model) == ALL_LOSSES


def test_raw_depth_is_the_normalised_depth_in_training_and_evaluation(tmp_path):
    model = built(arms.RAW_DEPTH, tmp_path)
    adaptor, depth = model.generator.depth_adaptor, torch.rand(4, 1, 8, 8)
    for training in (True, False):
        assert torch.equal(adaptor.train(training)(depth), adaptor.normalize(depth))
    assert model.generator.out_channels == 4
    assert logs_of_a_step(model) == ALL_LOSSES


def test_prior_cameras_stay_as_they_are(tmp_path):
    model = built(arms.FIXED_CAMERAS, tmp_path)
    prior, posterior = poses(model)
    assert torch.equal(prior, posterior)
    assert logs_of_a_step(model) == ALL_LOSSES - CAMERA_LOSSES


def test_without_regulariser_cameras_are_learned_without_camera_losses(tmp_path):
    model = built(arms.NO_REGULARIZER, tmp_path)
    prior, posterior = poses(model)
    assert not torch.allclose(prior, posterior)
    assert logs_of_a_step(model) == ALL_LOSSES - CAMERA_LOSSES


def test_the_releases_regulariser_takes_the_place_of_the_papers(tmp_path):
    model = built(arms.EMD_REGULARIZER, tmp_path)
    assert logs_of_a_step(model) == ALL_LOSSES - {"loss_g_camera_slope"}
    weights = dict(zip(CAMERA_FIELDS, model.camera_regularizers[0].weights.tolist(), strict=True))
    assert weights["yaw"] == weights["pitch"] == 2
    full = built(arms.FULL, tmp_path / "full").camera_regularizers
    ours = {name: regularizer.weights for name, regularizer in zip(("slope", "emd"), full, strict=False)}
    # What the paper's looks at is left out of the other, which holds the rest as the release's does.
    others = model.camera_regularizers
    assert (full[0].ramp, full[1].ramp, full[2].weight) == (others[0].ramp, others[0].ramp, others[1].weight)
    angles = torch.tensor([name in ("yaw", "pitch") for name in CAMERA_FIELDS])
    assert ours["slope"][~angles].eq(0).all() and ours["emd"][angles].eq(0).all()
    assert torch.equal(ours["emd"][~angles], model.camera_regularizers[0].weights[~angles])


@pytest.mark.parametrize("inexactness", arms.INEXACTNESS)
def test_other_depth_lies_in_the_folder_of_the_data(tmp_path, inexactness):
    dataset = config_of(arms.with_inexactness(arms.FULL, inexactness), tmp_path).train_dataloader.dataset
    assert dataset.pop("depth_root") == str(tmp_path / arms.DEPTH_FOLDER.format(inexactness))
    assert dataset == config_of(arms.FULL, tmp_path).train_dataloader.dataset


def test_without_distillation_there_is_no_second_head_and_no_feature_is_loaded(tmp_path):
    model = built(arms.NO_DISTILLATION_3D, tmp_path)
    full = built(arms.FULL, tmp_path / "full")
    names, full_names = (
        {name for name, _ in each.discriminator.named_parameters()} for each in (model, full)
    )
    assert names < full_names and all("feature_head" in name for name in full_names - names)
    config = config_of(arms.NO_DISTILLATION_3D, tmp_path)
    assert config.train_dataloader.dataset.features is None
    assert logs_of_a_step(model) == ALL_LOSSES - {"loss_d_kd"}


@pytest.mark.parametrize(
    ("arm", "form"),
    [(arms.KL_3D, "kl"), (arms.CONVERGENCE_2D[1], "l2"), (arms.CONVERGENCE_2D[2], "kl")],
    ids=lambda value: getattr(value, "name", value),
)
def test_distillation_has_the_form_of_the_title(tmp_path, arm, form):
    model = built(arm, tmp_path)
    assert model.distillation.form == form
    assert arm.title == f"distillation by {form.upper()}"


def test_the_2d_model_without_distillation_has_no_second_head(tmp_path):
    model = built(arms.CONVERGENCE_2D[0], tmp_path)
    assert type(model).__name__ == "DistilledStyleGAN2"
    assert model.distillation is None
    assert model.discriminator.feature_dim is None
    assert config_of(arms.CONVERGENCE_2D[0], tmp_path).train_dataloader.dataset.features is None


def test_arms_of_one_name_are_one_arm_as_they_share_a_folder():
    studies = (arms.ABLATIONS, arms.CONVERGENCE_3D, arms.CONVERGENCE_2D, *inexact_depth.ARMS.values())
    every = list(chain(*studies))
    by_name = {arm.name: arm for arm in every}
    assert all(arm == by_name[arm.name] for arm in every)
    assert len(by_name) < len(every)
