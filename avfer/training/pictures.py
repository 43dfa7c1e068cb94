"""The task of a face network: labelled pictures of a corpus, the network with its losses, scores of a partition."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.datasets.example import Corpus, Example
from avfer.errors import DatasetError
from avfer.losses.action_units import balance
from avfer.losses.pretext import class_weights
from avfer.metrics import ActionUnitScores, ClassScores, RegressionScores
from avfer.models.card import Card, Metric
from avfer.models.reading import Reading
from avfer.models.weights import save
from avfer.training.crops import (
    DIMENSIONS,
    PictureBatch,
    PictureLabels,
    Pictures,
    Wanted,
    check_pictures,
    shown_alone,
)
from avfer.training.mix import mixed, mixes
from avfer.training.output import prepare_output
from avfer.training.partitions import read_partitions
from avfer.training.picture_model import network, plain
from avfer.training.picture_objective import PictureObjective
from avfer.training.sequences import Names
from avfer.training.task import Tell
from avfer.training.training_config import AUGMENTATIONS, Augmentation, TrainConfig
from avfer.training.triplets import Triplets
from avfer.training.unlabelled import Unlabelled

READ = 64  # pictures at once where they are scored


@dataclass(eq=False)
class PictureTask:
    """Pictures of two partitions, and the network with its losses."""

    objective: PictureObjective
    known: Pictures  # learned from
    held: Pictures  # judged by
    config: TrainConfig
    card: Card  # of the weights, without what is measured
    how: Augmentation
    chances: Tensor | None = None  # (P,) of each picture to be drawn, where rare classes are drawn as often
    triplets: Triplets | None = None  # learned beside
    unlabelled: Unlabelled | None = None  # learned beside

    def __len__(self) -> int:
        return len(self.known)

    def batch(self, indices: list[int]) -> PictureBatch:
        """These pictures, or as many drawn by `chances`; changed at random by the state of torch's random numbers.

        That state is part of a checkpoint, so a training that goes on sees what it would have seen. There are two
        pictures at least: some networks cannot learn from one. What is learned beside them is fewer where they are
        fewer than a full batch: at the end of an epoch, and in each of several processes.
        """
        share = len(indices) / self.config.batch
        seed = int(torch.randint(2**62, ()))
        if self.chances is not None:
            indices = torch.multinomial(self.chances, len(indices), replacement=True).tolist()
        if len(indices) < 2:
            indices = [*indices, int(torch.randint(len(self), ()))]
        batch = self.known.batch(indices, self.how, seed)
        if mixes(self.config.mix):
            batch = mixed(batch, self.config.mix, np.random.default_rng(int(torch.randint(2**62, ()))))
        if self.triplets is not None:
            faces, margins = self.triplets.draw(share, self.how, seed)
            batch = replace(batch, triplets=faces, margins=margins)
        return batch if self.unlabelled is None else batch.with_unlabelled(self.unlabelled.draw(share, self.how, seed))

    def item_names(self, indices: list[int]) -> list[str]:
        """Pictures; none where a batch draws its own."""
        return [] if self.chances is not None else [self.known.name(index) for index in indices]

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Scores of the deciding partition; "score" is the mean over the targets, without one minus the loss."""
        if not self.config.targets:
            return self._without_labels(objective, device)
        measures = PictureScores(self.config, self.card)
        for batch in self._dev_batches():
            measures.add(cast(PictureObjective, objective).read(batch.pixels.to(device)), batch)
        return measures.result()

    def _without_labels(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """The loss itself, with the same random choices (of what is hidden, say) each time."""
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.config.seed)
            for batch in self._dev_batches():
                total += len(batch.pixels) * float(objective(batch.to(device)))
        return {"score": -total / len(self.held), "dev_loss": total / len(self.held)}

    def _dev_batches(self) -> Iterator[PictureBatch]:
        for start in range(0, len(self.held), READ):
            yield self.held.batch(list(range(start, min(start + READ, len(self.held)))))

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """best.safetensors with a card, ready for `weights:` in a pipeline."""
        protocol = f"{self.config.corpus}, partition {self.config.dev}, {len(self.held)} pictures"
        metrics = [Metric(name=name, value=round(value, 4), protocol=protocol) for name, value in scores.items()]
        model, card = plain(cast(PictureObjective, objective).model, self.card)
        save(model, card.model_copy(update={"metrics": metrics}), folder / "best.safetensors")


