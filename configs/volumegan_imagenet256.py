# VolumeGAN (Xu et al. 2022) on ImageNet 256 x 256: 8 GPUs x 8 images, 25 000 kimg.
# Which settings are ours, as the paper gives none for ImageNet: projects/threedgp/docs/systems/volumegan.md.
_base_ = ["3dgp_imagenet256.py"]

model = dict(
    generator=dict(
        patch_size=None,
        mapping=dict(num_layers=8, w_avg_decay=0.995),
        field=dict(
            _delete_=True,
            type="FeatureVolumeField",
            # `coordinate` or `triplane`: what a point is told, the rest staying the same.
            embedding="volume",
            resolution=32,
            feature_dim=32,
            max_channels=256,
            bounds=((-0.1886, -0.1671, -0.1956), (0.1887, 0.1692, 0.1872)),
            num_octaves=10,
            hidden_dim=256,
            num_layers=4,
            out_channels=512,
        ),
        renderer=dict(
            near=0.8,
            far=1.2,
            num_coarse=12,
            num_fine=12,
            density="relu",
            jitter="centered",
            space="metric",
            density_noise=0.0,
        ),
        upsampler=dict(type="PointwiseUpsampler", image_size=256, render_size=32, cbase=32768, cmax=512),
        # 32 x 32 pixels are rendered and seen as they are; each doubling stays, and fades in, for 750 kimg.
        growing=dict(levels=3, hold_kimg=750, fade_kimg=750),
        camera_prior=dict(
            yaw=dict(_delete_=True, dist="normal", mean=0.0, std=0.3),
            pitch=dict(_delete_=True, dist="normal", mean=1.57079633, std=0.155),
            fov_deg=12.0,
            look_at_yaw=0.0,
            look_at_pitch=1.57079633,
            look_at_radius=0.0,
        ),
        camera_generator=None,
        depth_adaptor=None,
    ),
    # Classes by projection: the release means it and cannot do it.
    discriminator=dict(_delete_=True, type="GrowingDiscriminator", base_size=32, cbase=32768, cmax=512),
    r1=dict(gamma=10.0),
    generator_terms=[dict(type="PathLengthRegularizer", weight=2.0, decay=0.01, interval=4, batch_shrink=2)],
    # Only layers of the upsampler are given the second style.
    style_mixing=dict(type="StyleMixing", prob=0.9, first="field"),
    distillation=None,
    camera_regularizers=[],
    patch_sampler=None,
    blur_fade=None,
)
# No depth maps, no features of a teacher.
train_dataloader = dict(dataset=dict(use_depth=False, features=None))
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=1000),
]
# Path length is a step of its own, every 4th, and R1 every 16th: Adam is corrected for both.
_lazy_g, _lazy_d = 4 / 5, 16 / 17
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=0.002 * _lazy_g, betas=(0.0, 0.99**_lazy_g))),
    discriminator=dict(optimizer=dict(lr=0.002 * _lazy_d)),
)
# While a level is off its layers get no gradients.
model_wrapper_cfg = dict(
    type="MMSeparateDistributedDataParallel", find_unused_parameters=True, broadcast_buffers=False
)
