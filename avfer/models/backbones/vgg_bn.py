"""The convolutional layers of VGG-16 with batch norms, and where they may be cut in two."""

from torch import nn

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: max pool
CONVOLUTIONS = 13
LEAST = 32  # px, side of a picture of which something is left after all pools
CUTS = (3, 6, 10, 14, 17, 20, 24, 27, 30, 34, 37)  # layers before the cut, after 1, 2, ... convolutions


def layers() -> nn.Sequential:
    """(N, 3, S, S) -> (N, 512, S / 32, S / 32), in the 44 layers of torchvision's `vgg16_bn().features`.

    Simonyan and Zisserman, arXiv 1409.1556.
    """
    built, inputs = list[nn.Module](), 3
    for width in WIDTHS:
        built += _convolution(inputs, width) if width else [nn.MaxPool2d(2)]
        inputs = width or inputs
    return nn.Sequential(*built)


def _convolution(inputs: int, width: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, width, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
