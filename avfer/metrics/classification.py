"""Scores of a class prediction: confusion matrix, F1 over a fixed class list, accuracy (WAR), UAR.

`classes` is always the whole list of K classes in order, or its length K for the indices 0 to K - 1. The list is never
derived from the data, because a class that does not occur counts with an F1 of 0 in ABAW; averaging over the classes
that occur can double the score on a small set. A label outside the list, such as a sentinel, raises MetricError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.validation import Floats, raise_where, to_array

Classes = int | Sequence[int] | Sequence[str]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of target and predicted class, which can be merged, and stacked along leading axes (...)."""

    counts: Floats  # (..., K, K), rows are the target

    def merge(self, other: Self) -> Self:
        """Return the counts of both parts together."""
        return type(self)(self.counts + other.counts)

    @property
    def support(self) -> Floats:
        """Number of steps of each class in the target, (..., K)."""
        return self.counts.sum(-1)

    @property
    def hits(self) -> Floats:
        """Number of correct predictions of each class, (..., K)."""
        return np.diagonal(self.counts, axis1=-2, axis2=-1)

    @property
    def recall(self) -> Floats:
        """hits / support of each class, (..., K) in [0, 1]; NaN for a class without support."""
        with np.errstate(invalid="ignore"):
            return self.hits / self.support

    @property
    def f1(self) -> Floats:
        """2 hits / (support + predictions) of each class, (..., K) in [0, 1]; 0 for a class that never occurs."""
        predicted = self.counts.sum(-2)
        return 2.0 * self.hits / np.maximum(self.support + predicted, 1.0)

    def scores(self) -> dict[str, Floats]:
        """Return f1_macro, accuracy, war (the same value) and uar by name, (...) float64; NaN without any step."""
        steps = self.counts.sum((-2, -1))
        present = (self.support > 0).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            accuracy = self.hits.sum(-1) / steps
            recall = np.nan_to_num(self.recall).sum(-1) / present
        f1 = np.where(steps > 0, self.f1.mean(-1), np.nan)
        return {"f1_macro": f1, "accuracy": accuracy, "war": accuracy, "uar": recall}


def confusion_matrix(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> NDArray[np.int64]:
    """Count each combination of target class (row) and predicted class (column), in the order of `classes`.

    prediction, target: (T,) class names or indices -> (K, K) int64.
    Raises MetricError for a label outside `classes`, or for unequal lengths.

    >>> confusion_matrix(["b", "b", "a"], ["a", "b", "a"], classes=["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    return count_classes(prediction, target, classes).counts.astype(np.int64)


def f1_per_class(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> Floats:
    """F1 of each class, 2 hits / (support + predictions); 0 for a class that never occurs.

    prediction, target: (T,) class names or indices -> (K,) float64 in [0, 1]. Raises as `confusion_matrix`.

    >>> f1_per_class([0, 1, 1], [0, 1, 1], classes=3).tolist()
    [1.0, 1.0, 0.0]
    """
    return count_classes(prediction, target, classes).f1


def f1_macro(prediction: ArrayLike, target: ArrayLike, classes: Classes) -> float:
    """Sum of the F1 of all K classes of the list, divided by K whether or not they occur (ABAW, from 2022).

    prediction, target: (T,) class names or indices -> () float in [0, 1]; NaN without any step. Raises as
    `confusion_matrix`.

    >>> round(f1_macro([0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 2, 3], classes=8), 6)
    0.266667
    """
    return float(count_classes(prediction, target, classes).scores()["f1_macro"])


def accuracy(prediction: ArrayLike, target: ArrayLike, classes: Classes | None = None) -> float:
    """Share of steps whose class is correct; `war`, the weighted average recall of AFEW and DFEW, is the same.

    prediction, target: (T,) class names or indices -> () float in [0, 1]; NaN without any step. Without `classes` the
    list is every name, and every index >= 0, that occurs. Raises as `confusion_matrix`.

    >>> accuracy([0, 1, 1, 2], [0, 1, 2, 2])
    0.75
    """
    return float(count_classes(prediction, target, classes).scores()["accuracy"])


war = accuracy


def uar(prediction: ArrayLike, target: ArrayLike, classes: Classes | None = None) -> float:
    """Unweighted average recall: the mean recall over the classes that occur in the target.

    prediction, target: (T,) class names or indices -> () float in [0, 1]; NaN without any step. `classes` and errors
    are those of `accuracy`.

    >>> uar([0, 0, 0, 1], [0, 0, 0, 0])
    0.75
    """
    return float(count_classes(prediction, target, classes).scores()["uar"])


def count_classes(prediction: ArrayLike, target: ArrayLike, classes: Classes | None, first: int = 0) -> Confusion:
    """Return the counts (K, K) of two (T,) series of class names or indices.

    `first` is the index of step 0 in error messages. Raises MetricError for a label outside `classes`, a class that is
    listed twice, or unequal lengths.
    """
    predicted, true = to_array(prediction), to_array(target)
    if predicted.shape != true.shape or predicted.ndim != 1:
        raise MetricError(
            f"prediction {predicted.shape} and target {true.shape} must be two vectors of the same length"
        )
    if classes is None:
        order: list[int | str] = _present_classes(predicted, true)
    else:
        order = list(range(classes) if isinstance(classes, int) else classes)
    if len(set(order)) != len(order):
        raise MetricError(f"classes: every class must be listed once, got {order}")
    index_of = {name: index for index, name in enumerate(order)}
    rows = _class_indices(true, index_of, "target", first)
    columns = _class_indices(predicted, index_of, "prediction", first)
    counts = np.bincount(rows * len(order) + columns, minlength=len(order) ** 2)
    return Confusion(counts.reshape(len(order), len(order)).astype(np.float64))


def _present_classes(predicted: NDArray[np.generic], true: NDArray[np.generic]) -> list[Any]:
    """Return the names and the indices >= 0 that occur, sorted; others, such as None, are left out."""
    names = {*true.tolist(), *predicted.tolist()}
    indices = sorted(name for name in names if isinstance(name, int | float) and name >= 0)
    return [*indices, *sorted(name for name in names if isinstance(name, str))]


def _class_indices(
    labels: NDArray[np.generic], index_of: Mapping[int | str, int], side: str, first: int
) -> NDArray[np.int64]:
    """Return the positions (T,) of labels (T,) in the class list; raise MetricError for a label outside it."""
    if labels.dtype == object:  # such as names with None, which cannot be ordered
        indices = np.array([index_of.get(name, -1) for name in labels.tolist()], np.int64)
    else:
        names, inverse = np.unique(labels, return_inverse=True)
        indices = np.array([index_of.get(name, -1) for name in names.tolist()], np.int64)[inverse]
    if (wrong := indices < 0).any():
        name = labels[wrong.argmax() :][:1].tolist()[0]
        message = f"the {side} has {{}} outside the class list, the first ({name!r}) at index {{}}"
        raise_where(wrong, "label", f"{message}; mask sentinels before scoring", first)
    return indices
