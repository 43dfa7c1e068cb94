"""Faces drawn at random in addition to the labelled images of every batch: triplets, and faces without labels."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Example, Partition
from avfer.datasets.listing import PICTURES, list_files, walk
from avfer.datasets.pictures import open_picture
from avfer.errors import AvferWarning, DatasetError, counted
from avfer.losses.aver_losses import MARGINS
from avfer.models.card import Card
from avfer.training.data.image_batches import in_threads, read_crop, to_crop, with_box_alone
from avfer.training.training_config import Augmentation, TripletConfig, UnlabelledConfig

DEFAULT_MARGIN = 0.2  # of a triplet whose kind is unknown
DEPTH = 16  # levels of folders; without a limit a link to a parent folder would never end


@dataclass(eq=False)
class Triplets:
    """P triplets of faces, two of which look more alike, on whose odd face the annotators agree."""

    corpus: Corpus  # that the images are read from
    examples: list[Example]  # each with three images
    orders: np.ndarray  # (P, 3): the indices of the two similar images, then that of the odd one
    margins: np.ndarray  # (P,) float32
    card: Card  # size, mean, standard deviation and channel order of the crops
    count: int  # drawn in addition to a full batch
    threads: int = 1  # that read images

    @classmethod
    def of(cls, config: TripletConfig, card: Card, threads: int) -> Self:
        """Read the labels of a corpus of triplets. Raises DatasetError if it has none to train on."""
        corpus = open_corpus(config.corpus, config.root, **config.options)
        partition: Partition = config.partition
        agreed, odd, margins, count = list[Example](), list[int](), list[float](), 0
        for example in corpus.examples(partition) if partition in corpus.partitions else ():
            count += 1
            if _is_agreed(example):
                agreed.append(with_box_alone(example))
                odd.append(int(example.labels["odd"].values.argmax()))
                margins.append(_margin(example))
        if not agreed:
            raise DatasetError(
                f"triplets: of {counted(count, 'example')} in the partition '{partition}' of {config.root} none has"
                f" three images with an odd one; run `avfer corpora check {config.corpus} {config.root}`"
            )
        orders = np.array([[*(i for i in range(3) if i != last), last] for last in odd])
        return cls(corpus, agreed, orders, np.array(margins, np.float32), card, config.batch, threads)

    def draw(self, share: float, augmentation: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
        """Draw triplets for a batch that is `share` of a full one; the same for the same seed.

        Returns crops (M, 3, 3, S, S) float32, the odd face last, and margins (M,) float32.
        """
        random = np.random.default_rng([seed, len(self.examples)])
        count = max(1, round(share * self.count))
        chosen = random.integers(len(self.examples), size=count)
        seeds = random.integers(2**62, size=(count, 3))
        jobs = [
            (self.examples[i], int(step), augmentation, np.random.default_rng(number))
            for i, numbers in zip(chosen, seeds, strict=True)
            for step, number in zip(self.orders[i], numbers, strict=True)
        ]
        crops = in_threads(self.threads, lambda job: read_crop(self.card, self.corpus, *job), jobs)
        return torch.stack(crops).unflatten(0, (count, 3)), torch.from_numpy(self.margins[chosen])


@dataclass(eq=False)
class UnlabelledFaces:
    """All images in a folder and its subfolders, for losses that read no labels."""

    root: Path  # the folder
    paths: list[Path]  # of all images below it
    card: Card  # size, mean, standard deviation and channel order of the crops
    count: int  # drawn in addition to a full batch
    threads: int = 1  # that read images
    damaged: set[Path] = field(default_factory=set[Path])  # found so far

    @classmethod
    def of(cls, config: UnlabelledConfig, card: Card, threads: int) -> Self:
        """List a folder. Raises DatasetError if there is no folder, or no readable image in it."""
        if not config.root.is_dir():
            raise DatasetError(f"unlabelled: there is no folder {config.root}; name one with images of faces")
        paths = [path for folder in walk(config.root, DEPTH) for path in list_files(folder, *PICTURES)]
        found = cls(config.root, paths, card, config.batch, threads)
        found.image(0)
        return found

    def draw(self, share: float, augmentation: Augmentation, seed: int) -> Tensor:
        """Draw crops (M, 3, S, S) float32 for a batch that is `share` of a full one; the same for the same seed."""
        random = np.random.default_rng([seed, len(self.paths), 1])
        count = max(1, round(share * self.count))
        chosen, seeds = random.integers(len(self.paths), size=count), random.integers(2**62, size=count)
        jobs = [(int(index), np.random.default_rng(number)) for index, number in zip(chosen, seeds, strict=True)]
        crops = in_threads(self.threads, lambda job: to_crop(self.card, self.image(job[0]), augmentation, job[1]), jobs)
        return torch.stack(crops)

    def image(self, index: int) -> np.ndarray:
        """Read an image, or the next readable one if it is damaged: (H, W) or (H, W, 3) uint8 RGB.

        AvferWarning names each damaged file once. Raises DatasetError if no image can be read.
        """
        for number in range(index, index + len(self.paths)):
            path = self.paths[number % len(self.paths)]
            try:
                return open_picture(path, path)
            except DatasetError as error:
                if path not in self.damaged:
                    warnings.warn(f"unlabelled: {error}; another image replaces it", AvferWarning, stacklevel=2)
                self.damaged.add(path)
        raise DatasetError(
            f"unlabelled: of {counted(len(self.paths), 'image')} ({', '.join(PICTURES)}) in {self.root} and its"
            " subfolders none can be read; name a folder with images of faces"
        )


def _is_agreed(example: Example) -> bool:
    """Return whether all three images exist and the annotators agree on the odd one."""
    needed = [example.labels[name] for name in ("odd", "box") if name in example.labels]
    is_complete = "odd" in example.labels and len(example.pictures) == 3 and all(example.pictures)
    return is_complete and all(bool(labels.valid.all()) for labels in needed)


def _margin(example: Example) -> float:
    """Return the margin of a triplet, by its kind if the corpus states one."""
    kind = example.labels.get("kind")
    return DEFAULT_MARGIN if kind is None else MARGINS.get(kind.names[int(kind.values[0])], DEFAULT_MARGIN)
