"""tools/model_converters: official snapshots into our checkpoints, and the weights back."""

import copy
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.apis.loading import load_model
from projects.threedgp.models.generator import GeneratorInput
from projects.threedgp.models.sampling import Sampling
from projects.threedgp.official.config import model_config, not_carried_over, optimizer_config
from projects.threedgp.official.conversion import official_tensors
from projects.threedgp.official.snapshot import read_official_snapshot
from projects.threedgp.rendering import Camera, RayDraws
from tests import tiny_runs
from tests.golden.helpers import GOLDEN
from tests.official_snapshots import FEATURE_DIM, official_states, resolved_config, snapshot_bytes
from tools import test as test_tool
from tools.model_converters import mmengine_to_official, official_to_mmengine

SNAPSHOT, CHECK = GOLDEN / "official_snapshot_A.pkl", GOLDEN / "official_snapshot_A_check.npz"


@pytest.fixture(scope="module")
def states():
    return official_states()


@pytest.fixture(scope="module")
def converted(states, tmp_path_factory):
    """Our checkpoint of a small snapshot, and its config."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "a.pkl").write_bytes(snapshot_bytes(states))
    official_to_mmengine.main([str(folder / "a.pkl"), str(folder / "a.pth")])
    return folder / "a.py", folder / "a.pth"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Our checkpoint of the recorded snapshot, and its config."""
    if not SNAPSHOT.is_file():
        pytest.skip(f"{SNAPSHOT.name} (18 MB) is not in {GOLDEN}; THREEDGP_GOLDEN names another folder")
    out = tmp_path_factory.mktemp("reference") / "A.pth"
    official_to_mmengine.main([str(SNAPSHOT), str(out)])
    return out.with_suffix(".py"), out


def assert_exported(files, out, states):
    """The weights, given back, are those of the snapshot bit by bit."""
    mmengine_to_official.main([*map(str, files), str(out)])
    exported = load_file(out)
    wanted = {f"{net}.{name}": tensor for net, state in states.items() for name, tensor in state.items()}
    assert exported.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert exported[name].dtype == tensor.dtype and torch.equal(exported[name], tensor), name
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name]


@pytest.mark.golden
def test_the_reference_snapshot_renders_what_it_rendered(reference):
    model, _ = load_model(*map(str, reference), "cpu")
    check = {name: torch.from_numpy(array) for name, array in np.load(CHECK).items()}
    parts = [check["in_angles"], check["in_fov"][:, None], check["in_radius"][:, None], check["in_look_at"]]
    camera, generator = Camera(torch.cat(parts, dim=1)), model.generator_ema.module
    draws = RayDraws(
        check["rng_u_stratified"].squeeze(-1),
        check["rng_u_importance"].reshape(2, -1, generator.marching.num_fine),
    )
    sampling = Sampling(truncation_psi=0.7, noise_mode="const", draws=draws)
    with torch.no_grad():
        out = generator.generate(GeneratorInput(check["in_z"], check["in_c"], camera), sampling)
        posterior = generator.pose(camera, check["in_z"], check["in_c"]).params
    results = dict(
        img=(out.rgb, 4e-5),
        depth=(out.depth, 4e-5),
        depth_adapted=(out.adapted_depth, 4e-5),
        posterior=(posterior, 1e-6),
    )
    # Tolerances relative to the largest value, as the golden README gives them for rays and cameras.
    for name, (got, relative) in results.items():
        wanted = check[f"out_{name}"]
        error = (got - wanted).abs()
        scale = wanted.abs().max()
        assert error.max() <= relative * scale and error.mean() <= 1e-6 * scale, name


@pytest.mark.golden
def test_the_reference_snapshot_comes_back_bit_by_bit(reference, tmp_path):
    snapshot = read_official_snapshot(SNAPSHOT)
    states = dict(G=snapshot.generator, G_ema=snapshot.generator_ema, D=snapshot.discriminator)
    assert_exported(reference, tmp_path / "A.safetensors", states)


