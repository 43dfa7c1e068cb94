"""Distance of two pictures as a fixed network sees them."""

import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from avfer.errors import AvferWarning
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import fill

LEVELS = (3, 8, 15)  # relu1_2, relu2_2, relu3_3 among the layers of VGG-16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FeatureLoss(nn.Module):
    """Sum over three levels l of VGG-16 of mean((phi_l(restored) - phi_l(target))²) (Johnson et al., ECCV 2016).

    `file` holds weights of torchvision's VGG-16; its classifier is not read. Without one the network is random, drawn
    from a fixed seed: a weaker measure, of which a warning tells. Either way it is never trained.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        with torch.device("meta"):
            layers = cast(nn.Sequential, vgg16(weights=None).features)[: LEVELS[-1] + 1]
        self.phi = cast(nn.Sequential, layers).to_empty(device="cpu")
        if file is None:
            _draw(self.phi)
            told = (
                "feature loss without a trained VGG-16: its network is random; give the file of one to measure better"
            )
            warnings.warn(told, AvferWarning, stacklevel=2)
        else:
            fill(self.phi, _of_levels(read_tensors(file), self.phi), f"{file} is no VGG-16 of torchvision")
        self.phi.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """restored, target: (N, 3, S, S) RGB in [0, 1] -> ()."""
        pairs = zip(self.levels(restored), self.levels(target), strict=True)
        return torch.stack([(a - b).square().mean() for a, b in pairs]).sum()

    def levels(self, pictures: Tensor) -> list[Tensor]:
        """pictures: (N, 3, S, S) RGB in [0, 1] -> the three feature maps, the finest first."""
        x, found = (pictures - self.mean) / self.std, list[Tensor]()
        for number, layer in enumerate(self.phi):
            x = layer(x)
            if number in LEVELS:
                found.append(x)
        return found


def _draw(phi: nn.Sequential) -> None:
    random = torch.Generator().manual_seed(0)
    for layer in phi:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=random)
            nn.init.zeros_(layer.bias)


def _of_levels(tensors: dict[str, Tensor], phi: nn.Module) -> dict[str, Tensor]:
    named = {name.removeprefix("features."): tensor for name, tensor in tensors.items()}
    return {name: named[name] for name in phi.state_dict() if name in named}
