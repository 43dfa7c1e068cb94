"""The task of a face network: labelled images to train on, the network with its losses, and scores of a partition.

Steps: read the partitions (data/labelled_partitions.py), create the network (image_model.py), collect the labelled
images (data/image_batches.py), and combine network and losses (image_objective.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.datasets.example import Corpus, Example
from avfer.errors import DatasetError
from avfer.losses.label_losses import class_weights, occurrence_weights
from avfer.models.card import Card
from avfer.models.weights import save
from avfer.progress import ReportProgress
from avfer.training.data.extra_images import Triplets, UnlabelledFaces
from avfer.training.data.image_batches import ImageBatch, LabelledImages, check_images
from avfer.training.data.labelled_partitions import read_partitions
from avfer.training.engine.output_folder import prepare_output
from avfer.training.images.image_model import create_network, for_inference
from avfer.training.images.image_objective import ImageObjective
from avfer.training.labels import TargetNames
from avfer.training.model_card import scored_card, trained_card
from avfer.training.scored_partition import ScoredPartition
from avfer.training.scores import TargetScores, on_cpu
from avfer.training.start_files import check_start_files
from avfer.training.training_config import Augmentation, Target, TrainConfig

SCORE_BATCH = 64  # images that are scored at once
ORDER: tuple[Target, ...] = ("expression", "valence_arousal", "action_units")  # of the scores
EXPRESSION_SCORES = ("accuracy", "f1_macro", "uar")


@dataclass(eq=False)
class ImageTask:
    """Images of two partitions, and the network with its losses."""

    objective: ImageObjective  # network and losses
    train: LabelledImages  # images to train on
    dev: LabelledImages  # images to score
    config: TrainConfig  # of the training run
    card: Card  # of the exported weights, without scores
    augmentation: Augmentation  # random changes of the images to train on
    draw_weights: Tensor | None = None  # (P,) float64, relative chance of each image to be drawn (`balance: sampler`)
    triplets: Triplets | None = None  # drawn in addition to each batch
    unlabelled: UnlabelledFaces | None = None  # drawn in addition to each batch

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, indices: list[int]) -> ImageBatch:
        """Return these images, or as many drawn by `draw_weights`, randomly changed.

        The result depends on torch's random number state alone, which is part of a checkpoint, so a resumed training
        run gets the same batches. A batch has at least two images, since some networks cannot train on one. A batch
        smaller than `batch:`, at the end of an epoch and in each of several processes, gets proportionally fewer
        triplets and unlabelled faces.
        """
        share = len(indices) / self.config.batch
        seed = int(torch.randint(2**62, ()))
        if self.draw_weights is not None:
            indices = torch.multinomial(self.draw_weights, len(indices), replacement=True).tolist()
        if len(indices) < 2:
            indices = [*indices, int(torch.randint(len(self), ()))]
        batch = self.train.batch(indices, self.augmentation, seed)
        if self.config.mix.is_active:
            batch = batch.mixed(self.config.mix, np.random.default_rng(int(torch.randint(2**62, ()))))
        if self.triplets is not None:
            triplets, margins = self.triplets.draw(share, self.augmentation, seed)
            batch = replace(batch, triplets=triplets, margins=margins)
        if self.unlabelled is None:
            return batch
        return batch.with_unlabelled(self.unlabelled.draw(share, self.augmentation, seed))

    def item_names(self, indices: list[int]) -> list[str]:
        """Return the names of these images; none if a batch draws its own."""
        return [] if self.draw_weights is not None else [self.train.name(index) for index in indices]

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Return the scores of the dev partition; see `TargetScores`. Without targets the score is minus the loss."""
        if not self.config.targets:
            return self._negative_loss(objective, device)
        targets: list[Target] = [target for target in ORDER if target in self.config.targets]
        names = TargetNames(tuple(self.card.classes), tuple(self.card.action_units))
        scores = TargetScores(targets, names, self.config.decide, EXPRESSION_SCORES)
        for batch in self._dev_batches():
            prediction = cast(ImageObjective, objective).predict(batch.pixels.to(device))
            scores.add(on_cpu(prediction), batch.labels)
        return scores.result()

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """Write best.safetensors with its card, ready for `weights:` of a pipeline. Raises OutputError."""
        model, card = for_inference(cast(ImageObjective, objective).model, self.card)
        card = scored_card(card, self.config, scores, f"{len(self.dev)} pictures")
        save(model, card, folder / "best.safetensors")

    def scored_partition(self) -> ScoredPartition:
        """Return what the dev partition contains."""
        classes = self.card.classes if "expression" in self.config.targets else []
        units = self.card.action_units if "action_units" in self.config.targets else []
        names = TargetNames(tuple(classes), tuple(units))
        return ScoredPartition.of(len(self.dev), "pictures", [self.dev.labels], names)

    def _negative_loss(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Return minus the mean loss of the dev partition, with the same random numbers (of masks, say) each time."""
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.config.seed)
            for batch in self._dev_batches():
                total += len(batch.pixels) * float(objective(batch.to(device)))
        return {"score": -total / len(self.dev), "dev_loss": total / len(self.dev)}

    def _dev_batches(self) -> Iterator[ImageBatch]:
        """Yield the dev images in order, without augmentation."""
        for start in range(0, len(self.dev), SCORE_BATCH):
            yield self.dev.batch(list(range(start, min(start + SCORE_BATCH, len(self.dev)))))


def image_task(config: TrainConfig, resume: bool, progress: ReportProgress) -> ImageTask:
    """Return everything that training a face network needs.

    Raises ConfigError, DatasetError or WeightsError for anything that cannot work, before training starts.
    """
    corpus, train_examples, dev_examples = read_partitions(config, progress)
    check_start_files(config)
    torch.manual_seed(config.seed)
    names = TargetNames.of([*train_examples, *dev_examples], config.targets)
    model, card = create_network(config, names)
    card = trained_card(card, corpus, config, card.description)
    check_images(corpus, [*train_examples, *dev_examples])
    train = _images(config, corpus, train_examples, card, votes=config.loss.votes)
    dev = _images(config, corpus, dev_examples, card, votes=False)  # scores compare classes
    if not len(train) or not len(dev):
        empty = config.dev if len(train) else config.train
        raise DatasetError(f"the partition '{empty}' of {config.root} has no labelled image: is the copy complete?")
    objective = _objective(model, card, config, train)
    threads = config.workers or config.threads
    triplets = Triplets.of(config.triplets, card, threads) if config.triplets else None
    unlabelled = UnlabelledFaces.of(config.unlabelled, card, threads) if config.unlabelled else None
    objective.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    prepare_output(config, resume, objective)
    weights = _draw_weights(train, len(card.classes)) if config.balance == "sampler" else None
    return ImageTask(objective, train, dev, config, card, config.augmentation, weights, triplets, unlabelled)


def _objective(model: nn.Module, card: Card, config: TrainConfig, train: LabelledImages) -> ImageObjective:
    """Return the network with its losses, weighted by the class and occurrence counts of the training images."""
    counts = _class_counts(train, max(1, len(card.classes)))
    pos_weight = occurrence_weights(train.labels.action_units, train.labels.action_units_valid)
    weights = class_weights(counts.clip(1).tolist())
    return ImageObjective(model, card, config, weights, pos_weight)  # pyright: ignore[reportArgumentType]


def _images(config: TrainConfig, corpus: Corpus, examples: list[Example], card: Card, votes: bool) -> LabelledImages:
    """Return the labelled images of a partition."""
    return LabelledImages.of(corpus, examples, config.targets, card, votes, config.workers or config.threads)


def _class_counts(images: LabelledImages, classes: int) -> np.ndarray:
    """Return the number of images of each class, (K,) int64."""
    labels = images.labels
    return np.bincount(labels.expression[labels.expression_valid].numpy(), minlength=classes)


def _draw_weights(images: LabelledImages, classes: int) -> Tensor:
    """Return weights (P,) float64 that draw all classes equally often; an image without a class counts as average."""
    counts = _class_counts(images, max(1, classes))
    average = counts[counts > 0].mean()
    of_class = 1 / np.where(counts > 0, counts, average)
    labels = images.labels
    weights = np.where(labels.expression_valid.numpy(), of_class[labels.expression.numpy()], 1 / average)
    return torch.from_numpy(weights)