class PictureScores:
    """Scores of all targets, batch by batch."""

    def __init__(self, config: TrainConfig, card: Card) -> None:
        self.targets, self.decide = config.targets, config.decide
        self.pair = [RegressionScores(), RegressionScores()]
        self.expression = ClassScores(len(card.classes))
        self.units = ActionUnitScores(card.action_units)

    def add(self, told: Reading, batch: PictureBatch) -> None:
        """What a network tells of a batch; rows without a label do not count."""
        if "expression" in self.targets and told.expression_logits is not None:
            valid = batch.expression_valid
            self.expression.add(told.expression_logits.argmax(1).cpu()[valid].numpy(), batch.expression[valid].numpy())
        if "valence_arousal" in self.targets and told.valence_arousal is not None:
            for column, scores in enumerate(self.pair):
                valid = batch.pair_valid[:, column]
                values = told.valence_arousal[:, column].double().clamp(-1, 1).cpu()
                scores.add(values[valid].numpy(), batch.pair[valid, column].double().numpy())
        if "action_units" in self.targets and told.action_unit_logits is not None:
            values = told.action_unit_logits.sigmoid().double().cpu().numpy()
            self.units.add(values, batch.units.double().numpy(), batch.units_valid.numpy())

    def result(self) -> dict[str, float]:
        """Numbers by name, and their mean over the targets."""
        found, heads = dict[str, float](), list[float]()
        if "expression" in self.targets:
            scores = self.expression.result()
            found |= {name: scores[name] for name in ("accuracy", "f1_macro", "uar")}
            heads.append(scores[self.decide])
        if "valence_arousal" in self.targets:
            ccc = [scores.result()["ccc"] for scores in self.pair]
            found |= {f"ccc_{name}": value for name, value in zip(DIMENSIONS, ccc, strict=True)}
            heads.append(sum(ccc) / 2)
        if "action_units" in self.targets:
            found["au_f1"] = self.units.result()["f1_macro"]
            heads.append(found["au_f1"])
        return {"score": float(np.mean(heads)), **found}


def picture_task(config: TrainConfig, resume: bool, tell: Tell) -> PictureTask:
    """All that training a face network needs; what cannot work is told here."""
    corpus, train, dev = read_partitions(config, tell)
    torch.manual_seed(config.seed)
    names = Names.of([*train, *dev], config.targets)
    model, card = network(config, names.classes, names.units)
    told = {
        "description": f"Trained by avfer on {corpus.name}. {card.description}".rstrip(),
        "data": f"{corpus.name} ({corpus.distribution}), partition {config.train}; {corpus.protocol}",
        "licence_weights": f"as the terms of {corpus.name} allow",
        "published": [],
        "metrics": [],
        "sha256": None,
    }
    card = card.model_copy(update=told)
    check_pictures(corpus, [*train, *dev])
    known, held = _pictures(config, corpus, train, card), _pictures(config, corpus, dev, card, scored=True)
    if not len(known) or not len(held):
        empty = config.dev if len(known) else config.train
        raise DatasetError(
            f"the partition '{empty}' of {config.root} has no picture to learn from: is the copy complete?"
        )
    labels = known.labels
    counts = np.bincount(labels.expression[labels.expression_valid], minlength=max(1, len(card.classes)))
    positive = balance(torch.from_numpy(labels.units), torch.from_numpy(labels.units_valid))
    objective = PictureObjective(model, card, config, class_weights(counts.clip(1).tolist()), positive)
    threads = config.workers or config.threads
    triplets = Triplets.of(config.triplets, card, threads) if config.triplets else None
    unlabelled = Unlabelled.of(config.unlabelled, card, threads) if config.unlabelled else None
    objective.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    prepare_output(config, resume, objective)
    how = AUGMENTATIONS[config.augment] if isinstance(config.augment, str) else config.augment
    chances = _chances(labels, counts) if config.balance == "sampler" else None
    return PictureTask(objective, known, held, config, card, how, chances, triplets, unlabelled)


def _pictures(
    config: TrainConfig, corpus: Corpus, examples: list[Example], card: Card, scored: bool = False
) -> Pictures:
    """Those with labels; for scores votes are none."""
    expression, units = "expression" in config.targets, "action_units" in config.targets
    wanted = Wanted(
        tuple(card.classes) if expression else (),
        tuple(card.action_units) if units else (),
        "valence_arousal" in config.targets,
        votes=not scored and config.loss.votes,
    )
    labels = PictureLabels.of(examples, wanted)
    return Pictures(
        corpus, [shown_alone(example) for example in examples], labels, card, config.workers or config.threads
    )


def _chances(labels: PictureLabels, counts: np.ndarray) -> Tensor:
    """(P,): each class is drawn as often; a picture without a class as if it were of a middling one."""
    usual = counts[counts > 0].mean()
    of_class = 1 / np.where(counts > 0, counts, usual)
    return torch.from_numpy(np.where(labels.expression_valid, of_class[labels.expression], 1 / usual))
