"""The trunk of VGG-Face as the Aff-Wild networks use it: for crops of 96 px, with full layers of their own.

VGG-Face: Parkhi, Vedaldi, Zisserman, "Deep Face Recognition", BMVC 2015. The layout for 96 px and the names in
TensorFlow's files are those of github.com/dkollias/Aff-Wild-models.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.tensor_files import from_tensorflow

SIDE = 96  # px
GRID = 3  # side of the last feature map
GROWTH = (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8)  # channels of each convolution, over those of the first
POOLED = (2, 4, 7, 10, 13)  # convolutions before a pooling
WIDTH = 64  # channels of the first convolutions
NUM_FEATURES = 4096
TABLE = (  # TensorFlow's names of the trunk, any scope before them
    (r"(?:.*/)?conv_(\d+)\.", r"trunk.convs.conv_\1."),
    (r"(?:.*/)?linear_1\.", "trunk.full.0."),
)
FIRST = "trunk.full.0.weight"
KINDS = ("weight", "bias")
BLOCKS = (2, 2, 3, 3, 3)  # convolutions in each of VGG-Face's blocks
THEIR_MEAN = (129.1863, 104.7624, 93.5940)  # RGB in [0, 255]; VGG-Face reads pixels - mean, ours (pixels - 128) / 128


class VggFace(nn.Module):
    """Thirteen convolutions and one or more full layers, each with ReLU.

    width: channels of the first convolution. full: widths of the full layers. Dropout of one half follows the first of
    them in training.
    """

    def __init__(self, width: int = WIDTH, full: Sequence[int] = (NUM_FEATURES,)) -> None:
        super().__init__()
        self.convs = nn.Sequential(_layers(width))
        widths = (GRID * GRID * GROWTH[-1] * width, *full)
        self.full = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(widths))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> output of the last full layer (N, D)."""
        x = self.convs(crops).flatten(1)
        for number, layer in enumerate(self.full):
            x = F.relu(layer(x))
            x = F.dropout(x, 0.5, self.training) if number == 0 else x
        return x

    def load_vgg_face(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the convolutions of VGG-Face from its PyTorch port.

        tensors: `conv1_1.weight` ... `conv5_3.bias` -> float tensor of its layer's shape. The first convolution is
        rescaled, because our crops are normalised differently; the padding of a crop is grey for ours, the mean face
        for theirs. Raises KeyError or RuntimeError if the tensors do not fit.
        """
        named = {f"conv_{n}": f"conv{block}_{i}" for n, (block, i) in enumerate(_places(), 1)}
        ours = {f"{name}.{kind}": tensors[f"{theirs}.{kind}"] for name, theirs in named.items() for kind in KINDS}
        weight, mean = ours["conv_1.weight"], torch.tensor(THEIR_MEAN)
        ours["conv_1.bias"] = ours["conv_1.bias"] + (weight.sum((2, 3)) * (128 - mean)).sum(1)
        ours["conv_1.weight"] = 128 * weight
        self.convs.load_state_dict(ours)


def _places() -> list[tuple[int, int]]:
    """Return (block, number within the block) of each convolution, counted from 1."""
    return [(block, i) for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1)]


def _layers(width: int) -> OrderedDict[str, nn.Module]:
    layers, before = OrderedDict[str, nn.Module](), 3
    for number, growth in enumerate(GROWTH, 1):
        layers[f"conv_{number}"] = nn.Conv2d(before, growth * width, 3, padding=1)
        layers[f"relu_{number}"] = nn.ReLU(inplace=True)
        if number in POOLED:
            layers[f"pool_{number}"] = nn.MaxPool2d(2)
        before = growth * width
    return layers


def named(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]] = ()) -> dict[str, Tensor]:
    """Return TensorFlow's variables of a network with this trunk under our names; our own names stay.

    tensors: name -> float tensor in TensorFlow's or in our layout; table: renames of the other layers. The first full
    layer of theirs reads maps (H, W, C), ours maps (C, H, W).
    """
    made = from_tensorflow(tensors, (*TABLE, *table))
    if FIRST in made and FIRST not in tensors and made[FIRST].shape[-1] % GRID**2 == 0:
        made[FIRST] = made[FIRST].unflatten(1, (GRID, GRID, -1)).permute(0, 3, 1, 2).flatten(1)
    return made


def implied_options(tensors: Mapping[str, Tensor], trunk: str = "trunk") -> dict[str, int]:
    """Return the options `width` and `num_features` that the tensors of a network with this trunk imply.

    tensors: name -> float tensor of its layer's shape, the trunk's under the prefix `trunk`.
    """
    sizes = {"width": f"{trunk}.convs.conv_1.weight", "num_features": f"{trunk}.full.0.weight"}
    return {option: len(tensors[name]) for option, name in sizes.items() if name in tensors}
