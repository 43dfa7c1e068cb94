"""Triplets of faces, of which two look more alike, drawn beside the labelled pictures of every batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus, Example, Partition
from avfer.errors import DatasetError
from avfer.losses.triplet import MARGINS
from avfer.models.card import Card
from avfer.training.crops import crop, in_threads, shown_alone
from avfer.training.training_config import Augmentation, TripletConfig

USUAL = 0.2  # margin where the kind of a triplet is not told


@dataclass(eq=False)
class Triplets:
    """Triplets of a partition whose odd one people agree on."""

    corpus: Corpus
    examples: list[Example]  # each has three pictures
    orders: np.ndarray  # (P, 3): which pictures are alike, and the odd one last
    margins: np.ndarray  # (P,) float32
    card: Card
    count: int  # drawn beside a full batch
    threads: int = 1

    @classmethod
    def of(cls, config: TripletConfig, card: Card, threads: int) -> "Triplets":
        """Read the labels of a corpus; DatasetError where it has no triplet to learn from."""
        corpus = open_corpus(config.corpus, config.root, **config.options)
        partition: Partition = config.partition
        agreed, odd, margins, count = list[Example](), list[int](), list[float](), 0
        for example in corpus.examples(partition) if partition in corpus.partitions else ():
            count += 1
            if _agreed(example):
                agreed.append(shown_alone(example))
                odd.append(int(example.labels["odd"].values.argmax()))
                margins.append(_margin(example))
        if not agreed:
            raise DatasetError(
                f"triplets: the partition '{partition}' of {config.root} has {count} examples, and not one is of"
                f" three pictures with an odd one; look at `avfer corpora check {config.corpus} {config.root}`"
            )
        orders = np.array([[*(i for i in range(3) if i != last), last] for last in odd])
        return cls(corpus, agreed, orders, np.array(margins, np.float32), card, config.batch, threads)

    def draw(self, share: float, how: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
        """Triplets (M, 3, 3, S, S), the odd one last, and their margins (M,); the same for the same seed.

        share: of a full batch that they stand beside.
        """
        random = np.random.default_rng([seed, len(self.examples)])
        count = max(1, round(share * self.count))
        chosen = random.integers(len(self.examples), size=count)
        seeds = random.integers(2**62, size=(count, 3))
        jobs = [
            (self.examples[i], int(step), how, np.random.default_rng(number))
            for i, numbers in zip(chosen, seeds, strict=True)
            for step, number in zip(self.orders[i], numbers, strict=True)
        ]
        crops = in_threads(self.threads, lambda job: crop(self.card, self.corpus, *job), jobs)
        return torch.stack(crops).unflatten(0, (count, 3)), torch.from_numpy(self.margins[chosen])


def _agreed(example: Example) -> bool:
    """Whether all three faces are there, and people agree on the odd one."""
    needed = [example.labels[name] for name in ("odd", "box") if name in example.labels]
    there = "odd" in example.labels and len(example.pictures) == 3 and all(example.pictures)
    return there and all(bool(labels.valid.all()) for labels in needed)


def _margin(example: Example) -> float:
    kind = example.labels.get("kind")
    return USUAL if kind is None else MARGINS.get(kind.names[int(kind.values[0])], USUAL)
