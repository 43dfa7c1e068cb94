"""The similarity transform between landmarks and a template, and the resampling of crops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform

from avfer.signal.geometry import ARCFACE, inverse, similarity, warp
from tests.pictures import astronaut


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
def test_a_pure_shift_copies_the_pixels(left: int, top: int, side: int) -> None:
    picture = torch.from_numpy(astronaut().copy())
    transform = np.array([[1.0, 0, left], [0, 1, top]])
    assert torch.equal(warp(picture, transform, side), picture[top : top + side, left : left + side])


def test_a_smaller_crop_is_the_mean_of_what_it_shows() -> None:
    picture = torch.zeros((80, 80, 3), dtype=torch.uint8)
    picture[::2, ::2] = 200  # a pattern that plain sampling would miss or exaggerate
    crop = warp(picture, np.array([[8.0, 0, 0], [0, 8, 0]]), 10)
    assert (crop[1:-1, 1:-1].float() - 50).abs().max() <= 2


def test_a_crop_beyond_the_border_repeats_the_nearest_pixel() -> None:
    picture = torch.full((20, 20, 3), 7, dtype=torch.uint8)
    assert (warp(picture, np.array([[1.0, 0, -50], [0, 1, 300]]), 16) == 7).all()
