# 3DGP on scenes whose classes each have a known field of view and known cameras, as the paper's Megascans:
#   python tools/data/make_toy_scenes.py data/controlled32 --num 8192 --resolution 32 --controlled
# The evaluation compares the learned cameras of each class with those of its photos.
_base_ = ["3dgp_quickstart.py"]

root = "data/controlled32"
data_root = f"{root}/train"
_ramp = dict(start=0.0, end=1.0, over_kimg=4)
_emd = dict(fov_deg=0.01, look_at_yaw=1e-4, look_at_pitch=1e-4, look_at_radius=1e-4)
model = dict(
    generator=dict(
        # As in 3dgp_toy32.py: the solids are small, and runs too short for a slow camera generator.
        field=dict(resolution=64, cube_scale=0.3),
        camera_generator=dict(lr_multiplier=4.0),
    ),
    # The paper's regulariser holds the angles, camera by camera. The release's, which compares all classes at
    # once with the prior, leaves each class its field of view.
    camera_regularizers=[
        dict(type="CameraSlopeRegularizer", weights=dict(yaw=0.1, pitch=0.1), ramp=_ramp),
        dict(type="CameraEMDRegularizer", weights=_emd, ramp=_ramp),
        dict(type="CameraMeanRegularizer", weight=1.0),
    ],
)
# No mirror images: the light comes from one side.
_pipeline = [
    dict(type="LoadImage", key="gt"),
    dict(type="LoadDepth"),
    dict(type="FitSquare"),
    dict(type="PackInputs", data_keys=["depth"]),
]
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=_pipeline))
test_dataloader = dict(dataset=dict(data_root=data_root))
test_evaluator = dict(
    metrics=[
        dict(type="CameraDistance", cameras=f"{root}/cameras.npy", own_cameras=True, fake_nums=1024),
        dict(type="NonFlatnessScore", fake_nums=128),
    ]
)
train_cfg = dict(total_kimg=64)
