# 3dgp_toy32.py with features in bfloat16, as 3dgp_imagenet256_fast.py has them: does it learn as well?
_base_ = ["3dgp_toy32.py"]

model = dict(
    generator=dict(field=dict(low_precision_blocks=3, low_precision_on_cpu=True)),
    discriminator=dict(low_precision_blocks=3, low_precision_on_cpu=True),
)
