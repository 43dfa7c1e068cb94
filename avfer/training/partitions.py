"""The partitions that an experiment learns from and is judged by, checked before anything is trained."""

import shutil
from pathlib import Path

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Example
from avfer.errors import ConfigError, DatasetError
from avfer.training.checkpoint import NAME
from avfer.training.config import TrainConfig

LABELS = {  # target -> what an example must have at least one of
    "valence_arousal": ("valence", "arousal"),
    "expression": ("expression", "votes"),
    "action_units": ("action_units",),
}


def read_partitions(config: TrainConfig) -> tuple[Corpus, list[Example], list[Example]]:
    """The corpus and the examples of both partitions that have labels of the targets; all of them without a target.

    DatasetError where a partition is empty or a subject stands in both.
    """
    if config.train == config.dev:
        raise ConfigError(f"train: and dev: are both '{config.train}'; score on a partition that was not learned from")
    corpus = open_corpus(config.corpus, config.root, **config.options)
    train, dev = (_labelled(corpus, config, name) for name in (config.train, config.dev))
    shared = {e.subject for e in train} & {e.subject for e in dev} - {None}
    if shared:
        names = ", ".join(sorted(str(name) for name in shared)[:5])
        raise DatasetError(
            f"{len(shared)} subject(s) of {config.root} stand in '{config.train}' and in '{config.dev}' ({names}):"
            " the score would be of people already known;"
            f" `avfer corpora check {config.corpus} {config.root}` lists all"
        )
    return corpus, train, dev


def _labelled(corpus: Corpus, config: TrainConfig, partition: str) -> list[Example]:
    wanted = [name for target in config.targets for name in LABELS[target]]
    examples = list(corpus.examples(partition)) if partition in corpus.partitions else []  # pyright: ignore[reportArgumentType]
    found = [e for e in examples if any(name in e.labels and e.labels[name].valid.any() for name in wanted)]
    found = found if config.targets else examples
    if not found:
        kinds = sorted({name for e in examples for name in e.labels})
        has = f"{len(examples)} examples with labels of {', '.join(kinds) or 'no kind'}"
        learned = " and ".join(config.targets) or "anything"
        raise DatasetError(
            f"the partition '{partition}' of {config.root} ({corpus.distribution}) has nothing to learn"
            f" {learned} from: {has}; look at `avfer corpora check {config.corpus} {config.root}`"
        )
    return found


def prepare_output(folder: Path, resume: bool, config_text: str) -> None:
    """The folder of an experiment. ConfigError where it holds one already that is not to go on, or another one."""
    started = (folder / NAME).exists()
    if started and not resume:
        raise ConfigError(f"{folder} holds a training already: --resume goes on with it; or choose another output:")
    told = folder / "config.yaml"
    if started and told.exists() and told.read_text() != config_text:
        raise ConfigError(
            f"{folder} was begun with another configuration ({told}); go on with that one, or choose another output:"
        )
    folder.mkdir(parents=True, exist_ok=True)
    told.write_text(config_text)


def check_space(folder: Path, parameters: int) -> None:
    """ConfigError where the disk cannot hold two checkpoints: weights, two moments and a mean of each."""
    check_room(folder, 2 * 4 * 4 * parameters, "checkpoints")


def check_room(folder: Path, size: int, what: str) -> None:
    """ConfigError where the disk has not so many bytes left, and a little more."""
    needed = size + 2**20
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(f"{folder} has {free >> 20} MB free, {what} need {needed >> 20} MB; choose another output:")
