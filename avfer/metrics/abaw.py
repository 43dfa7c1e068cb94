"""Scores P of the ABAW challenges by task and year, and the rule of each in words.

How far the rules are confirmed: valence-arousal of all years, and all tasks from 2022, are stated by the organisers;
expressions and action units of 2020 are taken from participants' code; those of 2021 are not confirmed.
"""

from collections.abc import Mapping
from typing import Literal

from avfer.errors import MetricError, unknown

AbawTask = Literal["va", "expr", "au", "mtl"]
TASKS: tuple[AbawTask, ...] = ("va", "expr", "au", "mtl")
FIRST_YEAR, LAST_YEAR = 2020, 2026
NEW_RULES_YEAR = 2022  # from then on "other" is a class, F1 alone counts, and there is a multi-task challenge
VALENCE_AROUSAL = {"ccc_valence": 0.5, "ccc_arousal": 0.5}
MULTI_TASK = {"va": 1.0, "expr": 1.0, "au": 1.0}  # the scores P of the three tasks
OLD_RULES: dict[AbawTask, dict[str, float]] = {
    "va": VALENCE_AROUSAL,
    "expr": {"f1_macro": 0.67, "accuracy": 0.33},
    "au": {"f1_macro": 0.5, "accuracy": 0.5},
}
NEW_RULES: dict[AbawTask, dict[str, float]] = {
    "va": VALENCE_AROUSAL,
    "expr": {"f1_macro": 1.0},
    "au": {"f1_macro": 1.0},
    "mtl": MULTI_TASK,
}


def abaw_score(task: AbawTask, year: int, scores: Mapping[str, float]) -> float:
    """Score P of a task in the challenge of a year: a weighted sum of `scores`, by the rule of `abaw_rule`.

    scores: values by name, such as ccc_valence, f1_macro, or the P of each task for "mtl"; others are ignored.
    Raises MetricError if a score of the rule is missing, or for an unknown task or year.

    >>> abaw_score("va", 2024, {"ccc_valence": 0.5, "ccc_arousal": 0.6})
    0.55
    """
    weights = _weights(task, year)
    missing = sorted(weights.keys() - scores.keys())
    if missing:
        raise MetricError(f"P of {task} {year} is {abaw_rule(task, year)}; missing: {', '.join(missing)}")
    return sum(weight * scores[name] for name, weight in weights.items())


def abaw_rule(task: AbawTask, year: int) -> str:
    """Formula of P in words. Raises MetricError for an unknown task or year.

    >>> abaw_rule("expr", 2020)
    '0.67 f1_macro + 0.33 accuracy'
    """
    return " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in _weights(task, year).items())


def _weights(task: AbawTask, year: int) -> dict[str, float]:
    """Return the weight of each score in P. Raises MetricError for an unknown task or year."""
    if task not in TASKS:
        raise MetricError(unknown("task of ABAW", task, TASKS))
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise MetricError(f"year: ABAW rules are known for {FIRST_YEAR} to {LAST_YEAR}, got {year}")
    rules = NEW_RULES if year >= NEW_RULES_YEAR else OLD_RULES
    if task not in rules:
        raise MetricError(f"ABAW had no multi-task challenge in {year}; the first was in {NEW_RULES_YEAR}")
    return rules[task]
