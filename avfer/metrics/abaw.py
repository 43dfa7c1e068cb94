"""Scores P of the ABAW challenges, by task and year, and the rule of each in words.

Marks of the rules: 2022 on, and valence-arousal of all years, from the organisers; expressions and action units of
2020 from participants' code, of 2021 not confirmed.
"""

from collections.abc import Mapping
from typing import Literal

from avfer.errors import MetricError, unknown

Task = Literal["va", "expr", "au", "mtl"]
TASKS: tuple[Task, ...] = ("va", "expr", "au", "mtl")
FIRST, LAST = 2020, 2026
EIGHT_CLASSES = 2022  # from this year on: "Other" is a class, F1 alone counts, and there is a multi-task challenge
VALENCE_AROUSAL = {"ccc_valence": 0.5, "ccc_arousal": 0.5}
MULTI_TASK = {"va": 1.0, "expr": 1.0, "au": 1.0}  # the three scores P
EARLY: dict[Task, dict[str, float]] = {
    "va": VALENCE_AROUSAL,
    "expr": {"f1_macro": 0.67, "accuracy": 0.33},
    "au": {"f1_macro": 0.5, "accuracy": 0.5},
}
LATE: dict[Task, dict[str, float]] = {
    "va": VALENCE_AROUSAL,
    "expr": {"f1_macro": 1.0},
    "au": {"f1_macro": 1.0},
    "mtl": MULTI_TASK,
}


def abaw_score(task: Task, year: int, scores: Mapping[str, float]) -> float:
    """P of a task in the challenge of a year, from the scores its rule names; others are not looked at.

    >>> abaw_score("va", 2024, {"ccc_valence": 0.5, "ccc_arousal": 0.6})
    0.55
    """
    weights = _weights(task, year)
    missing = sorted(weights.keys() - scores.keys())
    if missing:
        raise MetricError(f"P of {task} {year} is {abaw_rule(task, year)}; not given: {', '.join(missing)}")
    return sum(weight * scores[name] for name, weight in weights.items())


def abaw_rule(task: Task, year: int) -> str:
    """What P is: `0.67 f1_macro + 0.33 accuracy`."""
    return " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in _weights(task, year).items())


def expression_count(year: int) -> int:
    """Length of the class list: F1 is a sum over it, divided by it, whatever is present."""
    _weights("expr", year)
    return 8 if year >= EIGHT_CLASSES else 7


def _weights(task: Task, year: int) -> dict[str, float]:
    if task not in TASKS:
        raise MetricError(unknown("task of ABAW", task, TASKS))
    if not FIRST <= year <= LAST:
        raise MetricError(f"no rule of ABAW is known for {year}: there are {FIRST} to {LAST}")
    rules = LATE if year >= EIGHT_CLASSES else EARLY
    if task not in rules:
        raise MetricError(f"ABAW had no multi-task challenge in {year}: it began in {EIGHT_CLASSES}")
    return rules[task]
