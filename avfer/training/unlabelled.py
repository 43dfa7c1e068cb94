"""Faces without labels, drawn beside the labelled pictures of every batch for losses that read no label."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.listing import PICTURES, files, walk
from avfer.datasets.stills import open_picture
from avfer.errors import AvferWarning, DatasetError
from avfer.models.card import Card
from avfer.training.crops import as_asked, in_threads
from avfer.training.training_config import Augmentation, UnlabelledConfig

DEPTH = 16  # levels of folders: a link to a folder above it would go on for ever


@dataclass(eq=False)
class Unlabelled:
    """All pictures in a folder and below it."""

    root: Path
    paths: list[Path]
    card: Card  # size, mean, std and colour of the crops
    count: int  # drawn beside a full batch
    threads: int = 1
    damaged: set[Path] = field(default_factory=set[Path])  # met so far

    @classmethod
    def of(cls, config: UnlabelledConfig, card: Card, threads: int) -> "Unlabelled":
        """List a folder; DatasetError where there is none, or no picture in it that can be read."""
        if not config.root.is_dir():
            raise DatasetError(f"unlabelled: there is no folder {config.root}; name one with pictures of faces")
        paths = [path for folder in walk(config.root, DEPTH) for path in files(folder, *PICTURES)]
        found = cls(config.root, paths, card, config.batch, threads)
        found.picture(0)
        return found

    def draw(self, share: float, how: Augmentation, seed: int) -> Tensor:
        """Crops (M, 3, S, S), as many as go with this share of a full batch; the same for the same seed."""
        random = np.random.default_rng([seed, len(self.paths), 1])
        count = max(1, round(share * self.count))
        chosen, seeds = random.integers(len(self.paths), size=count), random.integers(2**62, size=count)
        jobs = [(int(index), np.random.default_rng(number)) for index, number in zip(chosen, seeds, strict=True)]
        crops = in_threads(self.threads, lambda job: as_asked(self.card, self.picture(job[0]), how, job[1]), jobs)
        return torch.stack(crops)

    def picture(self, index: int) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8 RGB; in place of one that is damaged the next that is not."""
        for number in range(index, index + len(self.paths)):
            path = self.paths[number % len(self.paths)]
            try:
                return open_picture(path, path)
            except DatasetError as error:
                if path not in self.damaged:
                    warnings.warn(f"unlabelled: {error}; another stands in for it", AvferWarning, stacklevel=2)
                self.damaged.add(path)
        raise DatasetError(
            f"unlabelled: of {len(self.paths)} pictures ({', '.join(PICTURES)}) in {self.root} and below not one can be"
            " read; name a folder with pictures of faces"
        )
