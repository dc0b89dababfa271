# EG3D (Chan et al. 2022) on ImageNet 256 x 256, cameras drawn from a narrow prior: 8 GPUs x 4 images,
# 25 000 kimg.
# Which settings are ours, as the papers give none for ImageNet: projects/threedgp/docs/systems/eg3d.md.
# Cameras and data are those of the config that it begins with.
_base_ = ["epigraf_imagenet256.py"]

model = dict(
    generator=dict(
        patch_size=None,
        field=dict(
            resolution=256,
            # The third plane of the release, whose weights need it; ("xy", "xz", "zy") is what was meant.
            axes=("xy", "xz", "zx"),
            align_corners=False,
            out_channels=32,
            mlp_activation="softplus",
        ),
        renderer=dict(
            marcher="mip",
            use_inf_depth=False,
            density_bias=-1.0,
            space="metric",
            depth="mean",
            pixels="center",
            density_noise=0.0,
        ),
        upsampler=dict(
            type="SuperResolution",
            input_size=128,
            channels=(128, 64),
            up=(False, True),
            render_size=64,
        ),
    ),
    discriminator=dict(_delete_=True, type="ThreeDGPDualDiscriminator", cbase=32768, cmax=512),
    # The penalty is on what the discriminator receives; of the raw images only real ones are blurred.
    r1=dict(gamma=5.0, behind_blur=True),
    blur_fade=dict(raw="real"),
    # The release's points and distances, in proportion to the cube of the field.
    generator_terms=[dict(type="DensityRegularizer", half_side=0.4, distance=0.0016)],
    patch_sampler=None,
)
train_dataloader = dict(batch_size=4)
# The density regulariser is a step of its own, every 4th: Adam is corrected for it, as for R1.
_lazy = 4 / 5
optim_wrapper = dict(generator=dict(optimizer=dict(lr=0.0025 * _lazy, betas=(0.0, 0.99**_lazy))))
# In that step only the field has gradients.
model_wrapper_cfg = dict(
    type="MMSeparateDistributedDataParallel", find_unused_parameters=True, broadcast_buffers=False
)
