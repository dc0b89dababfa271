# StyleNeRF on the procedural scenes of 3dgp_toy32.py, drawing cameras from almost what they were taken with.
_base_ = ["3dgp_toy32.py"]

model = dict(
    generator=dict(
        patch_size=None,
        noise_size=72,
        mapping=dict(z_dim=64, num_layers=4, w_avg_decay=0.995),
        field=dict(
            _delete_=True,
            type="ImplicitField",
            # A pixel is 0.02 wide: finer octaves are noise.
            num_octaves=6,
            hidden_dim=64,
            num_layers=4,
            feature_dim=32,
            latent_dim=8,
            background_dim=32,
            background_layers=3,
        ),
        renderer=dict(
            _delete_=True,
            type="LayeredRenderer",
            near=0.75,
            far=1.25,
            num_coarse=8,
            num_fine=8,
            num_background=4,
            background_start=0.5,
            density="relu",
            density_noise=dict(start=1.0, end=0.0, over_kimg=5),
        ),
        upsampler=dict(
            type="StyleNeRFUpsampler", image_size=32, render_size=16, start_size=8, cbase=1024, cmax=64
        ),
        growing=dict(start=0.0, end=2.0, over_kimg=1.5, from_kimg=0.25),
        view_terms=[dict(type="NeRFPathRegularizer", num_samples=8, weight=2.0)],
        # The truth has fov U(15, 30) and pitches around 1.3.
        camera_prior=dict(
            yaw=dict(_delete_=True, dist="normal", mean=0.0, std=0.5),
            pitch=dict(_delete_=True, dist="normal", mean=1.3, std=0.12),
            fov_deg=22.0,
            look_at_radius=0.0,
        ),
        camera_generator=None,
        depth_adaptor=None,
    ),
    discriminator=dict(
        _delete_=True,
        type="SkipDiscriminator",
        start_size=8,
        cbase=1024,
        cmax=64,
        mbstd_group_size=4,
        mapping_layers=2,
        fade=False,
    ),
    generator_terms=[dict(type="PathLengthRegularizer", weight=2.0, decay=0.01, interval=4, batch_shrink=2)],
    style_mixing=dict(type="StyleMixing", prob=0.9),
    distillation=None,
    camera_regularizers=[],
    patch_sampler=None,
    blur_fade=None,
)
train_dataloader = dict(dataset=dict(use_depth=False, features=None))
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=200),
]
_lazy = 4 / 5
optim_wrapper = dict(generator=dict(optimizer=dict(lr=0.0025 * _lazy, betas=(0.0, 0.99**_lazy))))
model_wrapper_cfg = dict(
    type="MMSeparateDistributedDataParallel", find_unused_parameters=True, broadcast_buffers=False
)
