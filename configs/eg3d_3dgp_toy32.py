# EG3D's field, renderer, super-resolution and dual discriminator with 3DGP's depth adaptor, learned cameras
# and distillation: parts that nobody else has combined.
_base_ = ["3dgp_toy32.py"]

_widths = dict(cbase=1024, cmax=64)
model = dict(
    generator=dict(
        patch_size=None,
        field=dict(axes=("xy", "xz", "zy"), align_corners=False, out_channels=32, mlp_activation="softplus"),
        renderer=dict(
            marcher="mip",
            use_inf_depth=False,
            density_bias=-1.0,
            space="metric",
            depth="mean",
            pixels="center",
        ),
        upsampler=dict(
            type="SuperResolution",
            input_size=16,
            channels=(32, 16),
            up=(False, True),
            render_size=16,
            pure_raw=True,
        ),
    ),
    # It sees colours and depth, at the full size and as they were rendered.
    discriminator=dict(_delete_=True, type="ThreeDGPDualDiscriminator", feature_dim=96, **_widths),
    generator_terms=[dict(type="DensityRegularizer", half_side=0.6, distance=0.0024)],
    patch_sampler=None,
)
_lazy = 4 / 5
optim_wrapper = dict(generator=dict(optimizer=dict(lr=0.0025 * _lazy, betas=(0.0, 0.99**_lazy))))
model_wrapper_cfg = dict(
    type="MMSeparateDistributedDataParallel", find_unused_parameters=True, broadcast_buffers=False
)
