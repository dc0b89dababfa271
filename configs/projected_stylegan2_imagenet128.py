# StyleGAN2 on ImageNet 128 x 128 with a projected discriminator (Sauer et al. 2021): the other way to make
# use of a pretrained network, which the paper's distillation replaces. Without internet, local weights:
#   --cfg-options model.discriminator.pretrained=False model.discriminator.checkpoint=FILE
_base_ = ["stylegan2_imagenet128.py"]

model = dict(
    discriminator=dict(
        _delete_=True,
        type="ProjectedDiscriminator",
        image_size=128,
        network="tf_efficientnet_lite1",
        pretrained=True,
        input_size=256,
        augment=dict(type="DiffAugment"),
        # The toolkit's models are shown blue first.
        channel_order="bgr",
    ),
    distillation=None,
    # The hinge, without R1; the path length regulariser stays.
    adversarial_loss=dict(type="ThreeDGPAdversarialLoss", form="hinge"),
)
train_dataloader = dict(dataset=dict(features=None))
