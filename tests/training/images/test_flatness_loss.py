"""The flatness loss (R1) of a discriminator around real faces."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from avfer.losses.network_loss import ForwardPass, LossContext
from avfer.losses.pf_vit_losses import FlatnessLoss
from avfer.models.backbones.poker_face import Discriminator, DiscriminatorOutput


class Slope(nn.Module):
    """A discriminator whose gradient by every pixel value is its only weight."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.weight * images.sum((1, 2, 3)), images.new_zeros(len(images), 0))


def flatness(discriminator: nn.Module, pixels: Tensor) -> Tensor:
    forward_pass = SimpleNamespace(network=SimpleNamespace(discriminator=discriminator), pixels=pixels)
    return FlatnessLoss(cast(LossContext, None))(cast(ForwardPass, forward_pass))


@pytest.mark.parametrize("weight", [0.0, 0.5, -2.0])
def test_the_loss_is_half_the_squared_slope(weight):
    discriminator, pixels = Slope(weight), torch.randn(5, 3, 4, 4)
    loss = flatness(discriminator, pixels)
    loss.backward()
    values = 3 * 4 * 4
    assert loss.item() == pytest.approx(values * weight**2 / 2)
    assert discriminator.weight.grad is not None
    assert discriminator.weight.grad.item() == pytest.approx(values * weight)
    assert pixels.grad is None


def test_the_second_derivative_passes_through_attention():
    torch.manual_seed(0)
    discriminator: Any = Discriminator(3)
    flatness(discriminator, torch.randn(1, 3, 224, 224)).backward()
    first = discriminator.encoder.blocks[0].attn.qkv.weight.grad
    assert first is not None and first.isfinite().all() and first.abs().max() > 0


def test_the_loss_is_0_without_gradients():
    with torch.inference_mode():
        assert flatness(Slope(1.0), torch.randn(2, 3, 4, 4)) == 0
