# 3DGP on LSUN Horses 256 x 256: as SDIP Dogs.
_base_ = ["3dgp_sdip_dogs256.py"]

data_root = "data/lsun_horses/train"
_data = dict(dataset=dict(data_root=data_root))
train_dataloader = _data
val_dataloader = _data
test_dataloader = _data
