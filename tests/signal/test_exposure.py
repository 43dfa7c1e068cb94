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