@pytest.mark.golden
def test_the_derived_config_is_that_of_the_reference_cases(reference):
    """The recorded cases carry the same configuration in another form; their model has these numbers."""
    config = Config.fromfile(reference[0])
    meta = json.loads(str(np.load(GOLDEN / "params_G.npz")["meta_json"]))["config"]
    generator, g = config.model.generator, meta["generator"]
    widths = dict(resolution=32, feature_dim=8, cbase=g["cbase"], cmax=g["cmax"])
    assert {name: generator.field[name] for name in widths} == widths
    assert (generator.mapping.w_dim, generator.noise_size) == (g["w_dim"], g["z_dim"])
    assert config.model.r1.gamma == meta["loss"]["gamma"]
    assert config.model.ema_config.half_life_kimg == g["ema_kimg"]
    assert config.model.discriminator.feature_dim == meta["embedding_dim"]
    optimizer = config.optim_wrapper.discriminator.optimizer
    assert optimizer.lr == 0.0018823529411764706
    assert list(optimizer.betas) == [0.0, 0.9905854573074332]


def test_a_snapshot_comes_back_bit_by_bit(converted, states, tmp_path):
    assert_exported(converted, tmp_path / "a.safetensors", states)


def test_checkpoint_holds_weights_average_and_time(converted, states):
    checkpoint = torch.load(converted[1], weights_only=False)
    state = checkpoint["state_dict"]
    assert state["images_seen"] == 8 and state["generator_ema.steps"] == 2
    assert torch.equal(state["label_distribution"], torch.full((3,), 1 / 3))
    weight = "mapping.fc0.weight"
    for ours, network in (("generator", "G"), ("generator_ema.module", "G_ema")):
        assert torch.equal(state[f"{ours}.mapping.layers.0.weight"], states[network][weight])
    assert torch.equal(state["discriminator.epilogue.fc.weight"], states["D"]["b4.fc.weight"])


def test_trained_further_the_adaptor_is_where_the_images_say(converted):
    model, _ = load_model(*map(str, converted), "cpu")
    model.images_seen.fill_(250_000)
    tensors = official_tensors(model, {})
    assert tensors["G.synthesis.depth_adaptor.progress_coef"].tolist() == [0.25]


def test_inferencer_takes_it(converted):
    inferencer = ThreeDGPInferencer(*map(str, converted), device="cpu")
    (rendering,) = inferencer.sample(1, labels=1, progress=False)
    assert rendering.rgb.shape == (16, 16, 3) and rendering.rgb.std() > 0
    assert 0.8 <= rendering.depth.min() <= rendering.depth.max() <= 1.3


def test_evaluation_takes_it(converted, tmp_path):
    data_root = tiny_runs.write_images(tmp_path / "data", classes=3)
    config, work = Config.fromfile(converted[0]), tmp_path / "work"
    # Its own metrics want an Inception network; nothing else is changed but the size.
    config.test_evaluator = dict(metrics=[dict(type="NonFlatnessScore", fake_nums=4)])
    config.test_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.dump(tmp_path / "fast.py")
    arguments = [str(tmp_path / "fast.py"), str(converted[1])]
    test_tool.main([*arguments, "--data-root", data_root, "--work-dir", str(work)])
    metrics = json.loads((work / "metrics.json").read_text())
    assert any("nfs" in key for key in json.dumps(metrics).split('"'))


