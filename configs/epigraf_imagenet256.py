# EpiGRAF (Skorokhodov et al. 2022) on ImageNet 256 x 256, cameras drawn from a narrow prior: 8 GPUs x 8
# images, 25 000 kimg. It is 3DGP without depth, learned cameras and distillation. Which settings are ours:
# projects/threedgp/docs/systems/epigraf.md.
_base_ = ["3dgp_imagenet256.py"]

model = dict(
    generator=dict(
        field=dict(cbase=32768, cmax=512, cube_scale=0.2),
        renderer=dict(num_coarse=48, num_fine=48, near=0.88, far=1.12),
        camera_prior=dict(
            yaw=dict(_delete_=True, dist="normal", mean=0.0, std=0.6),
            pitch=dict(_delete_=True, dist="normal", mean=1.57079633, std=0.3),
            fov_deg=12.0,
            look_at_yaw=0.0,
            look_at_pitch=1.57079633,
            look_at_radius=0.0,
        ),
        camera_generator=None,
        depth_adaptor=None,
    ),
    # Half the widths of the generator's.
    discriminator=dict(cbase=16384, cmax=512, feature_dim=None),
    r1=dict(gamma="auto"),
    distillation=None,
    camera_regularizers=[],
)
# No depth maps, no features of a teacher.
train_dataloader = dict(dataset=dict(use_depth=False, features=None))
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=1000),
]
