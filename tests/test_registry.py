"""Each component is built from a dict by the toolkit's registries, and works on its own."""

import pytest
import torch
from mmagic.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, TRANSFORMS
from mmengine.registry import init_default_scope

import projects.threedgp  # noqa: F401
from projects.threedgp.models import CameraBatch, GeneratorInput
from projects.threedgp.rendering import Camera, Patch
from tests.tiny import tiny_model_config

REGISTERED = {
    DATASETS: ["ImageDepthDataset"],
    TRANSFORMS: ["FitSquare", "LoadDepth", "MirrorCamera", "OnPresentKeys"],
    LOOPS: ["KimgTrainLoop", "SeededTestLoop", "SeededValLoop"],
    HOOKS: [
        *("CameraHistogramHook", "DivergenceHook", "EvaluationCheckHook"),
        *("LabelDistributionHook", "SampleGridHook", "ThroughputHook", "WholeCheckpointHook"),
    ],
    METRICS: [
        *("LocalFID", "LocalInceptionScore", "NonFlatnessScore"),
        *("CameraDistance", "DepthAccuracy", "IntraClassDiversity", "MultiViewConsistency"),
    ],
}


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


@pytest.mark.parametrize("registry", REGISTERED, ids=lambda registry: registry.name)
def test_everything_beside_the_models_is_registered(registry):
    for name in REGISTERED[registry]:
        assert registry.get(name).__module__.startswith("projects.threedgp."), name


def build(type, **arguments):
    return MODELS.build(dict(type=type, **arguments))


def test_generator_and_discriminator():
    config = tiny_model_config()
    generator = MODELS.build(dict(config["generator"], num_classes=3))
    z, label = torch.randn(4, 32), torch.tensor([0, 1, 2, 0])
    patch = Patch(torch.full((4, 2), 0.5), torch.zeros(4, 2))
    out = generator.generate(GeneratorInput(z, label, patch=patch), generator.training_sampling(1.0))
    assert out.images.shape == (4, 4, 16, 16)
    sizes = dict(image_size=32, patch_size=16, num_classes=3)
    discriminator = MODELS.build(dict(config["discriminator"], **sizes))
    logits, features = discriminator(out.images, label, patch, return_features=True)
    assert logits.shape == (4,) and features.shape == (4, 12)


def test_parts_of_eg3d():
    upsampler = dict(type="SuperResolution", input_size=16, channels=(4, 4), render_size=8)
    changes = dict(patch_size=None, upsampler=upsampler, depth_adaptor=None, camera_generator=None)
    config = tiny_model_config(generator=changes)
    generator = MODELS.build(dict(config["generator"], num_classes=3))
    inputs = GeneratorInput(torch.randn(4, 32), torch.tensor([0, 1, 2, 0]))
    out = generator.generate(inputs)
    assert out.rgb.shape == (4, 3, 32, 32) and out.raw.shape == (4, 3, 8, 8)
    sizes = dict(image_size=32, patch_size=None, num_classes=3, cbase=256, cmax=16)
    logits = build("ThreeDGPDualDiscriminator", **sizes)(out.rgb, inputs.label, raw=out.raw)
    assert logits.shape == (4,)
    term = build("DensityRegularizer", num_points=5)
    draws = term.draw(4, generator)
    assert draws.shape == (4, 5, 6)
    assert generator(inputs, task=lambda *given: term(*given, draws)).shape == (4,)
    pose = torch.arange(4.0)[:, None]
    swapped = build("PoseSwap", prob=1.0)(pose, torch.zeros(1, 1), kimg=0.0)
    assert swapped.flatten().tolist() == [3.0, 0.0, 1.0, 2.0]


def test_camera_prior_generator_and_regularizers():
    prior = build("CameraPrior", yaw=dict(dist="normal", mean=0, std=0.3, min=-1, max=1))
    generator = build("CameraGenerator", prior=prior, z_dim=8, num_classes=None, hidden_dim=8)
    cameras = Camera(prior.sample(16).params.requires_grad_())
    batch = CameraBatch(cameras, torch.randn(16, 8))
    posterior = generator(batch.prior, batch.z)
    for kind in ("EMD", "Slope", "Mean"):
        loss = build(f"Camera{kind}Regularizer")(cameras, posterior, prior.mean(), 5000.0)
        assert loss.shape == () and loss > 0


def test_depth_adaptor():
    adaptor = build("DepthAdaptor", hidden_dim=4)
    assert adaptor(torch.rand(2, 1, 8, 8) / 2 + 0.75, kimg=10.0).shape == (2, 1, 8, 8)


def test_losses():
    logits, images = torch.randn(4), torch.randn(4, 3, 8, 8, requires_grad=True)
    assert build("ThreeDGPAdversarialLoss", form="hinge").generator(logits).shape == (4,)
    penalty = build("R1Regularizer")(images.square().sum(dim=(1, 2, 3)), [images], 1.0)
    torch.testing.assert_close(penalty, 2 * images.square().sum(dim=(1, 2, 3)))
    target = torch.randn(4, 7)
    assert build("KnowledgeDistillationLoss", form="kl")(target, target) == 0


def test_patches_blur_and_average():
    patch = build("PatchSampler", distribution="uniform")(8, kimg=0.0)
    assert (patch.scales >= 0.25).all()
    images = torch.randn(2, 4, 16, 16)
    assert build("BlurFade")(images, kimg=0.0).std() < 0.1 * images.std()
    source = torch.nn.Linear(2, 2)
    average = MODELS.build(dict(type="ImagesSeenEMA"), default_args=dict(model=source))
    average.step(source, images_seen=0, batch_size=4)
    torch.testing.assert_close(average.module.weight, source.weight)


def test_teacher():
    # A timm network with random weights stands in for a pretrained teacher.
    teacher = build("TimmTeacher", model="test_resnet", image_size=32)
    assert teacher(torch.rand(2, 3, 48, 48) * 2 - 1).shape == (2, 96)
