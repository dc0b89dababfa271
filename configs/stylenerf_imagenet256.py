# StyleNeRF (Gu et al. 2022) on ImageNet 256 x 256: 8 GPUs x 8 images, 25 000 kimg.
# Which settings are ours, as the paper gives none for ImageNet: projects/threedgp/docs/systems/stylenerf.md.
_base_ = ["3dgp_imagenet256.py"]

model = dict(
    generator=dict(
        patch_size=None,
        # The last 32 numbers of a latent are the background's.
        noise_size=544,
        mapping=dict(z_dim=512, num_layers=8, w_avg_decay=0.995),
        field=dict(
            _delete_=True,
            type="ImplicitField",
            num_octaves=10,
            hidden_dim=128,
            num_layers=8,
            feature_dim=256,
            latent_dim=32,
            background_dim=64,
            background_layers=4,
        ),
        renderer=dict(
            _delete_=True,
            type="LayeredRenderer",
            near=0.88,
            far=1.12,
            num_coarse=14,
            num_fine=14,
            num_background=4,
            background_start=0.5,
            density="relu",
            density_noise=1.0,
        ),
        upsampler=dict(
            type="StyleNeRFUpsampler", image_size=256, render_size=32, start_size=32, cbase=32768, cmax=1024
        ),
        # Three doublings, which all of the ramp shares.
        growing=dict(start=0.0, end=3.0, over_kimg=4500, from_kimg=500),
        view_terms=[dict(type="NeRFPathRegularizer", num_samples=16, weight=2.0)],
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
    # The release means to fade its blocks in, and does not: `fade=True` does.
    discriminator=dict(
        _delete_=True,
        type="SkipDiscriminator",
        start_size=32,
        cbase=16384,
        cmax=512,
        mbstd_group_size=8,
        fade=False,
    ),
    r1=dict(gamma=0.5),
    generator_terms=[dict(type="PathLengthRegularizer", weight=2.0, decay=0.01, interval=4, batch_shrink=2)],
    style_mixing=dict(type="StyleMixing", prob=0.9),
    distillation=None,
    camera_regularizers=[],
    patch_sampler=None,
    blur_fade=None,
    ema_config=dict(half_life_kimg=20),
    # The release's evaluation draws nothing on rays.
    deterministic_eval=True,
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
    generator=dict(optimizer=dict(lr=0.0025 * _lazy_g, betas=(0.0, 0.99**_lazy_g))),
    discriminator=dict(optimizer=dict(lr=0.0025 * _lazy_d)),
)
# While a level is off its layers get no gradients.
model_wrapper_cfg = dict(
    type="MMSeparateDistributedDataParallel", find_unused_parameters=True, broadcast_buffers=False
)
