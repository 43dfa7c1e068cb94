"""Scores of a class prediction: confusion matrix, F1 over a fixed class list, accuracy (WAR), UAR.

`classes` is the whole list, in order, or its length K for the indices 0 to K - 1. It is never read from the data:
a class that nobody shows counts with an F1 of 0, as in ABAW. A label outside the list is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.inputs import Floats, to_array

Classes = int | Sequence[int] | Sequence[str]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of (truth, prediction); merges, and stacks along leading axes."""

    counts: Floats  # (..., K, K), rows are the truth

    def merge(self, other: Self) -> Self:
        return type(self)(self.counts + other.counts)

    @property
    def support(self) -> Floats:
        """(..., K): how often each class is true."""
        return self.counts.sum(-1)

    @property
    def hits(self) -> Floats:
        """(..., K): how often each class is told where it is true."""
        return np.diagonal(self.counts, axis1=-2, axis2=-1)

    @property
    def recall(self) -> Floats:
        """(..., K): NaN for a class that is never true."""
        with np.errstate(invalid="ignore"):
            return self.hits / self.support

    @property
    def f1(self) -> Floats:
        """(..., K): 0 for a class that is neither true nor told."""
        told = self.counts.sum(-2)
        return 2.0 * self.hits / np.maximum(self.support + told, 1.0)

    def scores(self) -> dict[str, Floats]:
        """Each score by name; NaN where no step was counted. `war` is the accuracy."""
        steps = self.counts.sum((-2, -1))
        present = (self.support > 0).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            accuracy = self.hits.sum(-1) / steps
            recall = np.nan_to_num(self.recall).sum(-1) / present
        f1 = np.where(steps > 0, self.f1.mean(-1), np.nan)
        return {"f1_macro": f1, "accuracy": accuracy, "war": accuracy, "uar": recall}


def confusion_matrix(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> NDArray[np.int64]:
    """(K, K) counts; a row is the truth, a column the prediction, both in the order of `classes`."""
    return confuse(prediction, target, classes).counts.astype(np.int64)


def f1_per_class(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> Floats:
    """(K,) F1; 0 for a class that is neither true nor told."""
    return confuse(prediction, target, classes).f1


def f1_macro(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> float:
    """Sum of the F1 of all K classes of the list, divided by K whatever is present.

    >>> round(f1_macro([0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 2, 3], classes=8), 6)
    0.266667
    """
    return float(confuse(prediction, target, classes).scores()["f1_macro"])


def accuracy(prediction: ArrayLike, target: ArrayLike, classes: Classes | None = None) -> float:
    """Share of the steps whose class is right; without a list, any class that is no negative number will do."""
    return float(confuse(prediction, target, classes).scores()["accuracy"])


war = accuracy  # weighted average recall, as AFEW and DFEW call it


def uar(prediction: ArrayLike, target: ArrayLike, classes: Classes | None = None) -> float:
    """Unweighted average recall: the mean over the classes that are true somewhere."""
    return float(confuse(prediction, target, classes).scores()["uar"])


def confuse(prediction: ArrayLike, target: ArrayLike, classes: Classes | None, first: int = 0) -> Confusion:
    """Counts of two (T,) series of names or indices; `first` is the index of their first step in an error."""
    told, true = to_array(prediction), to_array(target)
    if told.shape != true.shape or told.ndim != 1:
        raise MetricError(f"prediction {told.shape} and truth {true.shape} must be two vectors of one length")
    order = list(_present(told, true) if classes is None else range(classes) if isinstance(classes, int) else classes)
    if len(set(order)) != len(order):
        raise MetricError(f"a class stands twice in the list: {order}")
    place = {name: index for index, name in enumerate(order)}
    rows, columns = _places(true, place, "truth", first), _places(told, place, "prediction", first)
    counts = np.bincount(rows * len(order) + columns, minlength=len(order) ** 2)
    return Confusion(counts.reshape(len(order), len(order)).astype(np.float64))


def _present(told: NDArray[np.generic], true: NDArray[np.generic]) -> list[int | str]:
    return [name for name in np.unique(np.concatenate([true, told])).tolist() if isinstance(name, str) or name >= 0]


def _places(
    labels: NDArray[np.generic], place: dict[int | str, int] | dict[int, int] | dict[str, int], side: str, first: int
) -> NDArray[np.int64]:
    """(T,) positions in the class list; MetricError for a label that is not there."""
    known, inverse = np.unique(labels, return_inverse=True)
    positions = np.array([place.get(name, -1) for name in known.tolist()], np.int64)
    found = positions[inverse] if len(known) else np.zeros(0, np.int64)
    if (wrong := found < 0).any():
        name, where = labels[wrong.argmax()].item(), first + int(wrong.argmax())
        told = f"{int(wrong.sum())} labels of the {side} are not in the class list, the first ({name!r}) at index"
        raise MetricError(f"{told} {where}; mask sentinels first")
    return found
