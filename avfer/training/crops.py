"""Pictures of a corpus with their labels, read as crops that a network's card asks for and stacked into batches.

A picture is read when its batch is made: memory holds the labels of a partition, and the pictures of one batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.example import Corpus, Example, Labels
from avfer.datasets.stills import open_picture
from avfer.errors import DatasetError
from avfer.evaluation.pictures import HoldsPictures
from avfer.models.card import Card
from avfer.stages.embed_faces import normalised
from avfer.training.augment import augmented, erased, resized
from avfer.training.training_config import Augmentation

DIMENSIONS = ("valence", "arousal")
LABELS = ("expression", "expression_valid", "votes", "pair", "pair_valid", "units", "units_valid")  # of a picture

Job = TypeVar("Job")


@runtime_checkable
class HoldsFaces(Protocol):
    """A corpus that cuts faces out of its pictures."""

    def face(self, example: Example, step: int) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8."""
        ...


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """N crops with their labels, and M triplets of crops. What is not valid is 0 and never read."""

    pixels: Tensor  # (N, 3, S, S) normalised as the card says
    expression: Tensor  # (N,) int64
    expression_valid: Tensor  # (N,) bool
    votes: Tensor  # (N, K) from 0 up; a row of zeros where nobody voted
    pair: Tensor  # (N, 2) valence and arousal
    pair_valid: Tensor  # (N, 2) bool
    units: Tensor  # (N, A) 0 or 1
    units_valid: Tensor  # (N, A) bool
    triplets: Tensor  # (M, 3, 3, S, S), the odd one last
    margins: Tensor  # (M,)
    share: Tensor = field(
        default_factory=lambda: torch.ones(())
    )  # () of each picture that is its own, not its partner's

    def to(self, device: torch.device) -> "PictureBatch":
        """The same on a device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return PictureBatch(**moved)

    def partners(self) -> "PictureBatch":
        """The same pictures with the labels of those they are mixed with: the first with the last, and so on."""
        return replace(self, **{name: getattr(self, name).flip(0) for name in LABELS})

    def with_unlabelled(self, crops: Tensor) -> "PictureBatch":
        """With further rows (M, 3, S, S), the last ones, of which nothing is valid."""
        labels = {name: getattr(self, name) for name in LABELS}
        rows = {name: torch.cat([x, x.new_zeros(len(crops), *x.shape[1:])]) for name, x in labels.items()}
        pixels = torch.cat([self.pixels, crops]).contiguous(memory_format=torch.channels_last)
        return replace(self, pixels=pixels, **rows)


@dataclass(frozen=True)
class Wanted:
    """Which labels are learned: names in the order of the model's outputs, empty for what is no target.

    Where nothing is, pictures are learned from without labels.
    """

    classes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    pair: bool = False
    votes: bool = True  # beside the classes

    def anything(self) -> bool:
        """Whether a label is needed at all."""
        return bool(self.classes or self.units or self.pair)


@dataclass(frozen=True, eq=False)
class PictureLabels:
    """Labels of P pictures as arrays, with the examples and steps that they are of."""

    places: np.ndarray  # (P, 2) int32: number of the example, step
    expression: np.ndarray  # (P,) int64
    expression_valid: np.ndarray  # (P,) bool
    votes: np.ndarray  # (P, K) float32
    pair: np.ndarray  # (P, 2) float32
    pair_valid: np.ndarray  # (P, 2) bool
    units: np.ndarray  # (P, A) float32
    units_valid: np.ndarray  # (P, A) bool

    @classmethod
    def of(cls, examples: list[Example], wanted: "Wanted") -> "PictureLabels":
        """Steps with a label that is wanted; classes and units go by name."""
        parts = [_labels(number, example, wanted) for number, example in enumerate(examples)]
        columns = {f.name: np.concatenate([part[f.name] for part in parts]) for f in fields(cls)}
        some = columns["expression_valid"] | (columns["votes"] > 0).any(1)
        some |= columns["pair_valid"].any(1) | columns["units_valid"].any(1) | (not wanted.anything())
        return cls(**{name: column[some] for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.places)


@dataclass(eq=False)
class Pictures:
    """The labelled pictures of a partition."""

    corpus: Corpus
    examples: list[Example]
    labels: PictureLabels
    card: Card  # size, mean, std and colour of the crops
    threads: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: list[int], how: Augmentation | None = None, seed: int = 0) -> PictureBatch:
        """These pictures; augmented, each by its place in the batch and the seed."""
        seeds = [None if how is None else np.random.default_rng([seed, place]) for place in range(len(indices))]
        jobs = [(*self._picture_at(index), how, random) for index, random in zip(indices, seeds, strict=True)]
        crops = in_threads(self.threads, lambda job: crop(self.card, self.corpus, *job), jobs)
        given = {f.name: torch.from_numpy(getattr(self.labels, f.name)[indices]) for f in fields(self.labels)}
        del given["places"]
        pixels = torch.stack(crops).contiguous(memory_format=torch.channels_last)
        return PictureBatch(pixels, **given, triplets=pixels.new_zeros(0, 3, *pixels.shape[1:]), margins=torch.zeros(0))

    def name(self, index: int) -> str:
        """The example of a picture, and its step where there are several."""
        example, step = self._picture_at(index)
        return f"{example.id}, step {step}" if len(example.pictures) > 1 else example.id

    def _picture_at(self, index: int) -> tuple[Example, int]:
        number, step = self.labels.places[index]
        return self.examples[number], int(step)


def check_pictures(corpus: Corpus, examples: list[Example]) -> None:
    """DatasetError where examples are no pictures, or their files are not there; all are counted, the first named."""
    if isinstance(corpus, HoldsFaces | HoldsPictures):
        return
    if clips := [example.id for example in examples if not example.pictures]:
        told = f"{len(clips)} of {len(examples)} examples are no pictures, {clips[0]} first"
        raise DatasetError(f"{told}: of clips a model over time learns, such as model: temporal")
    paths = (path for example in examples for path in example.pictures if path is not None)
    if absent := [path for path in paths if not path.exists()]:
        raise DatasetError(f"{len(absent)} pictures that have labels are not there, {absent[0]} first; copy them again")


def shown_alone(example: Example) -> Example:
    """What is needed to read its pictures: of hundreds of thousands of examples the labels would fill the memory."""
    return replace(example, labels={name: labels for name, labels in example.labels.items() if name == "box"})


def in_threads(threads: int, do: Callable[[Job], Tensor], jobs: Sequence[Job]) -> list[Tensor]:
    """Results in the order of the jobs. Decoding and resizing leave Python's lock, so that threads help."""
    if threads < 2:
        return [do(job) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, jobs))


