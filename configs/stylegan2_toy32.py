# The toolkit's 2D StyleGAN2 on the procedural scenes of 3dgp_toy32.py, with a classifier distilled into its
# discriminator: what tools/studies compares with and without distillation. The arms are options:
#   model.distillation.form=l2 (as here), model.distillation.form=kl, or none: model.distillation=None
_base_ = ["3dgp_toy32.py"]

custom_imports = dict(
    imports=["projects.threedgp", "projects.threedgp.studies.narrow_stylegan2"], allow_failed_imports=False
)
_batch_size = 8
_r1_interval, _r1_gamma = 16, 0.05
model = dict(
    _delete_=True,
    type="DistilledStyleGAN2",
    data_preprocessor=dict(type="DataPreprocessor"),
    generator=dict(type="NarrowStyleGAN2Generator", out_size=32, style_channels=64, max_channels=64),
    discriminator=dict(
        type="ThreeDGPDiscriminator",
        image_size=32,
        patch_size=None,
        num_classes=None,
        in_channels=3,
        cbase=1024,
        cmax=64,
        patch_conditioning=False,
        feature_dim=96,
        # The toolkit's training step would unfreeze the layers that are there for the release's checkpoints.
        official_compat=False,
    ),
    distillation=dict(type="KnowledgeDistillationLoss", form="l2", weight=1.0),
    # A run ends before the toolkit's half-life of 10 kimg.
    ema_config=dict(type="RampUpEMA", ema_kimg=0.5, ema_rampup=0.05, batch_size=_batch_size),
    loss_config=dict(
        r1_loss_weight=_r1_gamma / 2 * _r1_interval,
        r1_interval=_r1_interval,
        norm_mode="HWC",
        # No path length regularisation (but for the first step, where its weight is 0): it smooths the latent
        # space over hundreds of kimg, which such runs do not see, and costs another pass.
        g_reg_interval=10**9,
        g_reg_weight=0.0,
    ),
)
# With the rates of wide networks (0.0025, 0.002) the discriminator stays at chance: a step of Adam on weights
# of equalised learning rate moves the output by the root of the width.
_lazy = _r1_interval / (_r1_interval + 1)
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=0.01)),
    discriminator=dict(optimizer=dict(lr=0.008 * _lazy)),
)
train_dataloader = dict(batch_size=_batch_size, dataset=dict(conditional=False, use_depth=False))
val_dataloader = dict(dataset=dict(conditional=False))
test_dataloader = val_dataloader

_toy = dict(inception_path="data/toy32/networks/extractor.ts")
test_evaluator = dict(
    metrics=[
        dict(type="LocalFID", prefix="FID (toy classifier)", fake_nums=2048, real_nums=-1, **_toy),
        dict(type="LocalInceptionScore", prefix="IS (toy classifier)", fake_nums=2048, splits=4, **_toy),
    ]
)
# The plugin's other hooks draw cameras and depth.
custom_hooks = [dict(type="ThroughputHook")]
