"""What limits the meaning of the scores of an evaluation.

Labels that are not scored or may not fit the tables, steps without predictions, names without a label or a prediction,
few recordings behind an interval.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from avfer.evaluation.evaluation_report import ActionUnitReport, EvaluationReport, ExpressionReport
from avfer.metrics import Interval

FEW_GROUPS = 10  # recordings, subjects or pictures; an interval of fewer is unreliable
ABSENT = "absent in the labels"
NOT_SCORED = ": not scored"  # end of a note on labels that are left out
CHECK_RATE = ": check whether both are of one video at one frame rate"  # end of a note on tables of another length


def report_warnings(report: EvaluationReport) -> list[str]:
    """Return the warnings of a report as sentences, the most important first."""
    of_names = [*_absent_names(report), *_unpredicted_names(report)]
    return [*_noted(report), *_undefined(report), *_filled_steps(report), *of_names, *_few_groups(report)]


def name_notes(names: Sequence[str], support: np.ndarray, never_predicted: Sequence[str]) -> list[str]:
    """Return a note for each class or action unit: absent in the labels, never predicted, both, or "".

    support: (K,) int, steps of each name in the labels; never_predicted: names that no prediction has a column of.
    """
    notes = [
        (ABSENT if not count else "", "never predicted" if name in never_predicted else "")
        for name, count in zip(names, support, strict=True)
    ]
    return [", ".join(filter(None, note)) for note in notes]


def absent_note(names: Sequence[str], support: np.ndarray) -> str:
    """Return what the F1 of a kind with absent names contains: "2 of 8 absent, F1 0 each"; "" if none is absent.

    support: (K,) int, steps of each name in the labels.
    """
    absent = int((support == 0).sum())
    return f"{absent} of {len(names)} absent, F1 0 each" if absent else ""


def _noted(report: EvaluationReport) -> Iterator[str]:
    """Yield each note on labels that are left out or may not fit, with the number of recordings or pictures."""
    for note, (count, place) in report.notes.items():
        if note.endswith((NOT_SCORED, CHECK_RATE)):
            yield f"{note} ({count}{f', the first: {place}' if place else ''})"


def _undefined(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence for each dimension whose CCC is not defined, as a whole or in some recordings."""
    reason = "not defined: labels and predictions are one constant, or have fewer than two steps"
    for kind, dimension in report.dimensions.items():
        scores = dimension.scores
        names = [name for name, values in scores.recordings.items() if np.isnan(values["ccc"])]
        if np.isnan(scores.joined["ccc"]):
            yield f"{kind}: the CCC is {reason}."
        elif names:
            listed = f"{len(names)} of {len(scores.recordings)} recordings (the first: {names[0]})"
            yield f"{kind}: the CCC of {listed} is {reason}. The mean of the recordings leaves them out."


def _filled_steps(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence for each kind of which more than half of the scored steps have no prediction of their own."""
    for kind, scores in report.scores.items():
        steps = scores.steps
        if 2 * steps.predicted < steps.valid:
            yield (
                f"{kind.replace('_', ' ')}: only {steps.predicted} of {steps.valid} scored steps have a prediction of"
                " their own, the others are filled; check the frames or times of the tables."
            )


def _absent_names(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence for each kind whose macro-F1 includes names that no label has."""
    for kind, found, names in _named_kinds(report):
        if not (found.support == 0).any():
            continue
        absent = [name for name, count in zip(names, found.support, strict=True) if not count]
        present = found.f1[found.support > 0]
        only = f"; the mean F1 of the other {len(present)} is {present.mean():.4f}" if len(present) else ""
        yield (
            f"{kind}: no scored step is labelled {_listed(absent)}. Their F1 is 0 by definition and lowers the"
            f" macro-F1 over all {len(names)}{only}."
        )


def _unpredicted_names(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence for each kind of which some labelled names can never be predicted."""
    for kind, found, names in _named_kinds(report):
        labelled = [name for name, count in zip(names, found.support, strict=True) if count]
        if lacking := [name for name in labelled if name in found.never_predicted]:
            yield f"{kind}: the predictions do not have {_listed(lacking)}. Their F1 is 0 and lowers the macro-F1."


def _named_kinds(report: EvaluationReport) -> Iterator[tuple[str, ExpressionReport | ActionUnitReport, Sequence[str]]]:
    """Yield the kinds that are scored by name, as they are printed, with their scores and names."""
    if report.expression:
        yield "expression", report.expression, report.expression.classes
    if report.action_units:
        yield "action units", report.action_units, report.action_units.units


def _few_groups(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence for each number of groups below FEW_GROUPS, with the kinds whose interval it concerns."""
    kinds: dict[tuple[int, str], list[str]] = {}
    for kind, scores in report.scores.items():
        means = report.quotes_means(scores)
        intervals: list[Interval] = list((scores.mean_intervals if means else scores.intervals).values())
        groups = min((interval.groups for interval in intervals), default=FEW_GROUPS)
        if groups < FEW_GROUPS:
            kinds.setdefault((groups, scores.drawn), []).append(kind.replace("_", " "))
    for (groups, drawn), names in kinds.items():
        if groups < 2:
            yield f"{_listed(names)}: no interval, because all labels come from one {drawn.removesuffix('s')}."
        else:
            yield (
                f"{_listed(names)}: the intervals are drawn from {groups} {drawn} only. With fewer than {FEW_GROUPS},"
                " they are often too narrow."
            )


def _listed(names: Sequence[str]) -> str:
    """Return names as "a", "a and b" or "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
