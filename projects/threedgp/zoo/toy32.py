"""Samples toy32.pth; written by tools/model_converters/slim.py."""

# fmt: off
# mypy: ignore-errors
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'projects.threedgp',
    ])
default_scope = 'mmagic'
metainfo = dict(classes=[
    'box',
    'box_on_cylinder',
    'cone',
    'cone_on_cylinder',
    'cylinder',
    'sphere',
    'sphere_on_box',
    'torus',
])
model = dict(
    blur_fade=None,
    camera_regularizers=[],
    data_preprocessor=dict(
        output_channel_order='RGB', type='DataPreprocessor'),
    deterministic_eval=True,
    discriminator=None,
    distillation=None,
    ema_config=None,
    generator=dict(
        camera_generator=dict(
            adjust=[
                'angles',
                'fov',
                'look_at',
            ],
            embed_dim=16,
            hidden_dim=64,
            lr_multiplier=4.0,
            type='CameraGenerator'),
        camera_prior=dict(
            fov_deg=dict(dist='uniform', max=40, min=10),
            look_at_pitch=dict(
                dist='spherical_uniform', max=3.14159265, min=0),
            look_at_radius=dict(dist='uniform', max=0.05, min=0),
            look_at_yaw=dict(
                dist='spherical_uniform', max=3.14159265, min=-3.14159265),
            pitch=dict(dist='uniform', max=1.8, min=0.8),
            radius=1.0,
            type='CameraPrior',
            yaw=dict(dist='uniform', max=1.57, min=-1.57)),
        depth_adaptor=dict(
            hidden_dim=16,
            identity_prob=dict(end=0.1, over_kimg=10, start=0.25),
            kernel_size=5,
            near_offset_fraction=0.25,
            num_layers=3,
            strategy='random',
            type='DepthAdaptor'),
        field=dict(
            cbase=1024,
            cmax=64,
            cube_scale=0.3,
            feature_dim=8,
            mlp_hidden_dim=32,
            resolution=64,
            type='TriPlaneField'),
        image_size=32,
        mapping=dict(num_layers=2, type='StyleMapping', w_dim=64),
        noise_size=64,
        patch_size=16,
        renderer=dict(
            density_noise=dict(end=0.0, over_kimg=5, start=0.5),
            far=1.25,
            marcher='classical',
            near=0.75,
            num_coarse=8,
            num_fine=8,
            type='VolumeRenderer'),
        type='ThreeDGPGenerator'),
    num_classes=8,
    patch_sampler=None,
    r1=None,
    type='ThreeDGP')
