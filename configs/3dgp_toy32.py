# 3DGP on procedural scenes 32 x 32, with patches of 16 x 16: what tools/studies trains and measures on a CPU.
# `python tools/studies/prepare.py data/toy32` makes the scenes, the teacher's features and the networks.
_base_ = ["3dgp_quickstart.py"]

root = "data/toy32"
data_root = f"{root}/train"
_emd = dict(fov_deg=0.01, look_at_yaw=1e-4, look_at_pitch=1e-4, look_at_radius=1e-4)
_ramp = dict(start=0.0, end=1.0, over_kimg=4)
model = dict(
    generator=dict(
        patch_size=16,
        # The solids are small: planes over the whole cube would give them six cells.
        field=dict(resolution=64, cube_scale=0.3),
        # Runs are too short for the release's slow camera generator (0.1), which starts almost collapsed.
        camera_generator=dict(lr_multiplier=4.0),
    ),
    # The width of the features of the teacher, a timm `test_resnet`.
    discriminator=dict(patch_conditioning=True, patch_embed_dim=32, feature_dim=96),
    distillation=dict(_delete_=True, type="KnowledgeDistillationLoss", form="l2", weight=1.0),
    # The paper's regulariser holds the angles, camera by camera: the release's compares all classes at once
    # with the prior, which classes that each stand in one place satisfy. The release's holds the field of
    # view, which images leave free up to the size of the world.
    camera_regularizers=[
        dict(type="CameraSlopeRegularizer", weights=dict(yaw=0.1, pitch=0.1), ramp=_ramp),
        dict(type="CameraEMDRegularizer", weights=_emd, ramp=_ramp),
        # The mean of a few cameras is never that of the prior: with a large weight that narrows them.
        dict(type="CameraMeanRegularizer", weight=1.0),
    ],
    patch_sampler=dict(
        _delete_=True,
        type="PatchSampler",
        distribution="beta",
        alpha=1.0,
        beta=dict(start=1e-3, end=0.8, over_kimg=20),
        group_size=4,
    ),
)
# No mirror images: the light comes from one side, and the teacher saw none.
_pipeline = [
    dict(type="LoadImage", key="gt"),
    dict(type="LoadDepth"),
    dict(type="FitSquare"),
    dict(type="PackInputs", data_keys=["depth", "teacher_feature", "camera"]),
]
train_dataloader = dict(
    dataset=dict(data_root=data_root, features="../teacher.npy", pipeline=_pipeline),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="ImageDepthDataset",
        data_root=data_root,
        resolution=32,
        use_depth=False,
        pipeline=[dict(type="LoadImage", key="gt"), dict(type="FitSquare"), dict(type="PackInputs")],
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
# Three times the flagship's 0.002, whose discriminator is 16 times wider: a step of Adam on weights of
# equalised learning rate moves the output by the root of the width. With 0.002 the teacher's features are
# hardly learned within such runs.
_lazy = 16 / 17
optim_wrapper = dict(discriminator=dict(optimizer=dict(lr=0.006 * _lazy)))

# A small classifier of these scenes stands in for Inception: the names say so, these are no FID and no IS.
_toy = dict(inception_path=f"{root}/networks/extractor.ts")
_fid = dict(type="LocalFID", prefix="FID (toy classifier)", fake_nums=1024, real_nums=-1, **_toy)
val_cfg = dict(_delete_=True, type="SeededValLoop")
val_evaluator = dict(_delete_=True, type="Evaluator", metrics=[_fid])
test_evaluator = dict(
    _delete_=True,
    type="Evaluator",
    metrics=[
        dict(_fid, fake_nums=2048),
        dict(type="LocalInceptionScore", prefix="IS (toy classifier)", fake_nums=2048, splits=4, **_toy),
        dict(type="NonFlatnessScore", fake_nums=256),
        dict(type="DepthAccuracy", estimator=f"{root}/networks/depth_estimator.ts", fake_nums=512),
        dict(type="CameraDistance", cameras=f"{root}/cameras.npy", fake_nums=1024),
        dict(type="MultiViewConsistency", fake_nums=256),
        dict(type="IntraClassDiversity", extractor=f"{root}/networks/extractor.ts"),
    ],
)
train_cfg = dict(total_kimg=8, val_interval_kimg=2)
