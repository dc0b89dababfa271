# Images with depth and teacher features; `tools/train.py --data-root DIR` points every loader elsewhere.
data_root = "data/imagenet/train"
resolution = 256

_load = [
    dict(type="LoadImage", key="gt"),
    dict(type="LoadDepth"),
    dict(type="FitSquare"),
]
_pack = [dict(type="PackInputs", data_keys=["depth", "teacher_feature", "camera"])]
_flip = dict(type="Flip", keys=["gt", "depth"], flip_ratio=0.5, direction="horizontal")
_mirror = [dict(type="OnPresentKeys", transform=_flip), dict(type="MirrorCamera")]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="ImageDepthDataset",
        data_root=data_root,
        resolution=resolution,
        features="../resnet50.npy",
        pipeline=[*_load, *_mirror, *_pack],
    ),
)
# Metrics compare with unflipped images of the same folder; point this at the unfiltered set.
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="ImageDepthDataset",
        data_root=data_root,
        resolution=resolution,
        use_depth=False,
        pipeline=[*_load, *_pack],
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
