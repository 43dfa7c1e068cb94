"""Kinds of labels that are scored, and the columns of a table that answer them.

Classes and action units go by name. A class that the predictions do not tell is never predicted, and so is an action
unit; a class that they tell and the corpus does not have is left out of the choice. Both are stated in the report.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from avfer.datasets.example import Example, Labels
from avfer.evaluation.align import Aligned

Dimension = Literal["valence", "arousal"]
Kind = Literal["valence", "arousal", "expression", "action_units"]
DIMENSIONS: tuple[Dimension, ...] = ("valence", "arousal")
KINDS: tuple[Kind, ...] = (*DIMENSIONS, "expression", "action_units")
NEUTRAL = "neutral"


@dataclass(frozen=True, eq=False)
class Answer:
    """What is told of one kind at the T steps of an example."""

    values: np.ndarray  # (T,) or (T, K); NaN where a column is not there
    filled: np.ndarray  # (T,) bool: the step holds another's value


def kinds_of(example: Example) -> list[Kind]:
    """Kinds an example has labels of, valid or not."""
    return [kind for kind in KINDS if kind in example.labels]


def columns_of(example: Example) -> list[str]:
    """Columns of a table that answer all kinds of an example."""
    return [column for kind in kinds_of(example) for column in _columns(kind, example.labels[kind])]


def answer(kind: Kind, aligned: Aligned) -> Answer | None:
    """What is told of a kind; None where nothing is."""
    columns = _columns(kind, aligned.example.labels[kind])
    there = [column for column in columns if not np.isnan(aligned.values[column]).all()]
    if not there:
        return None
    values = np.stack([aligned.values[column] for column in columns], 1)
    filled = np.any([aligned.filled[column] for column in there], axis=0)
    return Answer(values[:, 0] if kind in DIMENSIONS else values, filled)


def neutral(kind: Kind, labels: Labels) -> Answer:
    """What stands for a recording without any prediction: no affect, a neutral face, no action unit."""
    values = np.zeros(labels.values.shape if kind != "expression" else (len(labels.values), len(labels.names)))
    if kind == "expression":
        values[:, labels.names.index(NEUTRAL) if NEUTRAL in labels.names else 0] = 1.0
    return Answer(values, np.ones(len(values), bool))


def valid_steps(kind: Kind, labels: Labels) -> np.ndarray:
    """(T,) bool; a step with any action unit unknown is not scored, as in ABAW."""
    return np.asarray(labels.valid.all(1)) if kind == "action_units" else labels.valid


def not_told(values: np.ndarray) -> np.ndarray:
    """(K,) bool: columns of (T, K) without any value."""
    return np.asarray(np.isnan(values).all(0))


def with_probabilities(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The table, with columns p_... of 0 and 1 where it tells the expression by name alone.

    A name that is none of the corpus's classes answers nothing: its step is filled, and counted so.
    """
    if "expression" not in table or any(str(column).startswith("p_") for column in table):
        return table
    told = table["expression"].astype("string").str.strip().str.lower()
    known = told.isin(classes).to_numpy(bool)
    return table.assign(
        **{f"p_{name}": np.where(known, (told == name).to_numpy(bool, na_value=False), np.nan) for name in classes}
    )


def _columns(kind: Kind, labels: Labels) -> list[str]:
    if kind == "expression":
        return [f"p_{name}" for name in labels.names]
    if kind == "action_units":
        return [f"au{int(name[2:]):02d}" for name in labels.names]
    return [kind]
