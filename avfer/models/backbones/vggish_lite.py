"""vggish_lite: the small voice network whose weights come with avfer.

A VGG for the log-mel patches of VGGish (after Hershey et al., ICASSP 2017, arXiv 1609.09430), with batch norms and few
channels. The layout is our own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.network import VoiceNetwork

MEL_MEAN, MEL_STD = -2.0, 1.6  # approximate mean and std of the log-mel bands of speech


class VggishLite(VoiceNetwork):
    """Five convolutions, whose last maps are pooled to their mean and their maximum over time and frequency.

    widths: channels of the convolutions. num_classes: emotions of the classifier that is trained on top.
    """

    def __init__(
        self,
        num_classes: int = 8,
        widths: tuple[int, ...] = (16, 32, 64, 96, 128),
        num_features: int = 128,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        ins = (1, *widths[:-1])
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 1, 1, bias=False) for i, o in zip(ins, widths, strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.embedding = nn.Linear(2 * widths[-1], num_features)
        self.dropout = nn.Dropout(dropout)
        self.emotion = nn.Linear(num_features, num_classes)
        self.num_features = num_features

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> features (N, D)."""
        x = (patches - MEL_MEAN) / MEL_STD
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            x = F.max_pool2d(x, 2) if index < len(self.convs) - 1 else x
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return F.relu(self.embedding(self.dropout(pooled)))

    def forward(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> emotion logits (N, K)."""
        return self.emotion(self.dropout(self.features(patches)))
