"""Super-resolution: pictures made two or four times as large, sharper than by interpolation."""

from typing import Literal

from torch import Tensor, nn

WIDTH, BLOCKS = 64, 16
Scale = Literal[2, 4]
DOUBLINGS: dict[Scale, int] = {2: 1, 4: 2}
RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of the pictures that the authors trained on, in [0, 1]


class Residual(nn.Module):
    """(N, 64, H, W) -> the same."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(WIDTH, WIDTH), nn.ReLU(), _convolution(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Edsr(nn.Module):
    """The EDSR baseline, (N, 3, H, W) -> (N, 3, scale * H, scale * W), without its shift of the mean.

    Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR workshops 2017. The authors
    trained it on pixels in [0, 255] less 255 times RGB_MEAN. Where `statistics` are given, mean and std of pictures
    that were normalised from [0, 1], it is run in that range; without, on what comes in.
    """

    def __init__(self, scale: Scale = 2, statistics: tuple[list[float], list[float]] | None = None) -> None:
        super().__init__()
        self.scale: Scale = scale
        self.head = nn.Sequential(_convolution(3, WIDTH))
        self.body = nn.Sequential(*(Residual() for _ in range(BLOCKS)), _convolution(WIDTH, WIDTH))
        enlarge: list[nn.Module] = []
        for _ in range(DOUBLINGS[scale]):
            enlarge += [_convolution(WIDTH, 4 * WIDTH), nn.PixelShuffle(2)]
        self.tail = nn.Sequential(nn.Sequential(*enlarge), _convolution(WIDTH, 3))
        self.statistics = statistics

    def start_from(self, tensors: dict[str, Tensor]) -> None:
        """Take over weights of the EDSR authors for the same scale; their shift of the mean is left out."""
        self.load_state_dict({n: t for n, t in tensors.items() if not n.startswith(("sub_mean.", "add_mean."))})

    def forward(self, pictures: Tensor) -> Tensor:
        if self.statistics is None:
            return self._enlarged(pictures)
        mean, std, trained = (pictures.new_tensor(x)[:, None, None] for x in (*self.statistics, RGB_MEAN))
        pixels = 255 * (pictures * std + mean - trained)
        return (self._enlarged(pixels) / 255 + trained - mean) / std

    def _enlarged(self, pictures: Tensor) -> Tensor:
        x = self.head(pictures)
        return self.tail(x + self.body(x))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
