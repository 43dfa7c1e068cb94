"""Expressions of the photographed face: the movement of its points, the brightness of the skin, and action units."""

import numpy as np
import torch
from skimage import data

from tools.demo_face import MOVES, POINTS, TEETH, painted, portrait, relaxed

Moves = list[tuple[float, float]]

# Displacement of each point (px of the portrait) from neutral to full strength, from the viewer's left to right.
ADDED: dict[str, dict[str, Moves]] = {
    "sadness": {
        "brows": [(0, 2.4), (0, 1), (0.8, -2.4), (1.6, -5), (-1.6, -5), (-0.8, -2.4), (0, 1), (0, 2.4)],
        "upper_lids": [(0, 1.6), (0, 1.4), (0, 0.2), (0, 0.2), (0, 1.4), (0, 1.6)],
        "lower_lids": [(0, -0.4)] * 6,
        "corners": [(-1.5, 6), (1.5, 6)],
        "upper_outer": [(-0.4, 3), (0, 0.4), (0, -0.6), (0, 0.4), (0.4, 3)],
        "upper_inner": [(-0.4, 3), (0, 0.5), (0, -0.6), (0, 0.5), (0.4, 3)],
        "lower_inner": [(-0.4, 3), (0, 0.4), (0, -0.8), (0, 0.4), (0.4, 3)],
        "lower_outer": [(-0.4, 3.4), (0, 0.8), (0, -0.2), (0, 0.8), (0.4, 3.4)],
        "chin": [(0, -0.6), (0, -1.2), (0, -0.6), (0, -2.4)],
    },
    "anger": {
        "brows": [(1, 1), (1.4, 2.6), (2, 4.2), (3, 5.6), (-3, 5.6), (-2, 4.2), (-1.4, 2.6), (-1, 1)],
        "upper_lids": [(0, 0.6), (0, 1.2), (0, 1.4), (0, 1.4), (0, 1.2), (0, 0.6)],
        "lower_lids": [(0, -1.6)] * 6,
        "corners": [(0.4, 0.6), (-0.4, 0.6)],
        "upper_outer": [(0, 0.3), (0, 0.9), (0, 1), (0, 0.9), (0, 0.3)],
        "lower_outer": [(0, -0.4), (0, -1.2), (0, -1.4), (0, -1.2), (0, -0.4)],
        "chin": [(0, -1)] * 4,
        "nose": [(0, 1), (-1.4, -0.4), (0, 0), (1.4, -0.4), (0, 0.4)],
    },
    "fear": {
        "brows": [(0, -2), (0.6, -4), (1.4, -6), (2.4, -7), (-2.4, -7), (-1.4, -6), (-0.6, -4), (0, -2)],
        "upper_lids": [(0, -1.8), (0, -2.4), (0, -1.8)] * 2,
        "lower_lids": [(0, -0.6)] * 6,
        "corners": [(-5, 4.5), (5, 4.5)],
        "upper_outer": [(-4, 2.4), (-2, 0.4), (0, 0), (2, 0.4), (4, 2.4)],
        "upper_inner": [(-4, 2.6), (-2, 0.6), (0, 0), (2, 0.6), (4, 2.6)],
        "lower_inner": [(-4, 5), (-2, 5), (0, 4.6), (2, 5), (4, 5)],
        "lower_outer": [(-4, 5), (-2, 5), (0, 4.6), (2, 5), (4, 5)],
        "chin": [(0, 3.6)] * 4,
        "jaw": [(0, 0.6), (0.6, 2), (0, 0.6), (-0.6, 2)],
    },
    "disgust": {
        "brows": [(0.6, 1.6), (0.8, 2.4), (1, 3), (1.2, 3.2), (-1.2, 3.2), (-1, 3), (-0.8, 2.4), (-0.6, 1.6)],
        "upper_lids": [(0, 1)] * 6,
        "lower_lids": [(0, -1.8)] * 6,
        "cheeks": [(0, -2.4), (0, -2.4), (0, -2), (0, -2)],
        "nose": [(0, -1.6), (-1.2, -3.4), (0, -2.6), (1.2, -3.4), (0, -2.4)],
        "corners": [(-0.6, 1.6), (0.6, 1.6)],
        "upper_outer": [(0, -3), (0, -4.6), (0, -4.2), (0, -4.6), (0, -3)],
        "upper_inner": [(0, -2.8), (0, -4.6), (0, -4.4), (0, -4.6), (0, -2.8)],
        "lower_outer": [(0, 1)] * 5,
    },
    "other": {  # lips pushed forward, as if to whistle
        "brows": [(0, -1)] * 8,
        "corners": [(3, 0), (-3, 0)],
        "upper_outer": [(2, -1.4), (1, -2), (0, -2.2), (-1, -2), (-2, -1.4)],
        "upper_inner": [(2, -0.2), (1, -0.6), (0, -0.8), (-1, -0.6), (-2, -0.2)],
        "lower_inner": [(2, 0.6), (1, 1.2), (0, 1.4), (-1, 1.2), (-2, 0.6)],
        "lower_outer": [(2, 2), (1, 3.2), (0, 3.6), (-1, 3.2), (-2, 2)],
        "cheeks": [(1, 0), (-1, 0), (2.4, 0), (-2.4, 0)],
    },
}
EXPRESSIONS = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "other",
)  # order of ABAW
PLEASANT = {"happiness": 1.0, "surprise": 0.2, "sadness": -0.8, "anger": -0.7, "fear": -0.6, "disgust": -0.9}
UNITS = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)
ACTING: dict[str, tuple[int, ...]] = {
    "happiness": (6, 12, 25),
    "sadness": (1, 4, 15),
    "anger": (4, 7, 23, 24),
    "fear": (1, 2, 4, 7, 25),
    "disgust": (4, 7, 10, 25),
    "surprise": (1, 2, 25, 26),
}
JAW = 2.0  # displacements of an open mouth, which `find_speakers` has to notice; 1 is the opening of the demo clip
PARTED, DROPPED = 0.3, 0.7  # opening of a speaking mouth from which AU25 (lips part) and AU26 (jaw drop) occur


