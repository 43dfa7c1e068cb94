"""Labelled images of a corpus, read as face crops and stacked into batches.

An image is read when its batch is made: memory holds the labels of a partition and the images of one batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.example import Corpus, CropsFaces, Example, HasPictures
from avfer.datasets.pictures import read_picture, to_rgb
from avfer.errors import DatasetError, counted
from avfer.losses.affect_labels import AffectLabels
from avfer.models.card import Card
from avfer.models.network import normalised, resized
from avfer.training.data.augmentation import augmented, erased, mixed
from avfer.training.labels import TargetNames, labels_of_all
from avfer.training.training_config import Augmentation, Mixing, Target

Job = TypeVar("Job")


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """N face crops with their labels, and M triplets of crops."""

    pixels: Tensor  # (N, 3, S, S) float32, normalised as the card says
    labels: AffectLabels  # of the N crops
    triplets: Tensor  # (M, 3, 3, S, S) float32, the odd face last
    margins: Tensor  # (M,) float32, of the triplets
    share: Tensor = field(default_factory=lambda: torch.ones(()))  # (), of the own image in each mixed one; else 1

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        return type(self)(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def partners(self) -> AffectLabels:
        """Return the labels of the image that each one is mixed with: the first with the last, and so on."""
        return self.labels.map(lambda x: x.flip(0))

    def mixed(self, mixing: Mixing, random: np.random.Generator) -> Self:
        """Return the batch with each image mixed with its partner; see `augmentation.mixed`."""
        pixels, share = mixed(self.pixels, mixing, random)
        return replace(self, pixels=pixels, share=share)

    def with_unlabelled(self, crops: Tensor) -> Self:
        """Return the batch with further rows at the end that have no labels.   crops: (M, 3, S, S) float32."""
        pixels = torch.cat([self.pixels, crops]).contiguous(memory_format=torch.channels_last)
        return replace(self, pixels=pixels, labels=self.labels.padded(len(crops)))


@dataclass(eq=False)
class LabelledImages:
    """The P labelled images of a partition. Without targets every image counts, labelled or not."""

    corpus: Corpus  # that the images are read from
    examples: list[Example]  # of the images, without labels other than face boxes
    places: np.ndarray  # (P, 2) int32: index of the example, step
    labels: AffectLabels  # (P, ...)
    card: Card  # size, mean, standard deviation and channel order of the crops
    threads: int = 1  # that read images

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        examples: list[Example],
        targets: Sequence[Target],
        card: Card,
        votes: bool = False,
        threads: int = 1,
    ) -> Self:
        """Collect the images of examples with a label of the targets, in the order of the card's classes and units.

        votes: use the votes of annotators where the corpus has them. threads: that read images.
        """
        names = TargetNames(
            tuple(card.classes) if "expression" in targets else (),
            tuple(card.action_units) if "action_units" in targets else (),
        )
        labels = labels_of_all(examples, targets, names, votes)
        places = np.concatenate([_places(number, example) for number, example in enumerate(examples)])
        selected = np.concatenate([_has_image(example) for example in examples])
        if names.classes or names.action_units or "valence_arousal" in targets:
            selected &= labels.is_labelled().numpy()
        chosen = torch.from_numpy(selected)
        examples = [with_box_alone(example) for example in examples]
        return cls(corpus, examples, places[selected], labels.map(lambda x: x[chosen]), card, threads)

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: list[int], augmentation: Augmentation | None = None, seed: int = 0) -> ImageBatch:
        """Return the images of these indices, augmented by their position in the batch and the seed alone."""
        positions = range(len(indices))
        seeds = [None if augmentation is None else np.random.default_rng([seed, p]) for p in positions]
        jobs = [(*self._place(index), augmentation, random) for index, random in zip(indices, seeds, strict=True)]
        crops = in_threads(self.threads, lambda job: read_crop(self.card, self.corpus, *job), jobs)
        pixels = torch.stack(crops).contiguous(memory_format=torch.channels_last)
        no_triplets = pixels.new_zeros(0, 3, *pixels.shape[1:])
        return ImageBatch(pixels, self.labels.map(lambda x: x[indices]), no_triplets, torch.zeros(0))

    def name(self, index: int) -> str:
        """Return the id of the example of an image, with its step if the example has several images."""
        example, step = self._place(index)
        return f"{example.id}, step {step}" if len(example.pictures) > 1 else example.id

    def _place(self, index: int) -> tuple[Example, int]:
        """Return the example and the step of an image."""
        number, step = self.places[index]
        return self.examples[number], int(step)


def check_images(corpus: Corpus, examples: list[Example]) -> None:
    """Raise DatasetError if examples have no images or image files are missing; count all, name the first."""
    if isinstance(corpus, CropsFaces | HasPictures):
        return
    if clips := [example.id for example in examples if not example.pictures]:
        count = f"no images for {len(clips)} of {counted(len(examples), 'example')}, {clips[0]} first"
        raise DatasetError(f"{count}: train a model over time on clips, such as model: temporal")
    paths = (path for example in examples for path in example.pictures if path is not None)
    if missing := [path for path in paths if not path.exists()]:
        count = counted(len(missing), "labelled image is", "labelled images are")
        raise DatasetError(f"{count} missing, {missing[0]} first; copy the corpus again")


def with_box_alone(example: Example) -> Example:
    """Return an example without labels other than its face box: those of a large corpus would fill the memory."""
    return replace(example, labels={name: labels for name, labels in example.labels.items() if name == "box"})


def in_threads(threads: int, function: Callable[[Job], Tensor], jobs: Sequence[Job]) -> list[Tensor]:
    """Return `function` of each job, such as a crop (3, S, S), in order.

    Threads help because decoding and resizing release Python's lock.
    """
    if threads < 2:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, jobs))


def read_crop(
    card: Card,
    corpus: Corpus,
    example: Example,
    step: int,
    augmentation: Augmentation | None,
    random: np.random.Generator | None,
) -> Tensor:
    """Read the face of an example at a step: (3, S, S) float32, see `to_crop`. Raises DatasetError."""
    return to_crop(card, read_image(corpus, example, step), augmentation, random)


def to_crop(
    card: Card, image: np.ndarray, augmentation: Augmentation | None, random: np.random.Generator | None
) -> Tensor:
    """Convert an image to a network's input, augmented if `augmentation` and `random` are given.

    image: (H, W) or (H, W, 3) uint8 RGB -> (3, S, S) float32, S, mean, deviation and channel order of the card.
    """
    side = card.size or 0
    pixels = torch.from_numpy(np.ascontiguousarray(to_rgb(image).transpose(2, 0, 1)))
    if augmentation is None or random is None:
        return normalised(card, resized(pixels, side)[None])[0]
    return erased(normalised(card, augmented(pixels, side, augmentation, random)[None])[0], augmentation, random)


def read_image(corpus: Corpus, example: Example, step: int) -> np.ndarray:
    """Read an image: (H, W) or (H, W, 3) uint8 RGB. Raises DatasetError if it is missing or damaged."""
    image = read_picture(corpus, example, step)
    if image is None:
        raise DatasetError(f"{example.id} has a label but no image at step {step}; check the folders of the corpus")
    return image


def _places(number: int, example: Example) -> np.ndarray:
    """Return index of the example and step for each of its T steps, (T, 2) int32."""
    steps = len(example)
    return np.column_stack([np.full(steps, number, np.int32), np.arange(steps, dtype=np.int32)])


def _has_image(example: Example) -> np.ndarray:
    """Return whether each step has an image, (T,) bool; every step of a corpus that reads its images itself."""
    if not example.pictures:
        return np.ones(len(example), bool)
    return np.array([path is not None for path in example.pictures])
