"""Plain vision transformers with a fixed position embedding, as masked auto-encoders use them.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; He et al., "Masked Autoencoders", CVPR 2022. Layers are
those of timm.
"""

from collections.abc import Mapping
from functools import partial
from typing import Literal, cast

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

Size = Literal["tiny", "small", "base"]
WIDTHS: dict[Size, int] = {"tiny": 192, "small": 384, "base": 768}
HEAD_WIDTH = 64  # of each attention head of an encoder
DEPTH = 12
SIDE = 224  # px
PARTS = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")  # of an encoder's state dict
Norm = cast(type[nn.LayerNorm], partial(nn.LayerNorm, eps=1e-6))


def encoder(size: Size, patch: int, drop_path: float = 0.0) -> VisionTransformer:
    """Return an encoder, whose `forward_features` turns crops (N, 3, 224, 224) into tokens (N, 1 + P, D).

    The class token is the first. In training a layer is skipped for a crop with a chance that rises from 0 to
    `drop_path` over the depth.
    """
    width = WIDTHS[size]
    network = VisionTransformer(
        img_size=SIDE,
        patch_size=patch,
        num_classes=0,
        embed_dim=width,
        depth=DEPTH,
        num_heads=width // HEAD_WIDTH,
        norm_layer=Norm,
        drop_path_rate=drop_path,
    )
    network.pos_embed = fixed_positions(width, SIDE // patch)
    initialise(network)
    return network


def blocks(width: int, depth: int, num_heads: int) -> nn.Sequential:
    """Return pre-norm transformer blocks, (N, T, D) to (N, T, D)."""
    return nn.Sequential(*(Block(width, num_heads, qkv_bias=True, norm_layer=Norm) for _ in range(depth)))


def fixed_positions(width: int, side: int) -> nn.Parameter:
    """Return the sine-cosine position embedding (1, 1 + side², width) of a class token (zeros) and side x side patches.

    The first half of the width encodes the column, the second the row; in each half sines, then cosines, of
    position / 10000^(4i / width). It is part of the state dict and is not trained.
    """
    frequencies = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * frequencies
    axis = torch.cat([angles.sin(), angles.cos()], 1)  # (side, width / 2)
    grid = torch.cat([axis.repeat(side, 1), axis.repeat_interleave(side, 0)], 1)
    values = torch.cat([torch.zeros(1, width, dtype=torch.float64), grid]).float()
    return nn.Parameter(values[None], requires_grad=False)


def initialise(network: nn.Module) -> None:
    """Set the start values of masked auto-encoders: Xavier for linear layers, small normal values for tokens."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.flatten(1))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, value in network.named_parameters():
        if name.endswith("_token"):
            nn.init.normal_(value, std=0.02)


def patchify(crops: Tensor, patch: int) -> Tensor:
    """Cut crops into patches, row by row; a patch is ordered by rows, columns, channels.

    crops: (N, 3, S, S), patch: px -> (N, P, patch² * 3).
    """
    n, channels, height, width = crops.shape
    tiles = crops.reshape(n, channels, height // patch, patch, width // patch, patch)
    return tiles.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, patch * patch * channels)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """Reverse `patchify` for square pictures. patches: (N, P, patch² * 3) -> (N, 3, S, S)."""
    n, count, values = patches.shape
    side = round(count**0.5)
    tiles = patches.reshape(n, side, side, patch, patch, values // patch**2)
    return tiles.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, side * patch, side * patch)


def implied_options(tensors: Mapping[str, Tensor]) -> dict[str, Size | int]:
    """Return the options `size` and `patch` that an encoder's tensors imply.

    tensors: name -> tensor, with or without the prefix `encoder.`; `patch_embed.proj.weight` is (D, 3, patch, patch).
    """
    options: dict[str, Size | int] = {}
    projection = tensors.get("patch_embed.proj.weight", tensors.get("encoder.patch_embed.proj.weight"))
    if projection is not None and projection.ndim == 4:
        width, patch = projection.shape[0], projection.shape[-1]
        sizes: list[Size] = [size for size in WIDTHS if WIDTHS[size] == width]
        if sizes:
            options["size"] = sizes[0]
        if patch in (16, 32):
            options["patch"] = patch
    return options


def named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with the encoder's parts under `encoder.`; the authors save them without a prefix.

    tensors: name -> tensor of any shape, float or int64.
    """
    return {f"encoder.{name}" if name.startswith(PARTS) else name: value for name, value in tensors.items()}
