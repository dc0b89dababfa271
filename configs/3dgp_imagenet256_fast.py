# 3DGP on ImageNet 256 x 256 with most features in bfloat16: planes from 32 x 32 on, and all blocks of the
# discriminator. Weights, styles, planes, rays and losses keep float32. On a CPU it pays where that
# multiplies matrices in bfloat16 (AMX); elsewhere set both `low_precision_on_cpu` to False.
_base_ = ["3dgp_imagenet256.py"]

model = dict(
    generator=dict(field=dict(low_precision_blocks=5, low_precision_on_cpu=True)),
    discriminator=dict(low_precision_blocks=6, low_precision_on_cpu=True),
)
