# 3DGP on procedural scenes 64 x 64:
#   python tools/data/make_toy_scenes.py data/toy64 --num 20000 --resolution 64
_base_ = ["_base_/3dgp_model.py", "_base_/3dgp_data.py", "_base_/3dgp_runtime.py"]

data_root = "data/toy64/train"
_widths = dict(cbase=4096, cmax=128)
# The release's weight of the field of view (1e-4) lets it drift to a bound within minutes.
_emd = dict(yaw=2.0, pitch=2.0, fov_deg=0.01, look_at_yaw=1e-4, look_at_pitch=1e-4, look_at_radius=1e-4)
model = dict(
    num_classes=8,
    generator=dict(
        image_size=64,
        patch_size=32,
        noise_size=128,
        mapping=dict(w_dim=128),
        field=dict(resolution=64, feature_dim=16, mlp_hidden_dim=32, **_widths),
        renderer=dict(num_coarse=16, num_fine=16, density_noise=dict(over_kimg=200)),
        # Wider than the truth (fov 15 to 30, yaw N(0, 0.6), pitch around 1.3), which is to be learned.
        camera_prior=dict(
            yaw=dict(min=-1.57, max=1.57),
            pitch=dict(min=0.8, max=1.8),
            fov_deg=dict(min=10, max=40),
            look_at_radius=dict(max=0.05),
        ),
        camera_generator=dict(hidden_dim=64, lr_multiplier=1.0),
        depth_adaptor=dict(hidden_dim=32, identity_prob=dict(over_kimg=400)),
    ),
    # No distillation: the project comes without weights of a classifier of these scenes.
    discriminator=dict(code_dim=128, patch_embed_dim=64, feature_dim=None, **_widths),
    distillation=None,
    r1=dict(gamma=0.05),
    camera_regularizers=[
        dict(type="CameraEMDRegularizer", weights=_emd, ramp=dict(start=0.0, end=1.0, over_kimg=400)),
        dict(type="CameraMeanRegularizer"),
    ],
    patch_sampler=dict(beta=dict(over_kimg=400)),
    blur_fade=dict(init_sigma=5.0, fade_kimg=20),
)
_data = dict(batch_size=32, dataset=dict(data_root=data_root, resolution=64))
train_dataloader = dict(batch_size=32, dataset=dict(**_data["dataset"], features=None))
val_dataloader = _data
test_dataloader = _data

# Metrics that need no pretrained network.
_metrics = [
    dict(type="SWD", prefix="SWD", fake_nums=1024, image_shape=(3, 64, 64), sample_model="ema"),
    dict(type="NonFlatnessScore", fake_nums=256),
]
val_evaluator = dict(metrics=_metrics)
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="SWD/avg"))
train_cfg = dict(total_kimg=2000, val_interval_kimg=100)
