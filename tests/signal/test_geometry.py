"""Overlap of boxes, similarity of landmarks, resampling, shot cuts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform
from torchvision.ops import box_iou

from avfer.signal.cuts import is_cut, thumbnail
from avfer.signal.iou import iou, match
from avfer.signal.similarity import ARCFACE, inverse, similarity, warp
from tests.pictures import astronaut, face_at, no_face


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], 1).astype(np.float32)


@given(st.integers(0, 2**32 - 1))
def test_iou_agrees_with_torchvision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = boxes(rng, 5), boxes(rng, 7)
    expected = box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(iou(first, second), expected, atol=1e-5)


def test_empty_and_flat_boxes_overlap_with_nothing() -> None:
    assert iou(np.zeros((0, 4)), np.ones((2, 4))).shape == (0, 2)
    assert iou(np.array([[1, 1, 1, 1]]), np.array([[0, 0, 2, 2]]))[0, 0] == 0


def test_matching_takes_the_best_total_and_drops_weak_pairs() -> None:
    first = np.array([[0, 0, 10, 10], [100, 0, 110, 10]], np.float32)
    second = np.array([[101, 0, 111, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert match(first, second, 0.3) == [(0, 1), (1, 0)]
    assert match(first, second, 0.95) == []


@given(st.floats(-3, 3), st.floats(0.2, 5), st.floats(-100, 100), st.floats(-100, 100))
def test_a_known_similarity_is_recovered(turn: float, scale: float, x: float, y: float) -> None:
    points = np.array(ARCFACE) * 50
    truth = SimilarityTransform(scale=scale, rotation=turn, translation=(x, y))
    found = similarity(points[None], truth(points))[0]
    np.testing.assert_allclose(found, truth.params[:2], atol=1e-6)
    np.testing.assert_allclose(inverse(found[None])[0], np.linalg.inv(truth.params)[:2], atol=1e-4)


def test_least_squares_agree_with_scikit_image_on_noisy_points() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(5, 2)) * 40, np.array(ARCFACE) * 112
    expected = SimilarityTransform.from_estimate(source, target).params[:2]
    np.testing.assert_allclose(similarity(source[None], target)[0], expected, atol=1e-6)


@pytest.mark.parametrize(("left", "top", "side"), [(100, 40, 64), (0, 0, 48), (464, 464, 48)])
def test_a_shift_alone_cuts_the_very_pixels(left: int, top: int, side: int) -> None:
    picture = torch.from_numpy(astronaut().copy())
    way = np.array([[1.0, 0, left], [0, 1, top]])
    assert torch.equal(warp(picture, way, side), picture[top : top + side, left : left + side])


def test_a_smaller_crop_is_the_mean_of_what_it_shows() -> None:
    picture = torch.zeros((80, 80, 3), dtype=torch.uint8)
    picture[::2, ::2] = 200  # a pattern that plain sampling would miss or exaggerate
    crop = warp(picture, np.array([[8.0, 0, 0], [0, 8, 0]]), 10)
    assert (crop[1:-1, 1:-1].float() - 50).abs().max() <= 2


def test_beyond_the_border_the_nearest_pixel_is_repeated() -> None:
    picture = torch.full((20, 20, 3), 7, dtype=torch.uint8)
    assert (warp(picture, np.array([[1.0, 0, -50], [0, 1, 300]]), 16) == 7).all()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (face_at(0), no_face(), True),
        (face_at(0), face_at(6, 4), False),  # motion
        (face_at(0), (face_at(0) * 0.85).astype(np.uint8), False),  # a lamp
        (np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 255, np.uint8), True),
    ],
)
def test_a_cut_is_a_change_of_places_and_of_brightness(before: np.ndarray, after: np.ndarray, expected: bool) -> None:
    assert is_cut(*(thumbnail(torch.from_numpy(p.copy())) for p in (before, after))) is expected
