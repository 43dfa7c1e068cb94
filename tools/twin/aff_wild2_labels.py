"""Label files of a twin of Aff-Wild2: a header, then line i is frame i, counted from 1."""

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
CLEAR = 0.5  # strength from which an expression is told by its name
UNKNOWN = 0.08  # share of a video in one stretch without labels, for each task
EACH = 10  # frames between two pictures of the multi-task files


@dataclass(frozen=True)
class Told:
    """The labels of one person; unknown ones are -5 (valence, arousal) and -1."""

    person: str
    felt: np.ndarray  # (T, 2) valence and arousal, as they are
    pair: np.ndarray  # (T, 2) as they are told
    expression: np.ndarray  # (T,) int
    units: np.ndarray  # (T, 12) int

    @classmethod
    def of(
        cls, random: np.random.Generator, person: str, shown: Shown, mouth: np.ndarray, arousal: np.ndarray
    ) -> "Told":
        """What the face shows and the voice tells, less a stretch of each task."""
        count, strength = len(mouth), shown.strength
        valence = np.array([PLEASANT.get(name, 0.0) for name in shown.expression]) * strength
        named = [name if clear else "neutral" for name, clear in zip(shown.expression, strength >= CLEAR, strict=True)]
        felt = np.stack([valence, arousal], 1)
        pair, expression = felt.round(3), np.array([EXPRESSIONS.index(name) for name in named])
        units = np.array([units_of(*frame) for frame in zip(shown.expression, strength, mouth, strict=True)])
        pair[_stretch(random, count)] = -5
        pair[int(random.integers(count)), 1] = -5  # one of two: neither counts
        expression[_stretch(random, count)] = -1
        units[_stretch(random, count)] = -1
        return cls(person, felt, pair, expression, units)

    def unseen(self, present: np.ndarray) -> "Told":
        """The same without labels while nobody is seen.   present: (T,) bool"""
        away = ~present
        pair, expression, units = self.pair.copy(), self.expression.copy(), self.units.copy()
        pair[away], expression[away], units[away] = -5, -1, -1
        return Told(self.person, self.felt, pair, expression, units)

    def cells(self) -> dict[str, list[str]]:
        """The lines of each task."""
        return {
            "VA_Estimation_Challenge": [f"{v:g},{a:g}" for v, a in self.pair],
            "EXPR_Recognition_Challenge": [str(index) for index in self.expression],
            "AU_Detection_Challenge": [",".join(map(str, row)) for row in self.units],
        }

    def truth(self) -> dict[str, list[float]]:
        """Valence and arousal of all frames."""
        valence, arousal = self.felt.T.round(4).tolist()
        return {"valence": valence, "arousal": arousal}


def write_labels(root: Path, folder: str, told: Told, further: int) -> None:
    """The file of each task; `further` lines more than the video has frames, or fewer."""
    for task, lines in told.cells().items():
        path = root / ANNOTATIONS / task / folder / f"{told.person}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [*lines, *lines[-1:] * further] if further > 0 else lines[: len(lines) + further]
        path.write_text("\n".join([HEADERS[task], *kept, ""]))


def write_multi_task(root: Path, folder: str, people: list[Told]) -> None:
    """One file of all people of a set, of every tenth frame that has a picture."""
    path = root / ANNOTATIONS / "MTL_Challenge" / MULTI_TASK[folder]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([MULTI_TASK_HEADER, *(line for told in people for line in _multi_task(root, told)), ""]))


def _multi_task(root: Path, told: Told) -> Iterator[str]:
    rows = list(zip(*told.cells().values(), strict=True))
    for index in range(0, len(rows), EACH):
        picture = f"{told.person}/{index + 1:05d}.jpg"
        if (root / "cropped_aligned" / picture).exists():
            yield ",".join([picture, *rows[index]])


def _stretch(random: np.random.Generator, count: int) -> slice:
    length = max(1, round(UNKNOWN * count))
    start = int(random.integers(count - length))
    return slice(start, start + length)
