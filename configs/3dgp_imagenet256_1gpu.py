# 3DGP on ImageNet 256 x 256 on one GPU: the batch of 64 in parts of 8, which add up to the same step.
_base_ = ["3dgp_imagenet256_fast.py"]

model = dict(micro_batch_size=8)
train_dataloader = dict(batch_size=64, num_workers=8)
