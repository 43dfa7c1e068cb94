"""Overlap of boxes, against torchvision."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from avfer.signal.geometry import best_pairs, drop_duplicates, intersection_over_smaller, iou, match_boxes


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], 1).astype(np.float32)


@given(st.integers(0, 2**32 - 1))
def test_iou_agrees_with_torchvision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_boxes(rng, 5), random_boxes(rng, 7)
    expected = box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(iou(first, second), expected, atol=1e-5)


def test_empty_and_flat_boxes_overlap_with_nothing() -> None:
    assert iou(np.zeros((0, 4)), np.ones((2, 4))).shape == (0, 2)
    flat = np.array([[1, 1, 1, 1]])
    assert iou(flat, np.array([[0, 0, 2, 2]]))[0, 0] == 0
    assert iou(flat, flat)[0, 0] == 0


def test_matching_takes_the_best_total_and_drops_weak_pairs() -> None:
    first = np.array([[0, 0, 10, 10], [100, 0, 110, 10]], np.float32)
    second = np.array([[101, 0, 111, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert match_boxes(first, second, 0.3) == [(0, 1), (1, 0)]
    assert match_boxes(first, second, 0.95) == []


def test_boxes_that_overlap_by_just_the_limit_belong_together() -> None:
    assert match_boxes(np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 5]]), 0.5) == [(0, 0)]


def test_intersection_over_smaller_is_the_shared_part_of_the_smaller_box() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 5, 5]])
    others = torch.tensor([[2.0, 2, 6, 6], [6, 0, 26, 20], [12, 12, 20, 20]])
    assert intersection_over_smaller(boxes, others).tolist() == [[1.0, pytest.approx(0.4), 0.0], [0.0, 0.0, 0.0]]


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(0, 4))
def test_best_pairs_are_those_of_scipy_also_for_equal_sums(seed: int, rows: int, columns: int) -> None:
    values = np.random.default_rng(seed).integers(0, 3, (rows, columns)).astype(float)
    assert best_pairs(values) == list(zip(*map(np.ndarray.tolist, linear_sum_assignment(-values)), strict=True))


def test_the_best_pairs_of_few_boxes_need_no_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)  # an import raises
    assert best_pairs(np.array([[0.9, 0.8], [0.7, 0.0]])) == [(0, 1), (1, 0)]
    assert best_pairs(np.array([[0.2, 0.0], [0.9, 0.8], [0.7, 0.0]])) == [(1, 1), (2, 0)]


def test_of_two_boxes_one_inside_the_other_the_better_is_kept() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [2, 2, 6, 6], [20, 0, 30, 10]])
    assert drop_duplicates(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.7).tolist() == [1, 2]


def test_equally_good_boxes_that_cover_each_other_up_to_the_limit_are_all_kept_in_order() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [12, 0, 22, 10]])
    assert drop_duplicates(boxes, torch.tensor([0.9, 0.9, 0.9]), 0.5).tolist() == [0, 1, 2]
    assert drop_duplicates(boxes, torch.tensor([0.9, 0.9, 0.9]), 0.4).tolist() == [0, 2]
    assert drop_duplicates(boxes[:0], torch.zeros(0), 0.5).tolist() == []
