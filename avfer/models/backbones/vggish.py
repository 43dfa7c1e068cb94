"""vggish, vggish_pca and vggish_lite: the sound network of AudioSet, its post-processor, and a small one of ours.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017, arXiv 1609.09430. Layers and
tensors are named as in the PyTorch port github.com/harritaylor/torchvggish (Apache-2.0) of Google's
github.com/tensorflow/models, research/audioset/vggish. The optional linear classifier is our choice.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.card import Card, changed_options
from avfer.models.network import Network, VoiceNetwork

LAYERS = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)  # channels of a convolution; 0 is a pooling layer
FLAT = 512 * 6 * 4  # values of the last feature map of a patch
WIDTH = 128  # of the embedding
POST = "pproc."  # prefix of the post-processor in a file that holds network and post-processor
PREFIXES = {  # of the published files -> ours
    "features.": "trunk.",
    "features_network.": "trunk.",
    "embedding_network.": "embeddings.",
}
PCA_NAMES = ("pca_eigen_vectors", "pca_means")
PCA_LIMIT = 2.0  # values of the projection are clamped to [-2, 2]
PCA_LEVELS = 255
DESCRIPTION = """0.975 s of sound, as a log-mel patch of 96 frames and 64 bands, become 128 numbers; half of them are \
0 after the last ReLU. relu=False leaves that ReLU out, as TensorFlow's present definition does; num_classes adds \
a linear classifier. Weights: vggish-10086976.pth (torchvggish, release v0.1) or vggish.pt (torchaudio until 2.8). \
Whitened and quantised features come from vggish_pca; affect models read the plain ones."""
PCA_DESCRIPTION = """The features of vggish become 128 whole numbers from 0 to 255, as AudioSet published them. The \
port feeds it features after the last ReLU, TensorFlow's present definition those before it (relu=False), so that the \
two differ. Nothing in it is trained. Weights: vggish_pca_params-970ea276.pth of torchvggish, release v0.1, or \
vggish_pca_params.npz of the original."""


def convolutions() -> nn.Sequential:
    """Return the convolutions: log-mel patches (N, 1, 96, 64) to maps (N, 512, 6, 4)."""
    layers: list[nn.Module] = []
    width = 1
    for channels in LAYERS:
        layers += [nn.Conv2d(width, channels, 3, 1, 1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
        width = channels or width
    return nn.Sequential(*layers)


class Vggish(VoiceNetwork):
    """VGGish: six convolutions and three linear layers on log-mel patches.

    relu: apply the last ReLU, as the port does. num_classes: width of a linear emotion classifier; 0 for none.
    """

    def __init__(self, relu: bool = True, num_classes: int = 0) -> None:
        super().__init__()
        self.trunk = convolutions()
        self.embeddings = nn.Sequential(
            nn.Linear(FLAT, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, WIDTH)
        )
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.emotion = nn.Linear(WIDTH, num_classes) if num_classes else None

    @classmethod
    def card(cls, relu: bool = True, num_classes: int = 0) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="vggish",
            task="features of sound",
            description=DESCRIPTION,
            options=changed_options(Vggish, relu=relu, num_classes=num_classes),
            features=WIDTH,
            layout="as in the PyTorch port; the classifier is ours",
            onnx=True,
            data="a large set of videos, a precursor of YouTube-8M",
            licence_weights="Apache-2.0",
            sources=[
                "Hershey et al., ICASSP 2017, arXiv 1609.09430",
                "github.com/harritaylor/torchvggish@f3f90969 (the PyTorch port)",
                "github.com/tensorflow/models, research/audioset/vggish (the original)",
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the port's file (with or without post-processor), torchaudio's, or one of ours.

        tensors: name -> float tensor of its layer's shape. No file states whether the last ReLU is wanted.
        """
        ours = {_our_name(name): tensor for name, tensor in tensors.items() if not name.startswith(POST)}
        return {"num_classes": len(ours["emotion.bias"])} if "emotion.bias" in ours else {}, ours

    def embed(self, patches: Tensor) -> Tensor:
        """Return the embedding before the last ReLU. patches: (N, 1, 96, 64) log-mel -> (N, 128)."""
        maps = self.trunk(patches)
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))

    def features(self, patches: Tensor) -> Tensor:
        """Return the embedding after the last ReLU (before it if relu=False). patches: (N, 1, 96, 64) -> (N, 128)."""
        return self.relu(self.embed(patches))

    def forward(self, patches: Tensor) -> Tensor:
        """Return emotion logits (N, K), or the features (N, 128) without a classifier. patches: (N, 1, 96, 64)."""
        features = self.features(patches)
        return features if self.emotion is None else self.emotion(features)


class VggishPca(Network):
    """Whitening of VGGish features by a fixed projection, and 256 levels for each of the results.

    Tensors are named as in torchvggish. The whitening is part of the matrix, whose rows are the results.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pca_eigen_vectors = nn.Parameter(torch.eye(WIDTH), requires_grad=False)
        self.pca_means = nn.Parameter(torch.zeros(WIDTH, 1), requires_grad=False)

    @classmethod
    def card(cls) -> Card:
        """Return the card; there are no options."""
        return Card(
            name="vggish_pca",
            task="features of sound, whitened and quantised",
            description=PCA_DESCRIPTION,
            inputs={"voice": WIDTH},
            features=WIDTH,
            layout="as in the PyTorch port",
            onnx=True,
            data="AudioSet",
            licence_weights="Apache-2.0",
            sources=["github.com/harritaylor/torchvggish@f3f90969", "Hershey et al., ICASSP 2017, arXiv 1609.09430"],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the port's file, the original's, or the post-processor of a whole model.

        tensors: name -> tensor, (128, 128) and (128, 1) or (128,); those of the network beside it are dropped.
        """
        short = {name.removeprefix(POST): tensor for name, tensor in tensors.items()}
        ours = {name: short[name] for name in PCA_NAMES if name in short} or short
        return {}, ours | ({"pca_means": ours["pca_means"].reshape(-1, 1)} if "pca_means" in ours else {})

    def project(self, features: Tensor) -> Tensor:
        """Whiten features of vggish, without limits. features: (N, 128) -> (N, 128)."""
        return (self.pca_eigen_vectors @ (features.T - self.pca_means)).T

    def quantise(self, projected: Tensor) -> Tensor:
        """Map [-2, 2] to whole numbers in [0, 255], halves to even ones. projected: (N, 128) -> float32 (N, 128)."""
        limited = projected.clamp(-PCA_LIMIT, PCA_LIMIT)
        return ((limited + PCA_LIMIT) * (PCA_LEVELS / (2 * PCA_LIMIT))).round()

    def forward(self, features: Tensor) -> Tensor:
        """Project and quantise. features: (N, 128) of vggish -> float32 (N, 128), whole numbers in [0, 255]."""
        return self.quantise(self.project(features))


def _our_name(name: str) -> str:
    theirs = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return PREFIXES.get(theirs, "") + name.removeprefix(theirs)


MEL_MEAN, MEL_STD = -2.0, 1.6  # approximate mean and std of the log-mel bands of speech


class VggishLite(VoiceNetwork):
    """Five convolutions, whose last maps are pooled to their mean and their maximum over time and frequency.

    widths: channels of the convolutions. num_classes: emotions of the classifier that is trained on top.
    num_features: units of the layer of features; dropout: share of them dropped in training.
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
