"""Dark pictures are brightened before detection, others are not touched."""

import numpy as np
import pytest
import torch

from avfer.signal.exposure import brightened, gain
from tests.pictures import face_at


def dimmed(share: float) -> torch.Tensor:
    return torch.from_numpy((face_at(0) * share).round().astype(np.uint8))


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_a_picture_of_normal_brightness_is_the_same_tensor(share: float) -> None:
    picture = dimmed(share)
    assert gain(picture) == 1.0
    assert brightened(picture, gain(picture)) is picture


@pytest.mark.parametrize("share", [0.25, 0.12, 0.05])
def test_a_dark_picture_regains_its_brightness(share: float) -> None:
    picture = dimmed(share)
    raised = brightened(picture, gain(picture)).float()
    assert raised.mean() == pytest.approx(face_at(0).mean(), rel=0.15)


def test_a_black_picture_and_a_dark_one_with_a_lamp_are_left_as_they_are() -> None:
    lamp = dimmed(0.1)
    lamp[20:60, 20:60] = 250
    for picture in (torch.zeros(90, 160, 3, dtype=torch.uint8), torch.full((9, 9, 3), 2, dtype=torch.uint8), lamp):
        assert gain(picture) == 1.0


def test_a_picture_without_pixels_has_no_gain() -> None:
    assert gain(torch.zeros(0, 0, 3, dtype=torch.uint8)) == 1.0


@pytest.mark.parametrize(("level", "expected"), [(3, 1.0), (4, 57.5), (95, 230 / 95), (96, 1.0)])
def test_pictures_from_black_to_dark_are_raised(level: int, expected: float) -> None:
    assert gain(torch.full((90, 160, 3), level, dtype=torch.uint8)) == pytest.approx(expected)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_brightness_is_the_mean_of_all_three_colours(channel: int) -> None:
    picture = torch.zeros(90, 160, 3, dtype=torch.uint8)
    picture[..., channel] = 120
    assert gain(picture) == pytest.approx(230 / 40)


def test_raised_pixels_are_rounded_and_stay_below_256() -> None:
    pixels = torch.tensor([1, 3, 100, 200, 255], dtype=torch.uint8)
    assert brightened(pixels, 1.25).tolist() == [1, 4, 125, 250, 255]
    assert brightened(pixels, 2.6).tolist() == [3, 8, 255, 255, 255]
