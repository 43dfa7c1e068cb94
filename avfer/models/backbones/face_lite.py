"""face_lite: a small network that measures a face: landmarks, movements, head rotation, gaze and presence.

A residual network (He et al., CVPR 2016) whose last cells are squeezed and read by one hidden layer, so that the place
of a facial feature counts. The layout is our own.
"""

from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from avfer.models.backbones.aver_lite import LUMA, ResidualBlock, luma_statistics
from avfer.models.batch_norms import fold_batch_norms
from avfer.models.card import Card
from avfer.models.engine import OnnxNetwork, onnx_network
from avfer.models.face_measurer import ACTIVATIONS, NUM_LANDMARKS, VISIBLE_PARTS, FaceMeasurer, FaceOutputs
from avfer.models.network import FaceNetwork, normalised
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate

SIDE = 96  # px of a crop


class FaceLite(FaceNetwork):
    """Measures faces of 96 px in colour or grey.

    Each crop is standardised by the mean and the spread of its luma, so that exposure and contrast do not matter.
    widths: channels of the stem and of each stage. squeezed: channels of the last cells. hidden: width of the features.
    visibility: whether a linear layer reads from the last cells which parts of the face can be seen.
    """

    runs_onnx = True
    norms_follow = True
    luma: Tensor  # (1, 3, 1, 1)

    def __init__(
        self,
        widths: tuple[int, ...] = (16, 32, 64, 128, 192),
        squeezed: int = 64,
        hidden: int = 320,
        visibility: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        self.blocks = nn.ModuleList(ResidualBlock(width_in, width, 2) for width_in, width in pairwise(widths))
        last = SIDE // 2 ** len(widths)
        self.squeeze = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
            for width, channels in ((widths[-2], squeezed // 2), (widths[-1], squeezed))
        )
        cells = squeezed // 2 * (2 * last) ** 2 + squeezed * last**2
        self.hidden = nn.Sequential(nn.Linear(cells, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True))
        self.heads = nn.Linear(hidden, 2 * NUM_LANDMARKS + len(ACTIVATIONS) + 3 + 2 + 1)
        self.visible = nn.Linear(cells, len(VISIBLE_PARTS)) if visibility else None
        self.num_features = hidden

    def cells(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) RGB, normalised as the card says -> the squeezed last cells (N, 1728)."""
        _, mean, spread = luma_statistics(crops, self.luma)
        x = self.stem((crops - mean).div_(spread + 1e-2))
        cells: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            cells.append(x)
        return torch.cat([squeeze(y).flatten(1) for squeeze, y in zip(self.squeeze, cells[-2:], strict=True)], 1)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) RGB, normalised as the card says -> features (N, D)."""
        return self.hidden(self.cells(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> all outputs in one row (N, 345 or 347), as `split_outputs` splits them."""
        return self._rows(self.cells(crops))[1]

    def _rows(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (N, D) and all outputs (N, 345 or 347) of the last cells (N, 1728)."""
        features = self.hidden(cells)
        rows = self.heads(features)
        return features, rows if self.visible is None else torch.cat([rows, self.visible(cells)], 1)

    def outputs(self, crops: Tensor) -> FaceOutputs:
        """crops: (N, 3, 96, 96) RGB, normalised as the card says -> FaceOutputs of N faces."""
        return split_outputs(self.forward(crops))

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D), and the outputs as extras."""
        features, rows = self._rows(self.cells(crops))
        return Prediction(features, extras=vars(split_outputs(rows)))


def split_outputs(rows: Tensor) -> FaceOutputs:
    """Split the outputs of the last layers: (N, 345), or (N, 347) with the visible parts -> FaceOutputs of N faces."""
    sizes = [2 * NUM_LANDMARKS, len(ACTIVATIONS), 3, 2, 1]
    points, activations, rotation, gaze, presence, visible = rows.split([*sizes, rows.shape[1] - sum(sizes)], 1)
    # The layer's units are small: landmarks lie about the crop's middle, angles count in 30 degrees.
    landmarks = 0.5 + points.reshape(-1, NUM_LANDMARKS, 2)
    return FaceOutputs(landmarks, activations, 30 * rotation, 30 * gaze, presence[:, 0], visible)


class FaceLiteMeasurer(FaceMeasurer):
    """Measures crops with FaceLite. network: in evaluation mode; card: of its weights; device: that computes."""

    def __init__(self, network: FaceLite, card: Card, device: torch.device) -> None:
        self._network, self._card, self._device = network, card, device
        self._onnx: OnnxNetwork | None = None

    @classmethod
    def locate(cls, weights: str) -> tuple[Path, Card]:
        """Return the path and the card of the weights."""
        return locate("face_lite", weights)

    @classmethod
    def load(cls, path: Path, card: Card, device: torch.device) -> Self:
        """Build the network on a device and load its weights. Raises WeightsError if they do not fit."""
        network = FaceLite(**card.options)
        load_into(network, path, card)
        fold_batch_norms(network.eval().requires_grad_(False))
        network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return cls(network, card, device)

    def outputs(self, crops: Tensor) -> FaceOutputs:
        """Return the measures of N crops. crops: (N, 96, 96, 3) uint8 RGB."""
        pixels = crops.to(self._device).permute(0, 3, 1, 2)
        inputs = normalised(self._card, pixels)
        rows = self._network(inputs) if self._onnx is None else self._onnx(inputs)["rows"]
        return FaceOutputs(*(value.cpu() for value in vars(split_outputs(rows)).values()))

    def use_onnx(self) -> None:
        """Run the network by ONNX Runtime from now on. Raises MissingExtra if it is not installed."""
        self._onnx = onnx_network("face_lite", self._network, lambda net, x: {"rows": net(x)}, (2, 3, SIDE, SIDE))
