"""The ten votes of FER+ (Barsoum et al., 2016), and the rules that make one expression of them."""

from typing import Literal

import numpy as np

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
COLUMNS = (*CLASSES, "unknown", "not_a_face")
Rule = Literal["majority", "plurality"]
TOLD: dict[Rule, str] = {
    "majority": "single votes set aside, then more than half of all that are left; unknown and not-a-face dropped",
    "plurality": "the most votes, ties to the first column; unknown and not-a-face dropped",
}


def choose(votes: np.ndarray, rule: Rule) -> np.ndarray:
    """(N,) int64, the index in `CLASSES` that a rule makes of each row, or -1 for none.   votes: (N, 10)"""
    counted = np.where(votes > 1, votes, 0) if rule == "majority" else votes
    winner, most = counted.argmax(1), counted.max(1)
    kept = (winner < len(CLASSES)) & (most > 0)
    if rule == "majority":
        kept &= 2 * most > counted.sum(1)
    return np.where(kept, winner, -1)
