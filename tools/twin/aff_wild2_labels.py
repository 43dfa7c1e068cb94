"""Label files of a twin of Aff-Wild2: a header, then line i holds the label of frame i, counted from 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.twin.expressions import EXPRESSIONS, PLEASANT, UNITS, units_of
from tools.twin.signals import Shown

ANNOTATIONS = "6th_ABAW_Annotations"
HEADERS = {
    "VA_Estimation_Challenge": "valence,arousal",
    "EXPR_Recognition_Challenge": ",".join(name.capitalize() for name in EXPRESSIONS),
    "AU_Detection_Challenge": ",".join(f"AU{unit}" for unit in UNITS),
}
MULTI_TASK = {"Train_Set": "training_set_annotations.txt", "Validation_Set": "validation_set_annotations.txt"}
MULTI_TASK_HEADER = f"image,valence,arousal,expression,aus ({HEADERS['AU_Detection_Challenge']})"
CLEAR = 0.5  # strength from which a frame is labelled with the expression instead of neutral
UNLABELLED = 0.08  # share of a video in one stretch without labels, for each task
STRIDE = 10  # frames between two rows of the multi-task files


@dataclass(frozen=True)
class PersonLabels:
    """The labels of one person; missing ones are -5 (valence, arousal) and -1 (expression, action units)."""

    person: str
    truth_va: np.ndarray  # (T, 2) true valence and arousal in [-1, 1]
    valence_arousal: np.ndarray  # (T, 2) as labelled
    expression: np.ndarray  # (T,) int, index of EXPRESSIONS
    action_units: np.ndarray  # (T, 12) int, 0 or 1

    @classmethod
    def of(
        cls, random: np.random.Generator, person: str, shown: Shown, mouth: np.ndarray, arousal: np.ndarray
    ) -> "PersonLabels":
        """Return the labels of a person, without a random stretch of each task.

        shown: expressions of T frames; mouth: (T,) opening in [0, 1]; arousal: (T,) in [-1, 1].
        """
        count, strength = len(mouth), shown.strength
        valence = np.array([PLEASANT.get(name, 0.0) for name in shown.expression]) * strength
        named = [name if clear else "neutral" for name, clear in zip(shown.expression, strength >= CLEAR, strict=True)]
        truth = np.stack([valence, arousal], 1)
        labelled, expression = truth.round(3), np.array([EXPRESSIONS.index(name) for name in named])
        units = np.array([units_of(*frame) for frame in zip(shown.expression, strength, mouth, strict=True)])
        labelled[_stretch(random, count)] = -5
        labelled[int(random.integers(count)), 1] = -5  # if one of the two is missing, neither is valid
        expression[_stretch(random, count)] = -1
        units[_stretch(random, count)] = -1
        return cls(person, truth, labelled, expression, units)

    def only_where(self, present: np.ndarray) -> "PersonLabels":
        """Return the labels with those of the frames without the person missing.   present: (T,) bool"""
        absent = ~present
        labelled, expression, units = self.valence_arousal.copy(), self.expression.copy(), self.action_units.copy()
        labelled[absent], expression[absent], units[absent] = -5, -1, -1
        return PersonLabels(self.person, self.truth_va, labelled, expression, units)

    def cells(self) -> dict[str, list[str]]:
        """Return the lines of each task, one for each frame."""
        return {
            "VA_Estimation_Challenge": [f"{v:g},{a:g}" for v, a in self.valence_arousal],
            "EXPR_Recognition_Challenge": [str(index) for index in self.expression],
            "AU_Detection_Challenge": [",".join(map(str, row)) for row in self.action_units],
        }

    def truth(self) -> dict[str, list[float]]:
        """Return the true valence and arousal of all frames."""
        valence, arousal = self.truth_va.T.round(4).tolist()
        return {"valence": valence, "arousal": arousal}


def write_labels(root: Path, folder: str, labels: PersonLabels, extra: int) -> None:
    """Write the file of each task, with `extra` lines more than the video has frames (fewer if negative)."""
    for task, lines in labels.cells().items():
        path = root / ANNOTATIONS / task / folder / f"{labels.person}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        written = [*lines, *lines[-1:] * extra] if extra > 0 else lines[: len(lines) + extra]
        path.write_text("\n".join([HEADERS[task], *written, ""]))


def write_multi_task(root: Path, folder: str, people: list[PersonLabels]) -> None:
    """Write the multi-task file of a set: every STRIDE-th frame of each person that has a crop."""
    path = root / ANNOTATIONS / "MTL_Challenge" / MULTI_TASK[folder]
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line for labels in people for line in _multi_task(root, labels)]
    path.write_text("\n".join([MULTI_TASK_HEADER, *lines, ""]))


def _multi_task(root: Path, labels: PersonLabels) -> Iterator[str]:
    rows = list(zip(*labels.cells().values(), strict=True))
    for index in range(0, len(rows), STRIDE):
        picture = f"{labels.person}/{index + 1:05d}.jpg"
        if (root / "cropped_aligned" / picture).exists():
            yield ",".join([picture, *rows[index]])


def _stretch(random: np.random.Generator, count: int) -> slice:
    length = max(1, round(UNLABELLED * count))
    start = int(random.integers(count - length))
    return slice(start, start + length)
