"""The toolkit's ADM as metrics sample it: labels that count, images in [0, 255]."""

import pytest
import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.registry import init_default_scope

import projects.threedgp  # noqa: F401

UNET = dict(
    type="DenoisingUnet",
    image_size=16,
    in_channels=3,
    base_channels=8,
    channels_cfg=[1, 2],
    resblocks_per_downsample=1,
    attention_res=(8,),
    norm_cfg=dict(type="GN32", num_groups=4),
    num_classes=5,
    use_scale_shift_norm=True,
    attention_cfg=dict(
        type="MultiHeadAttentionBlock", num_heads=1, num_head_channels=4, use_new_attention_order=False
    ),
)


def adm(**changes):
    """A tiny ADM whose last layer, zero in the beginning, does something."""
    init_default_scope("mmagic")
    torch.manual_seed(0)
    scheduler = dict(type="EditDDIMScheduler", variance_type="learned_range", beta_schedule="linear")
    model = MODELS.build(
        dict(
            type="LabelledADM",
            data_preprocessor=dict(type="DataPreprocessor"),
            unet=UNET,
            diffusion_scheduler=scheduler,
            num_inference_steps=4,
            rgb2bgr=True,
        )
        | changes
    )
    for parameter in model.unet.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def images(model, **inputs):
    return torch.stack([sample.fake_img for sample in model(inputs)])


def test_images_are_in_0_255_and_know_their_labels():
    model = adm()
    samples = model(dict(num_batches=6))
    assert len(samples) == 6
    made = torch.stack([sample.fake_img for sample in samples])
    assert made.shape == (6, 3, 16, 16) and 0 <= made.min() < 100 and 150 < made.max() <= 255
    assert all(0 <= int(sample.gt_label.label) < 5 for sample in samples)


def test_samples_are_of_the_class_that_is_asked_for():
    model, noise = adm(), torch.randn(2, 3, 16, 16)
    first, other = (
        images(model, init_image=noise, num_batches=2, sample_kwargs=dict(labels=labels))
        for labels in ([1, 2], [1, 3])
    )
    torch.testing.assert_close(first[0], other[0])
    assert (first[1] - other[1]).abs().max() > 1
    same = images(model, init_image=noise, num_batches=2, sample_kwargs=dict(labels=1))
    torch.testing.assert_close(same[0], first[0])


def test_labels_of_the_data_are_used():
    given = DataSample()
    given.set_gt_label(torch.tensor([[4], [0]]))
    samples = adm()(dict(num_batches=2), given)
    assert [int(sample.gt_label.label) for sample in samples] == [4, 0]


def test_steps_are_those_of_the_config_unless_asked():
    model, seen = adm(), []
    handle = model.unet.register_forward_hook(lambda *_: seen.append(1))
    model(dict(num_batches=1))
    assert len(seen) == 4
    model(dict(num_batches=1, sample_kwargs=dict(num_inference_steps=5)))
    handle.remove()
    assert len(seen) == 9


def test_classifier_guidance_changes_the_samples():
    classifier = dict(
        type="EncoderUNetModel",
        image_size=16,
        in_channels=3,
        model_channels=32,
        out_channels=5,
        num_res_blocks=1,
        attention_resolutions=(2,),
        channel_mult=(1, 2),
        num_head_channels=8,
        pool="attention",
    )
    model, noise = adm(classifier=classifier), torch.randn(1, 3, 16, 16)
    for parameter in model.classifier.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    made = [
        images(model, init_image=noise, sample_kwargs=dict(labels=[2], classifier_scale=scale))
        for scale in (0.0, 50.0)
    ]
    assert (made[0] - made[1]).abs().max() > 1


@pytest.mark.parametrize("steps", [0, 1001])
def test_a_number_of_steps_that_the_schedule_has_not_is_refused(steps):
    with pytest.raises(ValueError, match=f"num_inference_steps: got {steps}, wanted 1 to"):
        adm(num_inference_steps=steps)
