# VolumeGAN on the procedural scenes of 3dgp_toy32.py, drawing cameras from almost what they were taken with.
_base_ = ["3dgp_toy32.py"]

model = dict(
    generator=dict(
        patch_size=None,
        mapping=dict(num_layers=4, w_avg_decay=0.995),
        field=dict(
            _delete_=True,
            type="FeatureVolumeField",
            embedding="volume",
            resolution=16,
            feature_dim=16,
            max_channels=64,
            # The solids of the scenes.
            bounds=((-0.3, -0.3, -0.3), (0.3, 0.3, 0.3)),
            # A pixel is 0.02 wide: finer octaves are noise.
            num_octaves=6,
            hidden_dim=64,
            num_layers=3,
            out_channels=32,
        ),
        # Under the release's ReLU a ray whose raw densities are all negative has no gradient: in a short run
        # the generator paints such holes with its upsampler, and no solid grows there.
        renderer=dict(density="softplus", jitter="centered", space="metric", density_noise=0.0),
        upsampler=dict(type="PointwiseUpsampler", image_size=32, render_size=16, cbase=1024, cmax=32),
        growing=dict(levels=1, hold_kimg=0.5, fade_kimg=0.5),
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
        _delete_=True, type="GrowingDiscriminator", base_size=16, cbase=1024, cmax=64, embed_dim=64
    ),
    generator_terms=[dict(type="PathLengthRegularizer", weight=2.0, decay=0.01, interval=4, batch_shrink=2)],
    style_mixing=dict(type="StyleMixing", prob=0.9, first="field"),
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
