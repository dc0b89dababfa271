# The toolkit's 2D StyleGAN2 on ImageNet 128 x 128 with a classifier distilled into its discriminator: the
# paper's study of convergence. As it stands it distils ResNet-50 with L2; the other arms are an option each:
#   none            model.distillation=None
#   KL divergence   model.distillation.form=kl
#   CLIP            train_dataloader.dataset.features=../clip.npy
# and projected_stylegan2_imagenet128.py has a discriminator on frozen features. Tables of features:
#   FEATURES="python tools/data/compute_features.py DIR --resolution 128 --pretrained"
#   $FEATURES DIR/../resnet50.npy --model resnet50
#   $FEATURES DIR/../clip.npy --model vit_base_patch16_clip_224.openai
_base_ = ["_base_/3dgp_data.py", "_base_/3dgp_runtime.py"]

custom_imports = dict(imports=["projects.threedgp"], allow_failed_imports=False)
resolution = 128
_batch_size, _gpus = 8, 8
_r1_interval, _r1_gamma = 16, 0.05
_path_interval, _path_weight = 4, 2.0
model = dict(
    type="DistilledStyleGAN2",
    data_preprocessor=dict(type="DataPreprocessor"),
    # Style mixing with probability 0.9 is the toolkit's default, as the paper's.
    generator=dict(type="StyleGAN2Generator", out_size=128, style_channels=512),
    discriminator=dict(
        type="ThreeDGPDiscriminator",
        image_size=128,
        patch_size=None,
        num_classes=None,
        in_channels=3,
        # The widths of the generator.
        cbase=32768,
        cmax=512,
        patch_conditioning=False,
        feature_dim=2048,
        # The toolkit's training step would unfreeze the layers that are there for the release's checkpoints.
        official_compat=False,
    ),
    distillation=dict(type="KnowledgeDistillationLoss", form="l2", weight=1.0),
    # Half-life in images as in 3DGP: 0.3125 times the batch, 20 kimg.
    ema_config=dict(type="RampUpEMA", ema_kimg=20, ema_rampup=0.05, batch_size=_batch_size * _gpus),
    loss_config=dict(
        r1_loss_weight=_r1_gamma / 2 * _r1_interval,
        r1_interval=_r1_interval,
        norm_mode="HWC",
        g_reg_interval=_path_interval,
        g_reg_weight=_path_weight * _path_interval,
        pl_batch_shrink=2,
    ),
)
_path = _path_interval / (_path_interval + 1)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=0.0025 * _path, betas=(0.0, 0.99**_path))))

_load = [dict(type="LoadImage", key="gt"), dict(type="FitSquare")]
_flip = dict(type="Flip", keys=["gt"], flip_ratio=0.5, direction="horizontal")
_pack = [dict(type="PackInputs", data_keys=["teacher_feature"])]
_dataset = dict(resolution=resolution, conditional=False, use_depth=False)
train_dataloader = dict(batch_size=_batch_size, dataset=dict(**_dataset, pipeline=[*_load, _flip, *_pack]))
val_dataloader = dict(dataset=dict(**_dataset, pipeline=[*_load, dict(type="PackInputs")]))
test_dataloader = val_dataloader

# The paper's curve: FID every 200 kimg up to 20 million images.
_inception = dict(inception_path=None)
_fid = dict(type="LocalFID", real_nums=-1, **_inception)
val_evaluator = dict(metrics=[dict(**_fid, fake_nums=2048)])
test_evaluator = dict(
    metrics=[
        dict(**_fid, fake_nums=50000),
        dict(type="LocalInceptionScore", splits=10, fake_nums=50000, **_inception),
    ]
)
train_cfg = dict(total_kimg=20000, val_interval_kimg=200)
# The plugin's other hooks draw cameras and depth.
custom_hooks = [dict(type="ThroughputHook")]
