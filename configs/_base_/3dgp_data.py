# Images with depth and teacher features, 256 x 256; `tools/train.py --data-root DIR` points elsewhere.
# Relative `features` are looked up from the data root.
data_root = 'data/imagenet/train'

_load = [
    dict(type='LoadImageFromFile', key='gt'),
    dict(type='LoadDepth'),
    dict(
        type='OnPresentKeys', transform=dict(type='CenterCropLongEdge', keys=['gt', 'depth'])
    ),
    dict(
        type='Resize',
        keys=['gt'],
        scale=(256, 256),
        interpolation='lanczos',
        backend='pillow',
    ),
    dict(
        type='OnPresentKeys',
        transform=dict(type='Resize', keys=['depth'], scale=(256, 256), interpolation='area'),
    ),
]
_pack = [dict(type='PackInputs', data_keys=['depth', 'teacher_feature', 'camera'])]
train_pipeline = [
    *_load,
    dict(
        type='OnPresentKeys',
        transform=dict(
            type='Flip', keys=['gt', 'depth'], flip_ratio=0.5, direction='horizontal'
        ),
    ),
    dict(type='MirrorCamera'),
    *_pack,
]
val_pipeline = [*_load, *_pack]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageDepthDataset',
        data_root=data_root,
        features='../resnet50.npy',
        pipeline=train_pipeline,
    ),
)
# Metrics compare with unflipped images of the same folder; point this at the unfiltered set.
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageDepthDataset',
        data_root=data_root,
        use_depth=False,
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
