# 3DGP on ImageNet 256 x 256: 8 GPUs x 8 images, 25 000 kimg.
_base_ = ["_base_/3dgp_model.py", "_base_/3dgp_data.py", "_base_/3dgp_runtime.py"]
