"""Dark pictures are brightened both where faces are searched for and where they are refined."""

import numpy as np
import torch

from avfer.signal.geometry import ARCFACE
from avfer.stages.detect import search
from avfer.stages.frame_search import SearchableFrames
from tests.toy_detector import SIDE, Squares, corners, squares_clip

FRAME = 10  # with two squares
CORNERS = np.array(corners(FRAME), np.float32)
BOXES = np.hstack([CORNERS, CORNERS + SIDE])
DARK = torch.from_numpy((squares_clip(FRAME + 1)[FRAME] * 0.25).round().astype(np.uint8))  # too dark for the detector


def test_the_detector_alone_finds_nothing_in_the_dark() -> None:
    assert len(Squares().search(DARK, 40.0)[0]) == 0


def test_faces_are_searched_for_in_a_brightened_picture() -> None:
    boxes, scores = search(Squares(), DARK, 40.0, 0.8)
    np.testing.assert_array_equal(boxes[np.argsort(boxes[:, 0])], BOXES)
    assert len(scores) == len(CORNERS)


def test_faces_are_refined_in_a_brightened_picture() -> None:
    clip = SearchableFrames(lambda _: DARK, Squares(), min_size=40.0, min_score=0.8)
    found = clip.refine(np.full(len(BOXES), FRAME), BOXES + [-4, -4, 4, 4])
    assert (found.scores > 0.6).all()
    np.testing.assert_allclose(found.boxes, BOXES, atol=1.5)
    np.testing.assert_allclose(found.landmarks, CORNERS[:, None] + np.array(ARCFACE) * SIDE, atol=1.5)
