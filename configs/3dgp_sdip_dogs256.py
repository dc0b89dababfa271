# 3DGP on SDIP Dogs 256 x 256 (unconditional), with the default widths of the release.
_base_ = ['_base_/3dgp_model.py', '_base_/3dgp_data.py', '_base_/3dgp_runtime.py']

data_root = 'data/sdip_dogs/train'
_widths = dict(cbase=32768, cmax=512)
model = dict(
    num_classes=None,
    generator=dict(planes=_widths),
    discriminator=_widths,
    r1=dict(gamma='auto'),
    camera_regularizers=[
        dict(
            type='CameraEMDRegularizer',
            ramp=dict(start=0.0, end=1.0, over_kimg=3000),
            num_samples=64,
        ),
        dict(type='CameraMeanRegularizer', weight=10.0, num_samples=256),
    ],
)
train_dataloader = dict(dataset=dict(data_root=data_root, conditional=False))
val_dataloader = dict(dataset=dict(data_root=data_root, conditional=False))
test_dataloader = dict(dataset=dict(data_root=data_root, conditional=False))
_pkl = dict(inception_pkl='data/weights/sdip_dogs256_fid.pkl')
