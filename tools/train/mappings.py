"""Published mappings from expressions to valence, arousal and action units: the weak supervision of the affect heads.

The faces have neither ratings of valence and arousal nor codings of action units. Their targets are the means of the
tables below, weighted by the crowd votes. Values marked "recalled" are quoted from memory; the others were checked.
"""

import numpy as np

from tools.train.ferplus import CLASSES

# Pleasure and arousal of emotion terms: Russell and Mehrabian 1977, "Evidence for a three-factor theory of emotions",
# Journal of Research in Personality 11, 273-294 (angry, disgusted, fearful, happy, sad, surprised; agrees with a
# public transcription of its list). Neutral is the origin by definition. The transcription lacks contempt: its
# value is our choice, between neutral and disgust.
VALENCE_AROUSAL = {
    "neutral": (0.0, 0.0),
    "happiness": (0.81, 0.51),
    "surprise": (0.40, 0.67),
    "sadness": (-0.63, -0.27),
    "anger": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "contempt": (-0.45, 0.20),
}

# Action units of an expression and the share of people who show them: Du, Tao and Martinez 2014, "Compound facial
# expressions of emotion", PNAS 111(15) E1454, table 1 (recalled). The table marks units that more than 70 % showed as
# prototypical, without a number: 0.85 here, the middle. Contempt: AU14 and AU12 on one side of the face, after EMFACS
# (Friesen and Ekman 1983; recalled; shares are our choice). AU11 is left out, as only one class has it.
PROTOTYPICAL = 0.85
ACTION_UNIT_SHARES: dict[str, dict[int, float]] = {
    "neutral": {},
    "happiness": {12: PROTOTYPICAL, 25: PROTOTYPICAL, 6: 0.51},
    "surprise": {1: PROTOTYPICAL, 2: PROTOTYPICAL, 25: PROTOTYPICAL, 26: PROTOTYPICAL, 5: 0.66},
    "sadness": {4: PROTOTYPICAL, 15: PROTOTYPICAL, 1: 0.60, 6: 0.50, 17: 0.67},
    "anger": {4: PROTOTYPICAL, 7: PROTOTYPICAL, 24: PROTOTYPICAL, 10: 0.26, 17: 0.52, 23: 0.29},
    "disgust": {9: PROTOTYPICAL, 10: PROTOTYPICAL, 17: PROTOTYPICAL, 4: 0.31, 24: 0.26},
    "fear": {
        1: PROTOTYPICAL,
        4: PROTOTYPICAL,
        20: PROTOTYPICAL,
        25: PROTOTYPICAL,
        2: 0.57,
        5: 0.63,
        26: 0.33,
    },
    "contempt": {14: PROTOTYPICAL, 12: 0.5},
}
UNITS = sorted({unit for shares in ACTION_UNIT_SHARES.values() for unit in shares})
ACTION_UNITS = tuple(f"AU{unit:02d}" for unit in UNITS)

SOURCES = [
    "Barsoum et al. 2016, Training Deep Networks for Facial Expression Recognition (FER+), arXiv:1608.01041",
    "Russell and Mehrabian 1977, Evidence for a three-factor theory of emotions, J. Research in Personality 11(3)",
    "Du, Tao and Martinez 2014, Compound facial expressions of emotion, PNAS 111(15) E1454",
    "Friesen and Ekman 1983, EMFACS-7: Emotional Facial Action Coding System (contempt: AU14)",
]
SUPERVISION = (
    "Expression is supervised by the crowd votes. Valence and arousal are weakly supervised: their targets are the"
    " vote-weighted means of Russell and Mehrabian's values for the emotion terms, not ratings of these faces. Action"
    " units are weakly supervised: their targets are the vote-weighted shares of Du et al. (contempt after EMFACS), not"
    " codings of these faces."
)


def valence_arousal(distribution: np.ndarray) -> np.ndarray:
    """Return valence and arousal in [-1, 1] of distributions over CLASSES: (N, 8) -> (N, 2)."""
    return distribution @ np.array([VALENCE_AROUSAL[name] for name in CLASSES], np.float32)


def action_units(distribution: np.ndarray) -> np.ndarray:
    """Return probabilities of occurrence of ACTION_UNITS for distributions over CLASSES: (N, 8) -> (N, A)."""
    return distribution @ np.array([[ACTION_UNIT_SHARES[n].get(u, 0.0) for u in UNITS] for n in CLASSES], np.float32)
