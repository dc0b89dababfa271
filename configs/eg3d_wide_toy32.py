# EG3D on the procedural scenes, drawing cameras from the wide prior of 3dgp_toy32.py.
_base_ = ["eg3d_toy32.py"]

model = dict(
    generator=dict(
        camera_prior=dict(
            yaw=dict(_delete_=True, dist="uniform", min=-1.57, max=1.57),
            pitch=dict(_delete_=True, dist="uniform", min=0.8, max=1.8),
            fov_deg=dict(_delete_=True, dist="uniform", min=10, max=40),
            look_at_radius=dict(_delete_=True, dist="uniform", min=0, max=0.05),
        ),
    ),
)
