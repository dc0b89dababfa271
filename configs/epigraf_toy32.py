# EpiGRAF on the procedural scenes of 3dgp_toy32.py, drawing cameras from almost what they were taken with.
_base_ = ["3dgp_toy32.py"]

model = dict(
    generator=dict(
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
    discriminator=dict(feature_dim=None),
    distillation=None,
    camera_regularizers=[],
)
train_dataloader = dict(dataset=dict(use_depth=False, features=None))
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=200),
]
