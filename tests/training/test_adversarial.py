"""A discriminator that is held flat around real faces."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from avfer.models.backbones.poker_face import Discriminator, Judgement
from avfer.training.adversarial import flatness
from avfer.training.passes import Pass


class Slope(nn.Module):
    """A discriminator whose slope is its one weight, at every value of every pixel."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, pictures: Tensor) -> Judgement:
        return Judgement(self.weight * pictures.sum((1, 2, 3)), pictures.new_zeros(len(pictures), 0))


def seen(judge: nn.Module, pixels: Tensor) -> Pass:
    return cast(Pass, SimpleNamespace(model=SimpleNamespace(discriminator=judge), pixels=pixels))


@pytest.mark.parametrize("weight", [0.0, 0.5, -2.0])
def test_the_loss_is_half_the_squared_slope_and_so_is_its_gradient(weight):
    judge, pixels = Slope(weight), torch.randn(5, 3, 4, 4)
    loss = flatness(seen(judge, pixels))
    loss.backward()
    values = 3 * 4 * 4
    assert loss.item() == pytest.approx(values * weight**2 / 2)
    assert judge.weight.grad is not None
    assert judge.weight.grad.item() == pytest.approx(values * weight)
    assert pixels.grad is None


def test_the_second_derivative_goes_through_attention():
    torch.manual_seed(0)
    judge: Any = Discriminator(3)
    flatness(seen(judge, torch.randn(1, 3, 224, 224))).backward()
    first = judge.encoder.blocks[0].attn.qkv.weight.grad
    assert first is not None and first.isfinite().all() and first.abs().max() > 0


def test_where_nothing_is_learned_no_slope_is_asked_for():
    with torch.inference_mode():
        assert flatness(seen(Slope(1.0), torch.randn(2, 3, 4, 4))) == 0
