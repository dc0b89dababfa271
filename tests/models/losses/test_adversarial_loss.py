"""projects/threedgp/models/losses/adversarial_loss.py"""

import math

import pytest
import torch

from projects.threedgp.models.losses.adversarial_loss import ThreeDGPAdversarialLoss


def test_undecided_discriminator():
    zero, loss = torch.zeros(2), ThreeDGPAdversarialLoss()
    torch.testing.assert_close(loss.generator(zero), torch.full((2,), math.log(2)))
    torch.testing.assert_close(loss.discriminator(zero, zero), torch.full((2,), 2 * math.log(2)))


def test_logistic_loss_is_cross_entropy():
    fake, real = torch.randn(5), torch.randn(5)
    loss = ThreeDGPAdversarialLoss()
    torch.testing.assert_close(loss.generator(fake), -fake.sigmoid().log())
    expected = -(1 - fake.sigmoid()).log() - real.sigmoid().log()
    torch.testing.assert_close(loss.discriminator(fake, real), expected)


def test_hinge_loss():
    loss = ThreeDGPAdversarialLoss("hinge")
    fake, real = torch.tensor([-2.0, 0.5]), torch.tensor([3.0, 0.0])
    torch.testing.assert_close(loss.generator(fake), -fake)
    torch.testing.assert_close(loss.discriminator(fake, real), torch.tensor([0.0, 2.5]))


def test_gradient_of_the_generator_does_not_vanish_where_it_loses():
    fake = torch.tensor([-50.0], requires_grad=True)
    ThreeDGPAdversarialLoss().generator(fake).sum().backward()
    torch.testing.assert_close(fake.grad, torch.tensor([-1.0]))


def test_overconfident_logits_have_no_gradient():
    loss = ThreeDGPAdversarialLoss("hinge", max_confidence=10.0)
    fake = torch.tensor([11.0, 9.0], requires_grad=True)
    loss.generator(fake).sum().backward()
    assert fake.grad.tolist() == [0.0, -1.0]


def test_unknown_form_is_named():
    with pytest.raises(ValueError, match="form: got 'wgan'"):
        ThreeDGPAdversarialLoss("wgan")
