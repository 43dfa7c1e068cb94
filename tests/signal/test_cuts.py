"""Shot cuts between neighbouring frames."""

import numpy as np
import pytest
import torch

from avfer.signal.cuts import is_cut, thumbnail
from tests.pictures import face_at, no_face


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
