# StyleGAN2 on the procedural scenes with a projected discriminator, on the features of the scenes' teacher (a
# timm `test_resnet`), which stands in for a network pretrained on photos.
_base_ = ["stylegan2_toy32.py"]

root = "data/toy32"
model = dict(
    discriminator=dict(
        _delete_=True,
        type="ProjectedDiscriminator",
        image_size=32,
        network="test_resnet",
        checkpoint=f"{root}/networks/teacher.pth",
        input_size=64,
        mixed_width=16,
        width=32,
        channel_order="bgr",
    ),
    distillation=None,
    adversarial_loss=dict(type="ThreeDGPAdversarialLoss", form="hinge"),
)
train_dataloader = dict(dataset=dict(features=None))
