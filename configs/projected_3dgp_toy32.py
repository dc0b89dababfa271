# 3DGP on the procedural scenes with a projected discriminator in place of distillation. It judges patches of
# colour and adapted depth by the features of the scenes' teacher (a timm `test_resnet`), which stands in for
# a network pretrained on photos, and to which depth is shown as a gray picture.
_base_ = ["3dgp_toy32.py"]

root = "data/toy32"
model = dict(
    discriminator=dict(
        _delete_=True,
        type="ProjectedDiscriminator",
        network="test_resnet",
        checkpoint=f"{root}/networks/teacher.pth",
        input_size=64,
        mixed_width=16,
        width=32,
        patch_conditioning=True,
        patch_embed_dim=32,
    ),
    distillation=None,
    adversarial_loss=dict(form="hinge"),
    r1=None,
    blur_fade=None,
)
train_dataloader = dict(dataset=dict(features=None))
