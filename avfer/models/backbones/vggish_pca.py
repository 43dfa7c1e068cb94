"""vggish_pca: the post-processor of vggish, which whitens its features and makes them whole numbers."""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.backbones.vggish import POST, WIDTH
from avfer.models.card import Card
from avfer.models.network import Network

LIMIT = 2.0  # of the projection
LEVELS = 255
NAMES = ("pca_eigen_vectors", "pca_means")


class VggishPca(Network):
    """A fixed projection of VGGish features and 256 levels for each of its results.

    Names are those of github.com/harritaylor/torchvggish. Whitening is inside the matrix, whose rows are the results.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pca_eigen_vectors = nn.Parameter(torch.eye(WIDTH), requires_grad=False)
        self.pca_means = nn.Parameter(torch.zeros(WIDTH, 1), requires_grad=False)

    @classmethod
    def card(cls) -> Card:
        return Card(
            name="vggish_pca",
            task="features of sound, whitened and quantised",
            description="The features of vggish become 128 whole numbers from 0 to 255, as AudioSet published them. The"
            " port feeds it features after the last ReLU; TensorFlow's present definition those before it"
            " (relu=False), so that the two differ. Nothing in it is trained. Weights:"
            " vggish_pca_params-970ea276.pth of torchvggish, release v0.1, or vggish_pca_params.npz of the original.",
            inputs={"voice": WIDTH},
            features=WIDTH,
            layout="as in the PyTorch port",
            onnx=True,
            data="AudioSet",
            licence_weights="Apache-2.0",
            sources=["github.com/harritaylor/torchvggish@f3f90969", "Hershey et al., ICASSP 2017, arXiv 1609.09430"],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The port's file or the original's, or what a whole model holds of it; the network beside it is left."""
        short = {name.removeprefix(POST): tensor for name, tensor in tensors.items()}
        ours = {name: short[name] for name in NAMES if name in short} or short
        return {}, ours | ({"pca_means": ours["pca_means"].reshape(-1, 1)} if "pca_means" in ours else {})

    def project(self, features: Tensor) -> Tensor:
        """features: (N, 128) of vggish -> (N, 128) whitened, without limits."""
        return (self.pca_eigen_vectors @ (features.T - self.pca_means)).T

    def quantise(self, projected: Tensor) -> Tensor:
        """projected: (N, 128) -> float32 (N, 128) whole numbers in [0, 255]; [-2, 2] is kept, halves become even."""
        return ((projected.clamp(-LIMIT, LIMIT) + LIMIT) * (LEVELS / (2 * LIMIT))).round()

    def forward(self, features: Tensor) -> Tensor:
        """features: (N, 128) of vggish -> float32 (N, 128) whole numbers in [0, 255]."""
        return self.quantise(self.project(features))
