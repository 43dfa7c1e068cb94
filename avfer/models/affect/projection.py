"""The first layer upon features: they come in the scale of the network that made them."""

import torch
from torch import Tensor, nn


class Projection(nn.Linear):
    """A linear layer upon features that it first brings to a mean of 0 and a spread of 1, once told of both.

    Networks give features of very unequal spread (that of `aver_lite` is about 0.03); as they are, steps of one size
    would hardly move what reads the small ones. `centre` and `gain` are kept with the weights and are not trained.
    """

    centre: Tensor  # (D,)
    gain: Tensor  # (D,)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("gain", torch.ones(inputs))

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """x: (..., D) -> (..., W)."""
        return super().forward((x - self.centre) * self.gain)
