# The quickstart, small enough for a step in a tenth of a second, with a checkpoint in every step.
_base_ = ["../../configs/3dgp_quickstart.py"]

_widths = dict(cbase=256, cmax=16)
model = dict(
    num_classes=5,
    generator=dict(
        noise_size=16,
        mapping=dict(w_dim=16),
        field=dict(resolution=16, feature_dim=4, mlp_hidden_dim=8, **_widths),
        renderer=dict(num_coarse=4, num_fine=4),
        camera_generator=dict(hidden_dim=16, embed_dim=4),
        depth_adaptor=dict(hidden_dim=8),
    ),
    discriminator=dict(code_dim=16, **_widths),
)
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, pin_memory=False)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=2))
log_processor = dict(window_size=1)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(vis_backends=vis_backends)
custom_hooks = [dict(type="LabelDistributionHook")]
