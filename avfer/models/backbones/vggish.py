"""vggish: the sound network of AudioSet."""

from typing import Any

from torch import Tensor, nn

from avfer.models.card import Card
from avfer.models.network import VoiceNetwork

LAYERS = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)  # channels of a convolution; 0 is a pool
FLAT = 512 * 6 * 4  # values that are left of a patch
WIDTH = 128  # of the embedding
POST = "pproc."  # the post-processor, in a file that holds both
PREFIXES = {  # of the published files
    "features.": "trunk.",
    "features_network.": "trunk.",
    "embedding_network.": "embeddings.",
}
DESCRIPTION = """Sound of 0.975 s, as a log-mel patch of 96 frames and 64 bands, becomes 128 numbers; half of them are \
0 after the last ReLU. relu=False leaves that ReLU out, as TensorFlow's present definition does, and num_classes adds \
a linear classifier. Weights: vggish-10086976.pth (torchvggish, release v0.1) or vggish.pt (torchaudio until 2.8). \
Whitened and quantised features come from vggish_pca; for affect the plain ones are used."""


def convolutions() -> nn.Sequential:
    """Log-mel patches (N, 1, 96, 64) to maps (N, 512, 6, 4)."""
    layers: list[nn.Module] = []
    width = 1
    for channels in LAYERS:
        layers += [nn.Conv2d(width, channels, 3, 1, 1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
        width = channels or width
    return nn.Sequential(*layers)


class Vggish(VoiceNetwork):
    """VGGish: Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.

    Layers and their numbers are those of github.com/harritaylor/torchvggish (Apache-2.0).
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
        told = {"relu": (relu, True), "num_classes": (num_classes, 0)}
        return Card(
            name="vggish",
            task="features of sound",
            description=DESCRIPTION,
            options={name: value for name, (value, default) in told.items() if value != default},
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

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The port's file, with its post-processor or without, torchaudio's, or one of ours.

        Whether the last ReLU is wanted no file tells.
        """
        ours = {_named(name): tensor for name, tensor in tensors.items() if not name.startswith(POST)}
        return {"num_classes": len(ours["emotion.bias"])} if "emotion.bias" in ours else {}, ours

    def embed(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> (N, 128) before the last ReLU."""
        maps = self.trunk(patches)
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> (N, 128), after the last ReLU unless relu=False."""
        return self.relu(self.embed(patches))

    def forward(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> emotion logits (N, K); without a classifier the features (N, 128)."""
        features = self.features(patches)
        return features if self.emotion is None else self.emotion(features)


def _named(name: str) -> str:
    theirs = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return PREFIXES.get(theirs, "") + name.removeprefix(theirs)
