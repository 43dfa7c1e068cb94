"""AffWildNet as TensorFlow computes it, on variables in its own names and layouts, as the reference of our networks."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Variables = dict[str, Tensor]
BLOCKS = ((1, 3, 2), (2, 4, 2), (3, 6, 2), (4, 3, 1))  # number, units, stride of the last unit
POOLED = (2, 4, 7, 10, 13)


def vgg_variables(width: int, full: list[int]) -> Variables:
    """conv_1 ... conv_13 and the full layers after them, the first of which reads 3 x 3 maps."""
    random = torch.Generator().manual_seed(1)
    made, before = Variables(), 3
    for number, growth in enumerate((1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8), 1):
        _layer(made, f"conv_{number}", (3, 3, before, growth * width), random)
        before = growth * width
    for name, wide in zip(("linear_1", "linear2_1", "linear3_1"), full, strict=False):
        before = 9 * before if name == "linear_1" else before
        _layer(made, name, (before, wide), random)
        before = wide
    return made


def resnet_variables(width: int) -> Variables:
    """resnet_v1_50/... as slim names them."""
    random = torch.Generator().manual_seed(2)
    made, before = Variables(), width
    _normed(made, "resnet_v1_50/conv1", (7, 7, 3, width), random)
    for block, units, _ in BLOCKS:
        inner = width * 2 ** (block - 1)
        for unit in range(1, units + 1):
            scope = f"resnet_v1_50/block{block}/unit_{unit}/bottleneck_v1"
            shapes = {"conv1": (1, 1, before, inner), "conv2": (3, 3, inner, inner), "conv3": (1, 1, inner, 4 * inner)}
            shapes |= {"shortcut": (1, 1, before, 4 * inner)} if unit == 1 else {}
            for name, shape in shapes.items():
                _normed(made, f"{scope}/{name}", shape, random)
            before = 4 * inner
    return made


def gru_variables(scope: str, inputs: int, width: int, output: str) -> Variables:
    """Two cells and the output layer."""
    random = torch.Generator().manual_seed(3)
    made = Variables()
    for cell, rows in ((0, inputs + width), (1, 2 * width)):
        for part, columns in (("gates", 2 * width), ("candidate", width)):
            place = f"{scope}/rnn/multi_rnn_cell/cell_{cell}/gru_cell/{part}"
            made[f"{place}/kernel"] = torch.randn(rows, columns, generator=random) / rows**0.5
            made[f"{place}/bias"] = torch.randn(columns, generator=random)
    made[f"{scope}/weights_{output}"] = torch.randn(width, 2, generator=random)
    made[f"{scope}/biases_{output}"] = torch.randn(2, generator=random)
    return made


def vgg(variables: Variables, crops: Tensor, layers: list[str]) -> Tensor:
    """crops: (N, 96, 96, 3) -> (N, D), with ReLU after each layer."""
    x = crops.permute(0, 3, 1, 2)
    for number in range(1, 14):
        x = F.relu(_same(x, variables[f"conv_{number}/weights"], variables[f"conv_{number}/biases"]))
        x = F.max_pool2d(x, 2) if number in POOLED else x
    x = x.permute(0, 2, 3, 1).flatten(1)  # height, width, channel
    for layer in layers:
        x = F.relu(x @ variables[f"{layer}/weights"] + variables[f"{layer}/biases"])
    return x


def resnet(variables: Variables, crops: Tensor) -> Tensor:
    """crops: (N, 96, 96, 3) -> (N, D), slim's resnet_v1_50 with its mean over the map."""
    scope = "resnet_v1_50"
    x = F.relu(_normalised(variables, f"{scope}/conv1", crops.permute(0, 3, 1, 2), 2))
    x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)  # SAME of 48: one more at the end
    for block, units, stride in BLOCKS:
        for unit in range(1, units + 1):
            x = _bottleneck(variables, f"{scope}/block{block}/unit_{unit}/bottleneck_v1", x, stride * (unit == units))
    return x.mean((2, 3))


def gru(variables: Variables, scope: str, x: np.ndarray, output: str) -> np.ndarray:
    """x: (B, T, D) -> valence and arousal (B, T, 2); h' = u h + (1 - u) c, r before the recurrent matrix."""
    place = f"{scope}/rnn/multi_rnn_cell/cell_{{}}/gru_cell/{{}}/{{}}"
    for cell in (0, 1):
        gates, gates_bias, candidate, candidate_bias = (
            variables[place.format(cell, part, kind)].double().numpy()
            for part in ("gates", "candidate")
            for kind in ("kernel", "bias")
        )
        width = len(candidate_bias)
        hidden, outputs = np.zeros((len(x), width)), []
        for now in np.moveaxis(x, 1, 0):
            both = 1 / (1 + np.exp(-(np.concatenate([now, hidden], 1) @ gates + gates_bias)))
            reset, update = both[:, :width], both[:, width:]
            wanted = np.tanh(np.concatenate([now, reset * hidden], 1) @ candidate + candidate_bias)
            hidden = update * hidden + (1 - update) * wanted
            outputs.append(hidden)
        x = np.stack(outputs, 1)
    return x @ variables[f"{scope}/weights_{output}"].numpy() + variables[f"{scope}/biases_{output}"].numpy()


def _layer(made: Variables, name: str, shape: tuple[int, ...], random: torch.Generator) -> None:
    made[f"{name}/weights"] = torch.randn(shape, generator=random) * (2 / np.prod(shape[:-1])) ** 0.5
    made[f"{name}/biases"] = torch.randn(shape[-1], generator=random) / 10


def _normed(made: Variables, name: str, shape: tuple[int, ...], random: torch.Generator) -> None:
    made[f"{name}/weights"] = torch.randn(shape, generator=random) / np.prod(shape[:-1]) ** 0.5
    for part, middle in (("gamma", 1.0), ("beta", 0.0), ("moving_mean", 0.0), ("moving_variance", 1.0)):
        made[f"{name}/BatchNorm/{part}"] = middle + 0.4 * torch.rand(shape[-1], generator=random)


def _same(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """slim's conv2d_same: with a stride, padding that does not depend on the size."""
    size = kernel.shape[0]
    before = (size - 1) // 2
    x = F.pad(x, (before, size - 1 - before) * 2)
    return F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, stride)


def _normalised(variables: Variables, name: str, x: Tensor, stride: int = 1) -> Tensor:
    x = _same(x, variables[f"{name}/weights"], None, stride)
    parts = (variables[f"{name}/BatchNorm/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta"))
    return F.batch_norm(x, *parts, eps=1e-5)


def _bottleneck(variables: Variables, scope: str, x: Tensor, stride: int) -> Tensor:
    stride = max(stride, 1)
    if f"{scope}/shortcut/weights" in variables:
        beside = _normalised(variables, f"{scope}/shortcut", x, stride)
    else:
        beside = x[:, :, ::stride, ::stride]
    y = F.relu(_normalised(variables, f"{scope}/conv1", x))
    y = F.relu(_normalised(variables, f"{scope}/conv2", y, stride))
    return F.relu(beside + _normalised(variables, f"{scope}/conv3", y))
