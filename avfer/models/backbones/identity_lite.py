"""identity_lite: the small network that recognises a person again within a clip; its weights come with avfer.

A residual network (He et al., CVPR 2016) that ends in a global depthwise convolution instead of an average, so that
the place of a facial feature counts (Chen et al., MobileFaceNets, 2018, arXiv 1804.07573). The layout is our own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.backbones.aver_lite import LUMA, ResidualBlock, luma_statistics
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

SIDE = 64  # px of a crop
STRIDE = 8  # px of a crop in one cell of the last stage


class IdentityLite(FaceNetwork):
    """Embeds grey faces of 64 px as directions; the cosine of two directions says how alike the persons are.

    The crop is reduced to luma and standardised on its own, so that colour, exposure and contrast of the camera do not
    matter. widths: channels of the stem and of each stage. num_features: width of the embedding.
    """

    runs_onnx = True
    norms_follow = True
    luma: Tensor  # (1, 3, 1, 1)

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96), num_features: int = 128) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        strides = (1, *[2] * (len(widths) - 2))
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(width_in, width, stride)
                for width_in, width, stride in zip(widths[:-1], widths[1:], strides, strict=True)
            )
        )
        self.places = nn.Conv2d(widths[-1], widths[-1], SIDE // STRIDE, groups=widths[-1], bias=False)
        self.norm = nn.BatchNorm1d(widths[-1])
        self.embedding = nn.Linear(widths[-1], num_features)
        self.num_features = num_features

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 64, 64) RGB, normalised as the card says -> directions (N, D) of length 1."""
        grey, mean, spread = luma_statistics(crops, self.luma)
        cells = self.places(self.blocks(self.stem((grey - mean) / (spread + 1e-3))))
        return F.normalize(self.embedding(self.norm(cells.flatten(1))), dim=1)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 64, 64) -> features (N, D) of length 1."""
        return Prediction(self.features(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 64, 64) -> features (N, D) of length 1."""
        return self.features(crops)
