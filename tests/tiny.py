"""Tiny networks and fields for the tests."""

import torch

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.discriminators.discriminator import ThreeDGPDiscriminator
from projects.threedgp.models.generator import ThreeDGPGenerator
from projects.threedgp.rendering import Camera

# Of the networks, which are tested alone, and of the model, which is trained.
IMAGE_SIZE, PATCH_SIZE, NUM_CLASSES, Z_DIM, FEATURE_DIM = 16, 8, 3, 8, 6
SIZE, CLASSES = 32, 5


def tiny_generator(**changes) -> ThreeDGPGenerator:
    """A generator of some ten thousand weights; ``changes`` replace arguments."""
    arguments = dict(
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        num_classes=NUM_CLASSES,
        noise_size=Z_DIM,
        mapping=dict(w_dim=8),
        field=dict(resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8),
        renderer=dict(num_coarse=4, num_fine=4),
        camera_generator=dict(type="CameraGenerator", hidden_dim=8, embed_dim=4),
        depth_adaptor=dict(type="DepthAdaptor", hidden_dim=4, num_layers=2),
    )
    return ThreeDGPGenerator(**arguments | changes)


def tiny_discriminator(**changes) -> ThreeDGPDiscriminator:
    """A discriminator for the tiny generator's patches; ``changes`` replace arguments."""
    arguments = dict(
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        num_classes=NUM_CLASSES,
        cbase=64,
        cmax=8,
        code_dim=8,
        patch_embed_dim=4,
        feature_dim=FEATURE_DIM,
    )
    return ThreeDGPDiscriminator(**arguments | changes)


def frontal_camera(n: int = 1, **changes: float) -> Camera:
    """The prior's mean cameras; ``changes`` replace numbers by name."""
    mean = CameraPrior().mean(n)
    return mean.replace(**{name: torch.full((n,), float(value)) for name, value in changes.items()})


def solid(inside, colour=lambda points: 0.5 + 0 * points):
    """A field that is opaque where ``inside(points)`` holds and empty elsewhere."""

    def field(points):
        sigma = torch.where(inside(points), 1e4, -1e4)
        return colour(points), sigma[..., None].to(points)

    return field


def tiny_model_config(num_classes: int | None = CLASSES, generator: dict | None = None, **changes) -> dict:
    """The config of a tiny ThreeDGP; ``generator`` replaces some of its arguments."""
    config = dict(
        type="ThreeDGP",
        num_classes=num_classes,
        generator=dict(
            type="ThreeDGPGenerator",
            image_size=SIZE,
            patch_size=16,
            noise_size=32,
            mapping=dict(w_dim=32),
            field=dict(resolution=32, feature_dim=8, cbase=512, cmax=32, mlp_hidden_dim=16),
            renderer=dict(num_coarse=6, num_fine=6),
            camera_generator=dict(type="CameraGenerator", hidden_dim=32, embed_dim=8),
            depth_adaptor=dict(type="DepthAdaptor", hidden_dim=16),
        ),
        discriminator=dict(type="ThreeDGPDiscriminator", cbase=512, cmax=32, feature_dim=12),
        data_preprocessor=dict(type="DataPreprocessor", output_channel_order="RGB"),
    )
    config["generator"].update(generator or {})
    return config | changes