def crop(
    card: Card,
    corpus: Corpus,
    example: Example,
    step: int,
    how: Augmentation | None,
    random: np.random.Generator | None,
) -> Tensor:
    """The picture of a step as the card asks for it, augmented if told how: (3, S, S)."""
    return as_asked(card, picture(corpus, example, step), how, random)


def as_asked(card: Card, shown: np.ndarray, how: Augmentation | None, random: np.random.Generator | None) -> Tensor:
    """A picture (H, W) or (H, W, 3) uint8 RGB as the card asks for it, augmented if told how: (3, S, S)."""
    side = card.size or 0
    rgb = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, 2)
    pixels = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    if how is None or random is None:
        return normalised(card, resized(pixels, side)[None])[0]
    return erased(normalised(card, augmented(pixels, side, how, random)[None])[0], how, random)


def picture(corpus: Corpus, example: Example, step: int) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 RGB; DatasetError where it is not there or cannot be read."""
    if isinstance(corpus, HoldsFaces):
        return corpus.face(example, step)
    if isinstance(corpus, HoldsPictures):
        return corpus.picture(example)
    path = example.pictures[step] if example.pictures else None
    if path is None:
        raise DatasetError(f"{example.id} has a label but no picture at step {step}; look into the corpus' folders")
    return open_picture(path, path)


def _labels(number: int, example: Example, wanted: Wanted) -> dict[str, np.ndarray]:
    """Columns of `PictureLabels` for all steps of an example that have a picture."""
    t = len(example)
    found = {"places": np.column_stack([np.full(t, number, np.int32), np.arange(t, dtype=np.int32)])}
    found |= _expression(example, t, wanted) | _pair(example, t, wanted.pair) | _units(example, t, wanted.units)
    if not example.pictures:
        return found
    there = np.array([path is not None for path in example.pictures])
    return {name: column[there] for name, column in found.items()}


def _expression(example: Example, t: int, wanted: Wanted) -> dict[str, np.ndarray]:
    classes = wanted.classes
    index, votes = np.full(t, -1), np.zeros((t, len(classes)), np.float32)
    if classes and (told := example.labels.get("expression")) is not None:
        order = np.array([classes.index(name) if name in classes else -1 for name in told.names])
        index[told.valid] = order[told.values[told.valid]]
    if classes and wanted.votes and (told := example.labels.get("votes")) is not None:
        _by_name(votes, _numbers(told), told.names, classes)
    return {"expression": index.clip(0), "expression_valid": index >= 0, "votes": votes}


def _pair(example: Example, t: int, wanted: bool) -> dict[str, np.ndarray]:
    pair, valid = np.zeros((t, 2), np.float32), np.zeros((t, 2), bool)
    for column, name in enumerate(DIMENSIONS if wanted else ()):
        if (told := example.labels.get(name)) is not None:
            pair[:, column], valid[:, column] = _numbers(told), told.valid
    return {"pair": pair, "pair_valid": valid}


def _units(example: Example, t: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    units, valid = np.zeros((t, len(names)), np.float32), np.zeros((t, len(names)), bool)
    if (told := example.labels.get("action_units")) is not None:
        _by_name(units, _numbers(told), told.names, names)
        _by_name(valid, told.valid, told.names, names)
    return {"units": units, "units_valid": valid}


def _by_name(into: np.ndarray, values: np.ndarray, names: tuple[str, ...], order: tuple[str, ...]) -> None:
    for column, name in enumerate(names):
        if name in order:
            into[:, order.index(name)] = values[:, column]


def _numbers(labels: Labels) -> np.ndarray:
    """Values with 0 where they are not valid."""
    return np.where(labels.valid, labels.values, 0.0).astype(np.float32)
