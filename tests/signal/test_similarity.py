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


@pytest.mark.parametrize(("scale", "tolerance"), [(2, 31), (8, 2)])
def test_a_smaller_crop_is_the_mean_of_what_it_shows(scale: int, tolerance: int) -> None:
    picture = torch.zeros((80, 80, 3), dtype=torch.uint8)
    picture[::4] = 240  # lines that plain sampling would miss or exaggerate: it shows 0 and 120
    crop = warp(picture, np.array([[scale, 0, 0], [0, scale, 0]], float), 80 // scale)
    assert (crop[1:-1, 1:-1].float() - 60).abs().max() <= tolerance


@pytest.mark.parametrize(("turn", "scale"), [(0.5, 1.0), (-1.2, 0.4), (np.pi / 2, 1.0), (2.8, 0.7), (0.4, 3.0)])
def test_a_turned_crop_shows_each_place_that_the_transform_names(turn: float, scale: float) -> None:
    y, x = torch.meshgrid(torch.arange(240), torch.arange(240), indexing="ij")
    picture = torch.stack([x, y, 0 * x], 2).to(torch.uint8)  # each pixel states where it is
    across, down = scale * np.cos(turn), scale * np.sin(turn)
    to_picture = np.array([[across, -down, 0.0], [down, across, 0.0]])
    to_picture[:, 2] = 120 - to_picture[:, :2] @ [15, 15]  # the centre of the crop is that of the picture
    centres = np.stack([*np.mgrid[:30, :30][::-1] + 0.5, np.ones((30, 30))], 2)
    expected = centres @ to_picture.T - 0.5
    np.testing.assert_allclose(warp(picture, to_picture, 30)[..., :2].numpy(), expected, atol=0.75)


def test_a_crop_beyond_the_border_repeats_the_nearest_pixel() -> None:
    picture = torch.full((20, 20, 3), 7, dtype=torch.uint8)
    assert (warp(picture, np.array([[1.0, 0, -50], [0, 1, 300]]), 16) == 7).all()
