"""A partition brought together with its predictions: delays undone, absent recordings judged, everything tallied."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from avfer.datasets.example import Example
from avfer.errors import ConfigError, DatasetError, MetricError
from avfer.evaluation.align import Aligned
from avfer.evaluation.delay import undo
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.kinds import DIMENSIONS, Answer, Kind, answer, kinds_of, neutral, valid_steps
from avfer.evaluation.tally import ActionUnitTally, DimensionTally, ExpressionTally, Told

SHOWN = 10  # names that a message lists

Tally = DimensionTally | ExpressionTally | ActionUnitTally


@dataclass
class Collected:
    """Tallies of the kinds that are labelled and predicted, and what was met on the way."""

    tallies: dict[Kind, Tally] = field(default_factory=dict[Kind, Tally])
    examples: int = 0
    labelled: dict[Kind, int] = field(default_factory=dict[Kind, int])  # recordings with valid steps
    lacking: dict[Kind, list[str]] = field(default_factory=dict[Kind, list[str]])  # those without any prediction
    unseen: dict[Kind, int] = field(default_factory=dict[Kind, int])  # pictures of theirs that were not there
    others: int = 0  # rows of further faces, left out

    @property
    def not_predicted(self) -> list[Kind]:
        """Kinds that have labels, and no prediction at all."""
        return [kind for kind in self.labelled if kind not in self.tallies]


def collect(config: EvalConfig, predictions: Iterable[Aligned]) -> Collected:
    """All examples of a partition, one at a time; DatasetError where a kind is predicted for some recordings only."""
    found = Collected()
    for aligned in predictions:
        found.examples += 1
        found.others += aligned.others
        for kind in kinds_of(aligned.example):
            _add(config, found, kind, aligned)
    for kind in list(found.tallies):
        _judge(config, found, kind)
    return found


def _add(config: EvalConfig, found: Collected, kind: Kind, aligned: Aligned) -> None:
    example = aligned.example
    labels = example.labels[kind]
    given = answer(kind, aligned)
    if valid_steps(kind, labels).any():
        found.labelled[kind] = found.labelled.get(kind, 0) + 1
        if given is None:
            _miss(found, kind, example)
    if given is None and (config.absent == "refuse" or _is_picture(example)):
        return
    told = _told(config, kind, aligned, given or neutral(kind, labels))
    tally = found.tallies.setdefault(kind, _tally(config, kind, labels.names))
    if getattr(tally, "classes", labels.names) != labels.names:
        raise DatasetError(f"{example.id} has the classes {', '.join(labels.names)}, others have other ones")
    try:
        tally.add(told)
    except MetricError as error:
        raise DatasetError(f"{example.id}, {kind}: {error}") from error


def _told(config: EvalConfig, kind: Kind, aligned: Aligned, given: Answer) -> Told:
    example, labels = aligned.example, aligned.example.labels[kind]
    valid, values, held = valid_steps(kind, labels).copy(), given.values, given.filled
    late = np.zeros(len(valid), bool)
    if config.protocol == "avec2018-ges":
        valid[-1:] = False
    delay = config.delay.get(kind, 0.0) if kind in DIMENSIONS else 0.0
    if delay:
        if aligned.step is None:
            raise ConfigError(f"delay: nothing tells how many seconds lie between two steps of {example.id}")
        values, late = undo(values, delay, aligned.step)
        held = undo(held.astype(np.float64), delay, aligned.step).values > 0
    return Told(example, values, labels.values, valid, held, late, aligned.step)


def _tally(config: EvalConfig, kind: Kind, names: tuple[str, ...]) -> Tally:
    if kind == "expression":
        return ExpressionTally(names)
    if kind == "action_units":
        return ActionUnitTally(names, config.threshold)
    return DimensionTally(kind, config)


def _miss(found: Collected, kind: Kind, example: Example) -> None:
    """A picture that is not there cannot be read by anybody and is counted; a recording counts as lacking."""
    if _is_picture(example):
        found.unseen[kind] = found.unseen.get(kind, 0) + 1
    else:
        found.lacking.setdefault(kind, []).append(example.id)


def _is_picture(example: Example) -> bool:
    return example.times is None and example.frames is None


def _judge(config: EvalConfig, found: Collected, kind: Kind) -> None:
    """Leave out a kind that nobody predicted; refuse one that was predicted in part."""
    lacking, labelled = found.lacking.get(kind, []), found.labelled.get(kind, 0)
    if not labelled or len(lacking) == labelled:
        del found.tallies[kind]
    elif lacking and config.absent == "refuse":
        names = ", ".join(lacking[:SHOWN]) + (", ..." if len(lacking) > SHOWN else "")
        told = f"{len(lacking)} of {labelled} labelled recordings have no prediction of {kind}: {names}"
        raise DatasetError(f"{told}; predict them, or set absent: neutral, which scores and counts them as neutral")