def test_a_misfit_is_refused_with_the_list_and_writes_nothing(states, tmp_path):
    changed = {name: dict(state) for name, state in states.items()}
    changed["G"]["mapping.fc7.weight"] = changed["G"].pop("mapping.fc0.weight")
    del changed["G_ema"]["synthesis.depth_adaptor.head.bias"]
    changed["D"]["b4.fc.weight"] = torch.zeros(2, 2)
    changed["D"]["b16.strange.weight"] = torch.zeros(1)
    (tmp_path / "a.pkl").write_bytes(snapshot_bytes(changed))
    with pytest.raises(ValueError) as error:
        official_to_mmengine.main([str(tmp_path / "a.pkl"), str(tmp_path / "out" / "a.pth")])
    message = str(error.value)
    for part in (
        "G: official weights do not fit this model",
        "mapping.fc7.weight: maps to mapping.layers.7.weight, which this model does not have",
        "mapping.fc0.weight: missing",
        "synthesis.depth_adaptor.head.bias: missing",
        "b4.fc.weight: got shape (2, 2)",
        "b16.strange.weight",
    ):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_every_stored_field_reaches_the_config():
    stored = resolved_config()
    config = model_config(stored, FEATURE_DIM)
    generator = config["generator"]
    planes = dict(resolution=8, feature_dim=4, cbase=64, cmax=8)
    assert {name: generator["field"][name] for name in planes} == planes
    assert generator["camera_prior"]["yaw"] == dict(dist="truncnorm", mean=0.0, std=0.4, min=-1.0, max=1.0)
    assert generator["camera_prior"]["radius"] == 1.05
    assert generator["camera_prior"]["look_at_pitch"] == dict(dist="spherical_uniform", min=0.3, max=3.14)
    assert generator["camera_generator"]["official_compat"]
    assert generator["camera_generator"]["adjust"] == ["angles", "fov", "look_at"]
    assert generator["depth_adaptor"]["identity_prob"] == dict(start=1 / 3, end=0.2, over_kimg=1000)
    assert generator["renderer"]["density_noise"] == dict(start=0.7, end=0.0, over_kimg=300)
    assert generator["renderer"]["last_back"] and generator["renderer"]["near"] == 0.8
    assert config["discriminator"]["low_precision_blocks"] == 0 and config["discriminator"]["clamp"] is None
    assert config["r1"]["gamma"] == 0.3
    assert config["distillation"]["weight"] == dict(start=0.5, end=0.0, over_kimg=700)
    emd, mean = config["camera_regularizers"]
    assert emd["weights"]["radius"] == 0.5 and emd["ramp"]["over_kimg"] == 500 and mean["weight"] == 5.0
    assert config["patch_sampler"]["beta"] == dict(start=0.001, end=0.8, over_kimg=900)
    assert config["blur_fade"] == dict(type="BlurFade", init_sigma=4, fade_kimg=20)
    assert config["ema_config"] == dict(type="ImagesSeenEMA", half_life_kimg=1.25, rampup=0.1)
    assert optimizer_config(stored)["discriminator"]["optimizer"]["lr"] == pytest.approx(0.002 * 16 / 17)
    assert not_carried_over(stored) == []


def changed_config(path: str, value) -> dict:
    stored = copy.deepcopy(resolved_config())
    *parents, key = path.split(".")
    node = stored
    for parent in parents:
        node = node[parent]
    node[key] = value
    return stored


@pytest.mark.parametrize(
    "path, value",
    [
        ("model.generator.clamp_mode", "relu"),
        ("model.generator.camera_adaptor.residual", True),
        ("model.generator.tri_plane.mlp.n_layers", 3),
        ("model.generator.ray_marcher_type", "other"),
        ("model.discriminator.num_additional_start_blocks", 2),
        ("model.discriminator.hyper_mod", False),
    ],
)
def test_another_kind_of_model_is_refused_by_field(path, value):
    with pytest.raises(ValueError, match=f"{path}: got {value!r}"):
        model_config(changed_config(path, value), FEATURE_DIM)


def test_what_training_alone_would_miss_is_named():
    stored = changed_config("training.augment.mode", "ada")
    assert not_carried_over(stored) == ["training.augment.mode: got 'ada', wanted 'noaug'"]


@pytest.mark.parametrize(
    "path, value, part",
    [
        ("training.use_depth", False, ("generator", "depth_adaptor")),
        ("training.learn_camera_dist", False, ("generator", "camera_generator")),
        ("training.patch.enabled", False, ("patch_sampler",)),
        ("dataset.c_dim", 0, ("num_classes",)),
        ("model.loss_kwargs.gamma", 0, ("r1",)),
        ("model.loss_kwargs.blur_init_sigma", 0, ("blur_fade",)),
        ("model.loss_kwargs.kd.discr.weight", 0, ("distillation",)),
    ],
)
def test_what_was_off_is_off(path, value, part):
    stored = changed_config(path, value)
    if path == "training.patch.enabled":
        stored["model"]["discriminator"]["num_additional_start_blocks"] = 0
    node = model_config(stored, FEATURE_DIM)
    for key in part:
        node = node[key]
    assert node is None