class Painter:
    """Draws the face with an expression, a strength and an opening of the mouth."""

    def __init__(self) -> None:
        photograph = data.astronaut()
        self._smile, self._calm = portrait(photograph), portrait(relaxed(photograph))

    def draw(self, expression: str, strength: float, opening: float) -> torch.Tensor:
        """Return a drawing: (3, S, S) float32 in [0, 255].   strength, opening: in [0, 1]"""
        smile = strength if expression == "happiness" else 0.0
        surprise = strength if expression == "surprise" else 0.0
        dark = surprise + (0.6 * strength if expression in {"fear", "other"} else 0.0)
        picture = self._smile * smile + self._calm * (1 - smile)
        teeth = np.array(TEETH) - [0, 2.2 * dark]
        frame = painted(picture, _places(expression, strength, opening), teeth, dark)
        return frame[0].clamp(0, 255)


def units_of(expression: str, strength: float, opening: float) -> list[int]:
    """Return 1 for each of UNITS that occurs, else 0.   strength, opening: in [0, 1]"""
    acting = set(ACTING.get(expression, ())) if strength >= 0.5 else set[int]()
    if opening >= PARTED:
        acting = acting - {24} | {25}  # lips that are parted are not pressed
    if opening >= DROPPED:
        acting |= {26}
    return [int(unit in acting) for unit in UNITS]


def _places(expression: str, strength: float, opening: float) -> dict[str, np.ndarray]:
    """Return the position of every point (px of the portrait), by the name of its group: (n, 2) each."""
    # The portrait smiles. Surprise and happiness are displacements from the portrait, all others from neutral.
    neutral = 1 - strength if expression in {"happiness", "surprise"} else 1.0
    shares = [(MOVES["neutral"], neutral), (MOVES["open"], JAW * opening)]
    shares.append((MOVES["surprise"] if expression == "surprise" else ADDED.get(expression, {}), strength))
    places: dict[str, np.ndarray] = {}
    for name, points in POINTS.items():
        moves = [share * np.array(move[name]) for move, share in shares if name in move]
        places[name] = np.array(points, float) + sum(moves, np.zeros((len(points), 2)))
    # Lips that meet do not pass through each other.
    places["lower_inner"][:, 1] = np.maximum(places["lower_inner"][:, 1], places["upper_inner"][:, 1] + 0.3)
    return places
