"""The partitions that an experiment learns from and is judged by, checked before anything is trained."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Example
from avfer.errors import AvferWarning, ConfigError, DatasetError
from avfer.training.task import Tell
from avfer.training.training_config import TrainConfig

LABELS = {  # target -> kinds of labels that it needs; of two beside one another either will do
    "valence_arousal": (("valence",), ("arousal",)),
    "expression": (("expression", "votes"),),
    "action_units": (("action_units",),),
}
SHOWN = 5  # names that a message lists


def read_partitions(config: TrainConfig, tell: Tell = lambda *_: None) -> tuple[Corpus, list[Example], list[Example]]:
    """The corpus and the examples of both partitions that have labels of the targets; all of them without a target.

    What they hold, and what the reader decided on the way, is told. DatasetError where a partition is empty or has no
    label of a target, a label is no number, all are the same, or a subject stands in both.
    """
    if config.train == config.dev:
        raise ConfigError(f"train: and dev: are both '{config.train}'; score on a partition that was not learned from")
    corpus = open_corpus(config.corpus, config.root, **config.options)
    train, dev = (_Partition(corpus, config, name).labelled() for name in (config.train, config.dev))
    shared = {e.subject for e in train} & {e.subject for e in dev} - {None}
    if shared:
        raise DatasetError(
            f"{len(shared)} subject(s) of {config.root} stand in '{config.train}' and in '{config.dev}'"
            f" ({_some(map(str, shared))}): the score would be of people already known;"
            f" `avfer corpora check {config.corpus} {config.root}` lists all"
        )
    if "expression" in config.targets and (new := _classes(dev) - _classes(train)):
        told = f"'{config.dev}' has expressions that '{config.train}' has not, so they cannot be learned: {_some(new)}"
        warnings.warn(told, AvferWarning, stacklevel=2)
    for name, examples in ((config.train, train), (config.dev, dev)):
        tell(name, 1, 1, _inventory(examples, config))
    for sentence, count in corpus.notes.counts.items():
        tell(config.corpus, 1, 1, f"{count} {sentence} (first: {corpus.notes.places[sentence]})")
    return corpus, train, dev


@dataclass(frozen=True)
class _Partition:
    """One partition, as an experiment asks for it."""

    corpus: Corpus
    config: TrainConfig
    name: str

    def labelled(self) -> list[Example]:
        """The examples with labels of any target, all of them without one, after all checks."""
        there = self.name in self.corpus.partitions
        examples = list(self.corpus.examples(self.name)) if there else []  # pyright: ignore[reportArgumentType]
        if not examples:
            others = ", ".join(self.corpus.partitions) or "none"
            decided = "".join(f"; {note}" for note in self.corpus.notes.counts) if not there else ""
            raise self._fault(f"is empty; there is: {others}{decided}")
        groups = [group for target in self.config.targets for group in LABELS[target]]
        for kinds in groups:
            self._check(examples, kinds)
        wanted = [kind for kinds in groups for kind in kinds]
        return [e for e in examples if not wanted or any(_valid(e, kind) for kind in wanted)]

    def _check(self, examples: list[Example], kinds: tuple[str, ...]) -> None:
        """That there are labels of some kind, that they are numbers, and that they differ."""
        if not any(_valid(e, kind) for e in examples for kind in kinds):
            has = sorted({kind for e in examples for kind in e.labels if _valid(e, kind)})
            targets, others = " and ".join(self.config.targets), ", ".join(has) or "no kind"
            told = f"its {len(examples)} examples have valid labels of {others}"
            raise self._fault(f"has no valid label of {kinds[0]} for targets: {targets}; {told}")
        for kind in kinds:
            some = [e for e in examples if _valid(e, kind)]
            for example in some:
                _check_numbers(example, kind)
            if kind in {"valence", "arousal"} or (kind == "expression" and self.name == self.config.train):
                self._check_change(some, kind)

    def _check_change(self, examples: list[Example], kind: str) -> None:
        """That a series is not constant, of which there is no CCC, nor one class alone, which nothing is told from."""
        values = [e.labels[kind].values[e.labels[kind].valid] for e in examples]
        if values and min(v.min() for v in values) == max(v.max() for v in values):
            names = examples[0].labels[kind].names
            only = names[int(values[0][0])] if names else values[0][0]
            raise self._fault(f"has one {kind} alone, {only} throughout: it can neither be learned nor scored")

    def _fault(self, told: str) -> DatasetError:
        config = self.config
        where = f"the partition '{self.name}' of {config.root} ({self.corpus.distribution})"
        return DatasetError(f"{where} {told}; look at `avfer corpora check {config.corpus} {config.root}`")


def _valid(example: Example, kind: str) -> bool:
    return kind in example.labels and bool(example.labels[kind].valid.any())


def _check_numbers(example: Example, kind: str) -> None:
    labels = example.labels[kind]
    broken = labels.valid & ~np.isfinite(labels.values)
    if broken.any():
        step = int(np.argwhere(broken)[0][0])
        raise DatasetError(f"{example.id}: the {kind} of step {step} is no number, though it is marked as valid")


def _inventory(examples: list[Example], config: TrainConfig) -> str:
    """`3 examples; valid labels: valence 149 of 150, arousal 150 of 150`."""
    told: list[str] = []
    for kind in (kind for target in config.targets for kinds in LABELS[target] for kind in kinds):
        given = [e.labels[kind].valid for e in examples if kind in e.labels]
        if given:
            told.append(f"{kind} {sum(int(v.sum()) for v in given)} of {sum(v.size for v in given)}")
    return f"{len(examples)} examples" + (f"; valid labels: {', '.join(told)}" if told else "")


def _classes(examples: list[Example]) -> set[str]:
    """Names of the expressions that are there."""
    found: set[str] = set()
    for labels in (e.labels[kind] for e in examples for kind in ("expression", "votes") if kind in e.labels):
        index = labels.values[labels.valid] if labels.values.ndim == 1 else np.flatnonzero(labels.values.any(0))
        found.update(labels.names[i] for i in np.unique(index).astype(int))
    return found


def _some(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
