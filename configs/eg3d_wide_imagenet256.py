# EG3D on ImageNet 256 x 256 with 3DGP's prior of cameras, which are drawn and not learned.
_base_ = ["eg3d_imagenet256.py"]

model = dict(
    generator=dict(
        field=dict(cube_scale=0.5),
        renderer=dict(near=0.75, far=1.25),
        camera_prior=dict(
            _delete_=True,
            type="CameraPrior",
            yaw=dict(dist="uniform", min=-1.57, max=1.57),
            pitch=dict(dist="uniform", min=0.785398163, max=2.35619449),
            fov_deg=dict(dist="uniform", min=10, max=45),
            radius=1.0,
            look_at_yaw=dict(dist="spherical_uniform", min=-3.14159265, max=3.14159265),
            look_at_pitch=dict(dist="spherical_uniform", min=0, max=3.14159265),
            look_at_radius=dict(dist="uniform", min=0, max=0.2),
        ),
    ),
    generator_terms=[dict(type="DensityRegularizer", half_side=1.0, distance=0.004)],
)
