"""ResNet-50 as TensorFlow's slim has it: a block shrinks the map in its last unit, not in its first."""

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

DEPTHS, WIDTH = (3, 4, 6, 3), 64
TABLE = (  # TensorFlow's names, any scope before them
    (r"(?:.*/)?resnet_v1_50/block(\d)/unit_(\d)/bottleneck_v1/", r"trunk.block\1.unit_\2."),
    (r"(?:.*/)?resnet_v1_50/", r"trunk."),
    (r"(.*\.)conv(\d)/BatchNorm\.", r"\1bn\2."),
    (r"(.*\.)shortcut/BatchNorm\.", r"\1downsample.1."),
    (r"(.*\.)shortcut\.", r"\1downsample.0."),
)


class SlimResNet50(nn.Module):
    """ResNet-v1-50 (He et al., CVPR 2016) of TF-slim without its classifier: (N, 3, S, S) -> (N, 32 * width).

    S is even. Where a map shrinks without a change of width the shortcut drops every other pixel. Padding lies
    outside on both sides, but for the pooling after the first convolution: there at the end alone.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)  # on even sides the same as SAME
        for number, depth in enumerate(DEPTHS):
            before = 4 * width * 2 ** (number - 1) if number else width
            self.add_module(f"block{number + 1}", _block(before, width * 2**number, depth, stride=1 + (number < 3)))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.003

    def forward(self, crops: Tensor) -> Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(crops))))
        for number in range(len(DEPTHS)):
            x = self.get_submodule(f"block{number + 1}")(x)
        return x.mean((2, 3))


def _block(before: int, width: int, depth: int, stride: int) -> nn.Sequential:
    wide = width * Bottleneck.expansion
    project = nn.Sequential(nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide))
    units = OrderedDict[str, nn.Module](unit_1=Bottleneck(before, width, downsample=project))
    for number in range(2, depth):
        units[f"unit_{number}"] = Bottleneck(wide, width)
    thin = nn.MaxPool2d(1, stride) if stride > 1 else None
    units[f"unit_{depth}"] = Bottleneck(wide, width, stride, thin)
    return nn.Sequential(units)
