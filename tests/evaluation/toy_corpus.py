"""Corpora with computed labels: valence and arousal are smooth random walks, classes and units are cut from others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from avfer.datasets.example import Corpus, Example, Labels, Notes, Partition
from avfer.evaluation.evaluation_config import EvalConfig, make_config
from avfer.evaluation.submission_check import EXPRESSIONS, UNITS

NAME = "tests.evaluation.toy_corpus:Toy"
CLASSES = tuple(name.lower() for name in EXPRESSIONS)
STEP = 0.04  # s
STEPS = 600
RECORDINGS = 3
ALL = "valence arousal expression action_units"  # kinds of labels


def walk(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.convolve(np.cumsum(rng.standard_normal(STEPS + 50)), np.ones(51) / 51, "valid")[:STEPS]
    return 0.9 * smooth / np.abs(smooth).max()


def label(values: np.ndarray, invalid: np.ndarray, names: tuple[str, ...] = ()) -> Labels:
    valid = np.ones(values.shape, bool)
    valid[invalid] = False
    return Labels(values, valid, names)


@dataclass
class Toy(Corpus):
    """Recordings without files, labelled by time or by frame; the first `gap` steps of each are not valid."""

    root: Path
    kinds: str = "valence arousal"
    by: str = "time"
    gap: int = 5
    called: str = "toy"
    distribution: str = "made by a test"
    protocol: str = "labels are the truth"
    notes: Notes = field(default_factory=Notes)
    partitions: tuple[Partition, ...] = ("train", "dev")

    @property
    def name(self) -> str:
        return self.called

    def examples(self, partition: Partition) -> Iterator[Example]:
        self.notes.add("a note of the reader", self.root)
        for number in range(RECORDINGS):
            yield self.example(partition, number)

    def example(self, partition: Partition, number: int) -> Example:
        seed = 10 * number + 100 * (partition == "train")
        invalid = np.arange(self.gap)
        classes = np.digitize(walk(seed + 2), np.linspace(-1, 1, 9)[1:-1])
        units = np.stack([walk(seed + 3 + i % 5) > 0 for i in range(len(UNITS))], 1).astype(float)
        made = {
            "valence": label(walk(seed), invalid),
            "arousal": label(walk(seed + 1), invalid),
            "expression": label(classes, invalid, CLASSES),
            "action_units": label(units, invalid, UNITS),
        }
        return Example(
            f"{partition}_{number + 1}",
            partition,
            {kind: made[kind] for kind in self.kinds.split()},
            subject=f"s{number}",
            times=np.arange(STEPS) * STEP if self.by == "time" else None,
            frames=np.arange(STEPS) if self.by == "frame" else None,
        )


def truth_table(example: Example) -> pd.DataFrame:
    """Return a table that predicts exactly the labels of an example."""
    columns: dict[str, np.ndarray] = {"frame": np.arange(STEPS), "time_s": np.arange(STEPS) * STEP}
    for kind, labels in example.labels.items():
        if kind == "expression":
            columns |= {f"p_{name}": np.where(labels.values == i, 0.8, 0.1) for i, name in enumerate(labels.names)}
        elif kind == "action_units":
            columns |= {f"au{int(n[2:]):02d}": labels.values[:, i] for i, n in enumerate(labels.names)}
        else:
            columns[kind] = labels.values
    return pd.DataFrame(columns)


def write_truth(folder: Path, corpus: Toy, *partitions: Partition) -> Path:
    """Write tables that predict the labels of all examples of some partitions."""
    folder.mkdir(exist_ok=True)
    for partition in partitions or ("dev",):
        for example in corpus.examples(partition):
            truth_table(example).to_parquet(folder / f"{example.id}.parquet")
    return folder


@dataclass
class ToyVideos(Toy):
    """The clips in the root folder, labelled by frame, with the sound files beside them."""

    by: str = "frame"

    def examples(self, partition: Partition) -> Iterator[Example]:
        self.notes.add("a note of the reader", self.root)
        for number, path in enumerate(sorted(self.root.glob("*.mp4")) if partition == "dev" else []):
            whole = self.example(partition, number)
            labels = {k: Labels(v.values[:12], v.valid[:12], v.names) for k, v in whole.labels.items()}
            sound = path.with_suffix(".wav")
            audio = sound if sound.exists() else path
            yield Example(path.stem, partition, labels, video=path, audio=audio, frames=np.arange(12))


@dataclass
class ToyPictures(Toy):
    """The pictures in the root folder, named after their class; `happiness_missing` has no file."""

    def examples(self, partition: Partition) -> Iterator[Example]:
        for path in sorted(self.root.glob("*.png")):
            yield self.picture_of(path.stem, partition, path)
        yield self.picture_of("happiness_missing", partition, None)

    @staticmethod
    def picture_of(stem: str, partition: Partition, path: Path | None) -> Example:
        label = Labels(np.array([CLASSES.index(stem.partition("_")[0])]), np.array([True]), CLASSES)
        return Example(stem, partition, {"expression": label}, pictures=(path,))


def configured(tmp_path: Path, partition: str = "dev", **keys: object) -> EvalConfig:
    """Return the configuration of an evaluation of `Toy` with the tables in tmp_path/tables."""
    given = {"corpus": NAME, "root": tmp_path, "partition": partition, "output": tmp_path / "out", "draws": 50}
    return make_config(given | {"predictions": tmp_path / "tables"} | keys, "a test")


def changed(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Replace a table by what a function makes of it."""
    change(pd.read_parquet(path)).to_parquet(path)
