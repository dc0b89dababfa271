# The toolkit's BigGAN-deep at 256 x 256, trained and evaluated as 3DGP is: same reals, same metrics.
#   python tools/test.py configs/biggan_imagenet256.py CHECKPOINT --data-root data/imagenet/train
# CHECKPOINT: the toolkit's weights (docs/systems/twod.md), or an iter_*.pth of a training with this config.
_base_ = "mmagic::biggan/biggan-deep_cvt-hugging-face_rgb_imagenet1k-256x256.py"

custom_imports = dict(imports=["projects.threedgp"], allow_failed_imports=False)
data_root = "data/imagenet/train"
_sizes = dict(
    num_classes=1000,
    base_channels=128,
    sn_eps=1e-6,
    sn_style="torch",
    act_cfg=dict(type="ReLU", inplace=True),
)
# Restated without the toolkit's `init_cfg`, which neither network takes; they begin orthogonal anyway.
model = dict(
    # The toolkit's batches have labels (n, 1), which its projection discriminator would broadcast to (n, n).
    data_preprocessor=dict(type="FlatLabelPreprocessor"),
    generator=dict(
        _delete_=True,
        type="BigGANDeepGenerator",
        output_scale=256,
        noise_size=128,
        shared_dim=128,
        with_shared_embedding=True,
        concat_noise=True,
        auto_sync_bn=False,
        rgb2bgr=True,
        **_sizes,
    ),
    discriminator=dict(
        _delete_=True,
        type="BigGANDeepDiscriminator",
        input_scale=256,
        with_spectral_norm=True,
        **_sizes,
    ),
)

_load = [dict(type="LoadImage", key="gt"), dict(type="FitSquare")]
_flip = dict(type="Flip", keys=["gt"], flip_ratio=0.5, direction="horizontal")
_reals = dict(type="ImageDepthDataset", data_root=data_root, resolution=256, use_depth=False)
train_dataloader = dict(
    _delete_=True,
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(**_reals, pipeline=[*_load, _flip, dict(type="PackInputs")]),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(**_reals, pipeline=[*_load, dict(type="PackInputs")], test_mode=True),
)
test_dataloader = val_dataloader

# The toolkit's recipe for 128 x 128: 8 GPUs x 32 images x 8 accumulated steps make BigGAN's batch of 2048.
_wrapper = dict(type="OptimWrapper", accumulative_counts=8)
_adam = dict(type="Adam", betas=(0.0, 0.999), eps=1e-6)
optim_wrapper = dict(
    _delete_=True,
    constructor="MultiOptimWrapperConstructor",
    generator=dict(**_wrapper, optimizer=dict(**_adam, lr=1e-4)),
    discriminator=dict(**_wrapper, optimizer=dict(**_adam, lr=4e-4)),
)
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=1500000, val_interval=10000)

_inception = dict(inception_path=None)
_fid = dict(type="LocalFID", real_nums=-1, **_inception)
_is = dict(type="LocalInceptionScore", splits=10, **_inception)
val_cfg, test_cfg = dict(type="SeededValLoop"), dict(type="SeededTestLoop")
val_evaluator = dict(metrics=[dict(**_fid, fake_nums=2048)])
test_evaluator = dict(metrics=[dict(**_fid, fake_nums=50000), dict(**_is, fake_nums=50000)])

default_hooks = dict(
    checkpoint=dict(
        type="WholeCheckpointHook",
        interval=10000,
        max_keep_ckpts=5,
        save_best="FID/fid",
        rule="less",
        less_keys=None,
        greater_keys=None,
    ),
    evaluation=dict(type="EvaluationCheckHook"),
    divergence=dict(type="DivergenceHook"),
)
custom_hooks = [dict(type="ThroughputHook")]
randomness = dict(seed=0)
