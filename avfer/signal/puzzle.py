"""Jigsaw puzzles of images: cut into tiles, shuffle them, and restore the image.

Tiles are numbered row by row from the top left. `order` is the target of a network that solves the puzzle: position i
of the shuffled image shows tile order[i].
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def random_orders(n: int, grid: int, random: torch.Generator | None = None) -> Tensor:
    """Draw uniform random permutations for n images of grid x grid tiles: (N, grid²) int64, N = n."""
    return torch.rand(n, grid * grid, generator=random).argsort(1)


def puzzle(pictures: Tensor, order: Tensor) -> Tensor:
    """Shuffle the tiles of each image.   pictures: (N, C, S, S), order: (N, grid²) int64 -> (N, C, S, S)

    If the grid does not divide the side S, the image is first enlarged by bilinear resizing (224 px to 225 px for a
    grid of 3 x 3), and the shuffled image is resized back to S.
    """
    side, grid = pictures.shape[-1], round(order.shape[1] ** 0.5)
    longer = -(-side // grid) * grid
    tiles = _cut(_resized(pictures, longer), grid)
    chosen = order.to(tiles.device)[..., None, None, None].expand_as(tiles)
    return _resized(_assembled(tiles.gather(1, chosen), grid), side)


def unpuzzle(pictures: Tensor, order: Tensor) -> Tensor:
    """Undo `puzzle` for the same order.   pictures: (N, C, S, S), order: (N, grid²) int64 -> (N, C, S, S)"""
    return puzzle(pictures, order.argsort(1))


def _cut(pictures: Tensor, grid: int) -> Tensor:
    """(N, C, S, S) -> (N, grid², C, S / grid, S / grid)."""
    n, channels, side, _ = pictures.shape
    tiles = pictures.reshape(n, channels, grid, side // grid, grid, side // grid)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(n, grid * grid, channels, side // grid, side // grid)


def _assembled(tiles: Tensor, grid: int) -> Tensor:
    """(N, grid², C, T, T) -> (N, C, grid T, grid T)."""
    n, _, channels, side, _ = tiles.shape
    rows = tiles.reshape(n, grid, grid, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(n, channels, grid * side, grid * side)


def _resized(pictures: Tensor, side: int) -> Tensor:
    """(N, C, S, S) -> (N, C, side, side)."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)
