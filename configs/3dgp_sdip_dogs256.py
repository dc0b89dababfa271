# 3DGP on SDIP Dogs 256 x 256: unconditional, the release's default widths, a faster camera ramp.
# The paper's ablation of the depth adaptor, by the probability p of adapted depth (FID with 2 048 fakes):
#   p = 0    model.generator.depth_adaptor.num_layers=0
#   p = 0.5  model.generator.depth_adaptor.identity_prob=0.5
#   p = 1    model.generator.depth_adaptor.identity_prob=0.0
_base_ = ["_base_/3dgp_model.py", "_base_/3dgp_data.py", "_base_/3dgp_runtime.py"]

data_root = "data/sdip_dogs/train"
_widths = dict(cbase=32768, cmax=512)
model = dict(
    num_classes=None,
    generator=dict(field=_widths),
    discriminator=_widths,
    r1=dict(gamma="auto"),
    camera_regularizers=[
        dict(type="CameraEMDRegularizer", ramp=dict(start=0.0, end=1.0, over_kimg=3000)),
        dict(type="CameraMeanRegularizer"),
    ],
)
_data = dict(dataset=dict(data_root=data_root, conditional=False))
train_dataloader = _data
val_dataloader = _data
test_dataloader = _data
