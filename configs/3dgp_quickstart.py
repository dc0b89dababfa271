# What tools/quickstart.sh trains: minutes on two CPU cores, on procedural scenes 32 x 32 or any photos.
_base_ = ["3dgp_toy64.py"]

_widths = dict(cbase=1024, cmax=64)
_emd = dict(yaw=2.0, pitch=2.0, fov_deg=0.01, look_at_yaw=1e-4, look_at_pitch=1e-4, look_at_radius=1e-4)
model = dict(
    generator=dict(
        image_size=32,
        patch_size=None,
        noise_size=64,
        mapping=dict(w_dim=64),
        field=dict(resolution=32, feature_dim=8, **_widths),
        renderer=dict(num_coarse=8, num_fine=8, density_noise=dict(start=0.5, over_kimg=5)),
        depth_adaptor=dict(hidden_dim=16, identity_prob=dict(over_kimg=10)),
    ),
    discriminator=dict(patch_conditioning=False, code_dim=64, **_widths),
    patch_sampler=None,
    camera_regularizers=[
        dict(type="CameraEMDRegularizer", weights=_emd, ramp=dict(start=0.0, end=1.0, over_kimg=5)),
        dict(type="CameraMeanRegularizer", num_samples=64),
    ],
    blur_fade=dict(init_sigma=3.0, fade_kimg=2),
    ema_config=dict(half_life_kimg=0.5),
    deterministic_eval=True,
)
_data = dict(batch_size=8, num_workers=1, dataset=dict(resolution=32))
train_dataloader = _data
test_dataloader = _data

_metrics = [
    dict(type="SWD", prefix="SWD", fake_nums=512, image_shape=(3, 32, 32), sample_model="ema"),
    dict(type="NonFlatnessScore", fake_nums=128),
]
test_evaluator = dict(metrics=_metrics)
# tools/test.py evaluates at the end; training does not.
val_dataloader, val_cfg, val_evaluator = None, None, None
log_processor = dict(window_size=20)
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(interval=400, max_keep_ckpts=1, save_best=None)
)
custom_hooks = [
    dict(type="LabelDistributionHook"),
    dict(type="ThroughputHook"),
    dict(type="SampleGridHook", interval=200),
    dict(type="CameraHistogramHook", interval=400),
]
train_cfg = dict(total_kimg=4, val_interval_kimg=None)
