"""The partitions of an experiment, with their labels checked before anything is trained."""

import warnings
from dataclasses import dataclass

import numpy as np

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Example
from avfer.errors import AvferWarning, ConfigError, DatasetError, counted, shortened
from avfer.progress import ReportProgress, no_progress
from avfer.training.training_config import TrainConfig

LABELS = {  # target -> groups of labels; one kind of each group is needed
    "valence_arousal": (("valence",), ("arousal",)),
    "expression": (("expression", "votes"),),
    "action_units": (("action_units",),),
}


def read_partitions(
    config: TrainConfig, progress: ReportProgress = no_progress
) -> tuple[Corpus, list[Example], list[Example]]:
    """Return the corpus and the examples of `train:` and `dev:` with a label of a target; all without targets.

    Reports the number of labels and the notes of the corpus reader. Raises ConfigError if both partitions
    are the same, and DatasetError if a partition is empty or has no label of a target, if a valid label is non-finite,
    if action units are intensities, if all labels are equal, or if a subject is in both partitions.
    """
    if config.train == config.dev:
        raise ConfigError(f"train: and dev: are both '{config.train}'; score on a partition that is not trained on")
    corpus = open_corpus(config.corpus, config.root, **config.options)
    train, dev = (_Partition(corpus, config, name).labelled() for name in (config.train, config.dev))
    shared = {e.subject for e in train} & {e.subject for e in dev} - {None}
    if shared:
        subjects = counted(len(shared), "subject is", "subjects are")
        raise DatasetError(
            f"{subjects} in '{config.train}' and in '{config.dev}' of {config.root}"
            f" ({shortened(sorted(map(str, shared)))}), so the score would not be of unseen people;"
            f" `avfer corpora check {config.corpus} {config.root}` lists all"
        )
    if "expression" in config.targets and (new := _classes(dev) - _classes(train)):
        message = f"'{config.dev}' has expressions that '{config.train}' lacks and that cannot be learned: "
        warnings.warn(message + shortened(sorted(new)), AvferWarning, stacklevel=2)
    for name, examples in ((config.train, train), (config.dev, dev)):
        progress(name, 1, 1, _inventory(examples, config))
    for note, count in corpus.notes.counts.items():
        progress(config.corpus, 1, 1, f"{count} {note} (first: {corpus.notes.places[note][0]})")
    return corpus, train, dev


@dataclass(frozen=True)
class _Partition:
    """One partition of an experiment."""

    corpus: Corpus
    config: TrainConfig
    name: str

    def labelled(self) -> list[Example]:
        """Return the examples with a label of any target, or all of them without targets. Raises DatasetError."""
        exists = self.name in self.corpus.partitions
        examples = list(self.corpus.examples(self.name)) if exists else []  # pyright: ignore[reportArgumentType]
        if not examples:
            others = ", ".join(self.corpus.partitions) or "none"
            notes = "".join(f"; {note}" for note in self.corpus.notes.counts) if not exists else ""
            raise self._error(f"is empty; the corpus has: {others}{notes}")
        groups = [group for target in self.config.targets for group in LABELS[target]]
        for kinds in groups:
            self._check(examples, kinds)
        wanted = [kind for kinds in groups for kind in kinds]
        return [e for e in examples if not wanted or any(_is_valid(e, kind) for kind in wanted)]

    def _check(self, examples: list[Example], kinds: tuple[str, ...]) -> None:
        """Raise DatasetError if there are no labels of these kinds, or if they cannot be learned."""
        if not any(_is_valid(e, kind) for e in examples for kind in kinds):
            found = sorted({kind for e in examples for kind in e.labels if _is_valid(e, kind)})
            targets, others = " and ".join(self.config.targets), ", ".join(found) or "no kind"
            count = f"{counted(len(examples), 'example')} with valid labels of {others}"
            raise self._error(f"has no valid label of {kinds[0]} for targets: {targets}; {count}")
        for kind in kinds:
            labelled = [e for e in examples if _is_valid(e, kind)]
            for example in labelled:
                _check_finite(example, kind)
                if kind == "action_units":
                    _check_occurrences(example)
            if kind in {"valence", "arousal"} or (kind == "expression" and self.name == self.config.train):
                self._check_variation(labelled, kind)

    def _check_variation(self, examples: list[Example], kind: str) -> None:
        """Raise DatasetError for a constant series, whose CCC is undefined, and for a single class."""
        values = [e.labels[kind].values[e.labels[kind].valid] for e in examples]
        if values and min(v.min() for v in values) == max(v.max() for v in values):
            names = examples[0].labels[kind].names
            value = names[int(values[0][0])] if names else values[0][0]
            raise self._error(f"has only one {kind}, {value}: it can neither be learned nor scored")

    def _error(self, message: str) -> DatasetError:
        """Return an error about this partition that names its folder and the command that checks it."""
        config = self.config
        where = f"the partition '{self.name}' of {config.root} ({self.corpus.distribution})"
        return DatasetError(f"{where} {message}; run `avfer corpora check {config.corpus} {config.root}`")


def _is_valid(example: Example, kind: str) -> bool:
    """Return whether an example has any valid label of a kind."""
    return kind in example.labels and bool(example.labels[kind].valid.any())


def _check_finite(example: Example, kind: str) -> None:
    """Raise DatasetError if a valid label is NaN or infinite."""
    labels = example.labels[kind]
    broken = labels.valid & ~np.isfinite(labels.values)
    if broken.any():
        step = int(np.argwhere(broken)[0][0])
        raise DatasetError(f"{example.id}: the {kind} of step {step} is valid but non-finite; correct this label")


def _check_occurrences(example: Example) -> None:
    """Raise DatasetError if an action unit has a valid label other than 0 and 1."""
    labels = example.labels["action_units"]
    values = labels.values[labels.valid]
    if not np.isin(values, (0, 1)).all():
        raise DatasetError(
            f"{example.id}: its action units are intensities, up to {values.max():g}, but their occurrence is learned;"
            " give labels with 0 where a unit is absent and 1 where it is present"
        )


def _inventory(examples: list[Example], config: TrainConfig) -> str:
    """Return `3 examples; valid labels: valence 149 of 150, arousal 150 of 150`."""
    counts: list[str] = []
    for kind in (kind for target in config.targets for kinds in LABELS[target] for kind in kinds):
        valid = [e.labels[kind].valid for e in examples if kind in e.labels]
        if valid:
            counts.append(f"{kind} {sum(int(v.sum()) for v in valid)} of {sum(v.size for v in valid)}")
    return counted(len(examples), "example") + (f"; valid labels: {', '.join(counts)}" if counts else "")


def _classes(examples: list[Example]) -> set[str]:
    """Return the names of the expressions that occur in labels or votes."""
    found: set[str] = set()
    for labels in (e.labels[kind] for e in examples for kind in ("expression", "votes") if kind in e.labels):
        index = labels.values[labels.valid] if labels.values.ndim == 1 else np.flatnonzero(labels.values.any(0))
        found.update(labels.names[i] for i in np.unique(index).astype(int))
    return found
