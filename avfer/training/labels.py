"""Labels of examples as tensors for training, the same for images and for sequences.

Corpora store labels by kind with their own names of classes and action units (`avfer.datasets.example.Labels`). Here
they become one `AffectLabels` in the order of a model's outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from avfer.datasets.example import DIMENSIONS, Example, Labels
from avfer.losses.affect_labels import AffectLabels
from avfer.training.training_config import Target

CHUNK = 4096  # examples whose labels are merged at once


@dataclass(frozen=True)
class TargetNames:
    """Expression classes and action units in the order of a model's logits; empty for what is not a target."""

    classes: tuple[str, ...] = ()
    action_units: tuple[str, ...] = ()  # "AU01", "AU12"

    @classmethod
    def of(cls, examples: Sequence[Example], targets: Sequence[Target]) -> Self:
        """Return all names in the labels of the targets, each once, in the order in which they occur."""
        found = {kind: dict[str, None]() for kind in ("expression", "action_units")}
        for example in examples:
            for kind, names in found.items():
                if kind in targets and kind in example.labels:
                    names.update(dict.fromkeys(example.labels[kind].names))
        return cls(tuple(found["expression"]), tuple(found["action_units"]))


def labels_of(example: Example, targets: Sequence[Target], names: TargetNames, votes: bool = False) -> AffectLabels:
    """Return the labels of the targets at all T steps of an example; entries that are not valid are 0.

    Classes and action units are matched by name; an expression that `names` lacks is not valid. With `votes`, the
    votes of annotators are included where the corpus has them; otherwise they are 0.
    """
    steps = len(example)
    valence_arousal, valence_arousal_valid = _dimensions(example, steps, "valence_arousal" in targets)
    classes = names.classes if "expression" in targets else ()
    expression, expression_valid = _classes(example, steps, classes)
    votes_labels = example.labels.get("votes") if votes else None
    unit_labels = example.labels.get("action_units") if "action_units" in targets else None
    action_units, action_units_valid = _columns(unit_labels, steps, names.action_units)
    return AffectLabels(
        valence_arousal=torch.from_numpy(valence_arousal),
        valence_arousal_valid=torch.from_numpy(valence_arousal_valid),
        expression=torch.from_numpy(expression),
        expression_valid=torch.from_numpy(expression_valid),
        votes=torch.from_numpy(_columns(votes_labels, steps, classes)[0]),
        action_units=torch.from_numpy(action_units),
        action_units_valid=torch.from_numpy(action_units_valid),
    )


def labels_of_all(
    examples: Sequence[Example], targets: Sequence[Target], names: TargetNames, votes: bool = False
) -> AffectLabels:
    """Return the labels of all steps of all examples, one after another: (P, ...). Arguments: see `labels_of`."""
    parts: list[AffectLabels] = []
    for start in range(0, len(examples), CHUNK):  # small tensors of all examples at once would need much memory
        chunk = [labels_of(example, targets, names, votes) for example in examples[start : start + CHUNK]]
        parts.append(AffectLabels.merge(chunk, torch.cat))
    return AffectLabels.merge(parts, torch.cat)


def _dimensions(example: Example, steps: int, is_target: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return valence and arousal (T, 2) float32, and which are valid, (T, 2) bool."""
    values, valid = np.zeros((steps, 2), np.float32), np.zeros((steps, 2), bool)
    for column, name in enumerate(DIMENSIONS if is_target else ()):
        if (labels := example.labels.get(name)) is not None:
            values[:, column], valid[:, column] = _valid_values(labels), labels.valid
    return values, valid


def _classes(example: Example, steps: int, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return class indices (T,) int64 in the order of `classes`, and which are valid, (T,) bool."""
    index = np.full(steps, -1)
    if classes and (labels := example.labels.get("expression")) is not None:
        order = np.array([classes.index(name) if name in classes else -1 for name in labels.names])
        index[labels.valid] = order[labels.values[labels.valid]]
    return index.clip(0), index >= 0


def _columns(labels: Labels | None, steps: int, order: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of labels in the order of these names, (T, K) float32, and which are valid, (T, K) bool."""
    values, valid = np.zeros((steps, len(order)), np.float32), np.zeros((steps, len(order)), bool)
    if labels is not None:
        numbers = _valid_values(labels)
        for column, name in enumerate(labels.names):
            if name in order:
                values[:, order.index(name)] = numbers[:, column]
                valid[:, order.index(name)] = labels.valid[:, column]
    return values, valid


def _valid_values(labels: Labels) -> np.ndarray:
    """Return the values as float32, 0 where they are not valid."""
    return np.where(labels.valid, labels.values, 0.0).astype(np.float32)
