"""Where the panel with the values of a face is drawn: beside the face, where it covers neither a face nor a panel."""

from typing import NamedTuple

import numpy as np

SEARCHED = 16  # faces and panels up to which the whole picture is searched

Size = tuple[float, float]  # width and height in px


class _Place(NamedTuple):
    """A place for a panel, and how much it covers."""

    covered: tuple[int, int]  # px of faces, and of other panels
    corner: tuple[float, float]  # (x, y) px, upper left


def place_panel(
    face: np.ndarray, size: Size, canvas: Size, faces: np.ndarray, panels: np.ndarray, gap: float
) -> tuple[float, float]:
    """Return the upper left corner (x, y) px of a panel, inside the picture if that is large enough.

    face: (4,) xyxy px, the box that the panel belongs to; size, canvas: of the panel and of the picture; faces, panels:
    (N, 4) and (M, 4) xyxy px, all faces of the picture, and the panels that have a place; gap: px between the panel
    and the face.

    The places below, above, to the right and to the left of the face are tried in this order, then the nearest place
    between up to SEARCHED faces and panels. Where none is free, the panel covers as little of faces as possible, then
    of panels.
    """
    near = _places_beside(face, size, gap)
    found = _least_covered(near, np.arange(len(near)), size, canvas, faces, panels)
    if found.covered == (0, 0) or len(faces) + len(panels) > SEARCHED:
        return found.corner
    between = _places_between(np.concatenate([faces, panels]), size)
    distances = np.hypot(*(between + np.array(size) / 2 - (face[:2] + face[2:]) / 2).T)
    return min(found, _least_covered(between, distances, size, canvas, faces, panels), key=_covered).corner


def _covered(place: _Place) -> tuple[int, int]:
    return place.covered


def _places_beside(face: np.ndarray, size: Size, gap: float) -> np.ndarray:
    """Return places around a face in the order of preference, (8, 2) px."""
    (left, top, right, bottom), (width, height) = face.tolist(), size
    above, below = top - gap - height, bottom + gap
    before, behind = left - gap - width, right + gap
    rows = [(x, y) for y in (below, above) for x in (left, right - width)]
    columns = [(x, y) for x in (behind, before) for y in (top, bottom - height)]
    return np.array([*rows, *columns])


def _places_between(boxes: np.ndarray, size: Size) -> np.ndarray:
    """Return places that touch boxes or the edges of the picture: (K, 2) px.

    If any place in the picture is free, then one of these is: a free panel can be moved to the left and then up, until
    a box or the edge stops it.   boxes: (N, 4) xyxy px
    """
    x = np.concatenate([[0.0, np.inf], boxes[:, 2], boxes[:, 0] - size[0]])
    y = np.concatenate([[0.0, np.inf], boxes[:, 3], boxes[:, 1] - size[1]])
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _least_covered(
    places: np.ndarray, ranks: np.ndarray, size: Size, canvas: Size, faces: np.ndarray, panels: np.ndarray
) -> _Place:
    """Return the place, moved into the picture, that covers least of faces, then of panels, then has the lowest rank.

    places: (K, 2) px; ranks: (K,)
    """
    corners = np.clip(places, 0, np.maximum(np.subtract(canvas, size), 0))
    on_faces, on_panels = _covered_areas(corners, size, faces), _covered_areas(corners, size, panels)
    best = np.lexsort((ranks, on_panels, on_faces))[0]
    x, y = corners[best].tolist()
    return _Place((int(on_faces[best]), int(on_panels[best])), (x, y))


def _covered_areas(corners: np.ndarray, size: Size, boxes: np.ndarray) -> np.ndarray:
    """Return how many px of boxes a panel covers at each place: (K, 2), (N, 4) -> (K,) int64."""
    first = np.maximum(corners[:, None], boxes[None, :, :2])
    last = np.minimum(corners[:, None] + np.array(size), boxes[None, :, 2:])
    return np.ceil(np.clip(last - first, 0, None).prod(axis=2).sum(axis=1)).astype(np.int64)
