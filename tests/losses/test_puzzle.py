"""Puzzles: tiles shuffled and restored."""

import pytest
import torch
import torch.nn.functional as F

from avfer.losses.hmtl_losses import puzzle, random_orders


def tiles_of_one_colour(grid: int, side: int) -> torch.Tensor:
    """(1, 1, S, S), tile i of the value i."""
    rows = torch.arange(side) * grid // side
    return (rows[:, None] * grid + rows[None, :])[None, None].float()


@pytest.mark.parametrize(("grid", "side"), [(2, 224), (2, 64), (3, 225), (3, 129)])
def test_the_inverse_order_restores_the_image_exactly(grid, side):
    random = torch.Generator().manual_seed(0)
    pictures = torch.randn(3, 3, side, side, generator=random)
    order = random_orders(3, grid, random)
    assert not torch.equal(puzzle(pictures, order), pictures)
    assert torch.equal(puzzle(puzzle(pictures, order), order.argsort(1)), pictures)
    assert torch.equal(puzzle(pictures, torch.arange(grid**2).expand(3, -1)), pictures)


@pytest.mark.parametrize(("grid", "side"), [(2, 112), (3, 225)])
def test_the_order_holds_the_number_of_the_tile_at_each_position(grid, side):
    order = random_orders(1, grid, torch.Generator().manual_seed(4))
    shown = puzzle(tiles_of_one_colour(grid, side), order)
    step = side // grid
    assert shown[0, 0, step // 2 :: step, step // 2 :: step].flatten().tolist() == order[0].tolist()


def test_a_side_that_the_grid_does_not_divide_is_kept():
    order = random_orders(2, 3, torch.Generator().manual_seed(0))
    smooth = torch.linspace(0, 1, 224).expand(2, 3, 224, 224)
    assert puzzle(smooth, order).shape == smooth.shape
    longer = F.interpolate(smooth, (225, 225), mode="bilinear")
    wanted = F.interpolate(puzzle(longer, order), (224, 224), mode="bilinear")
    assert torch.allclose(puzzle(smooth, order), wanted)


def test_orders_are_permutations_that_differ():
    orders = random_orders(50, 3, torch.Generator().manual_seed(0))
    assert torch.equal(orders.sort(1).values, torch.arange(9).expand(50, -1))
    assert len({tuple(row) for row in orders.tolist()}) > 45
