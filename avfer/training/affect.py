"""The task of an affect model over features: sequences of recordings to learn from, whole recordings to score."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.errors import AvferWarning
from avfer.evaluation.delay import undo
from avfer.losses.action_units import balance
from avfer.metrics import ActionUnitScores, ClassScores, RegressionScores
from avfer.models.affect.heads import AffectOutputs
from avfer.models.card import Card, Metric
from avfer.models.weights import save
from avfer.training.coupled import coupling
from avfer.training.embed import Embedder
from avfer.training.objective import Objective
from avfer.training.optimise import make_optimiser
from avfer.training.output import prepare_output
from avfer.training.over_time import affect_model, delays_of, learned, names_of
from avfer.training.partitions import SHOWN, read_partitions
from avfer.training.sequences import DIMENSIONS, Batch, Names, Recording, Sequences, cut, stacked
from avfer.training.standardise import standardise
from avfer.training.task import Tell
from avfer.training.training_config import Target, TrainConfig

BLOCK = 1024  # steps of a recording that a model which reads stretches is told at once


def affect_task(config: TrainConfig, resume: bool, tell: Tell) -> "AffectTask":
    """The task of an affect model over features, which are made once. All that can be wrong is told before that."""
    corpus, *partitions = read_partitions(config, tell)
    examples = [example for partition in partitions for example in partition]
    embedder = Embedder(config.pipeline, dict(config.settings), config.output / "features", config.device)
    embedder.check(examples)
    names = names_of(config, examples)
    coupled = coupling(config, names.classes, names.units)
    torch.manual_seed(config.seed)
    model, card = affect_model(config, embedder.widths, names)
    make_optimiser(model, config.optimiser)  # tells of parts that are not there
    prepare_output(config, resume, model)
    recordings: list[Recording] = []
    for done, example in enumerate(examples, start=1):
        recordings.append(Recording.of(example, embedder.features(example), config.targets, names))
        tell("features", done, len(examples))
    _warn_of_absence(recordings, embedder.widths)
    known, held = recordings[: len(partitions[0])], recordings[len(partitions[0]) :]
    delays = delays_of(config, known, held)
    if config.weights is None:
        standardise(model, known)
    card = learned(card, corpus, config, names, delays).model_copy(update={"trained_on": embedder.backbones})
    objective = Objective(model, config.targets, config.loss, positive_weights(known), coupled)
    sequences = Sequences(known, config.length, config.stride, delays)
    return AffectTask(objective, sequences, held, config, names, card, delays)


def _warn_of_absence(recordings: list[Recording], widths: dict[str, int]) -> None:
    """Tell of recordings in which nothing is seen, or heard, of what the model reads."""
    for modality, what in (("face", "show no face"), ("voice", "have no sound")):
        silent = [r.id for r in recordings if not getattr(r.features, f"has_{modality}").any()]
        if widths[modality] and silent:
            told = ", ".join(silent[:SHOWN]) + (", ..." if len(silent) > SHOWN else "")
            warnings.warn(f"{len(silent)} of {len(recordings)} recordings {what}: {told}", AvferWarning, stacklevel=2)


@dataclass(eq=False)
class AffectTask:
    """Recordings of two partitions, and the model with its loss."""

    objective: Objective
    train: Sequences
    dev: list[Recording]
    config: TrainConfig
    names: Names
    card: Card  # of the weights, without what is measured
    delays: tuple[float, float] = (0.0, 0.0)  # s, by which labels were moved earlier; undone on predictions

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, indices: list[int]) -> Batch:
        """The sequences of these numbers."""
        return self.train.batch(indices)

    def item_names(self, indices: list[int]) -> list[str]:
        """Recordings, and where in them."""
        return [self.train.name(index) for index in indices]

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Scores over all recordings of the deciding partition joined; "score" is the mean over the targets."""
        measures = _Measures(self.config.targets, self.names)
        for recording in self.dev:
            told = self.told(cast(Objective, objective), recording, device)
            measures.add(recording, AffectOutputs(*(x[0].float().cpu() for x in told)), self.delays)
        return measures.result()

    def told(self, objective: Objective, recording: Recording, device: torch.device) -> AffectOutputs:
        """What the model tells of all steps of a recording, (1, T, ...)."""
        return read_whole(objective, stacked([cut(recording, slice(0, len(recording)))]).to(device))

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """best.safetensors with a card, ready for `weights:` in a pipeline."""
        save(cast(Objective, objective).model, self.measured(scores), folder / "best.safetensors")

    def measured(self, scores: dict[str, float]) -> Card:
        """The card with the scores."""
        undone = f", delay {self.delays} s undone" if any(self.delays) else ""
        protocol = f"{self.config.corpus}, partition {self.config.dev}, joined{undone}"
        metrics = [Metric(name=name, value=round(value, 4), protocol=protocol) for name, value in scores.items()]
        return self.card.model_copy(update={"metrics": metrics})


def positive_weights(recordings: list[Recording]) -> Tensor:
    """Weight of each action unit's occurrence over all labels of some recordings: (A,)."""
    units = torch.from_numpy(np.concatenate([r.units for r in recordings]))
    return balance(units, torch.from_numpy(np.concatenate([r.units_valid for r in recordings])))


def read_whole(objective: Objective, batch: Batch) -> AffectOutputs:
    """One recording of any length; a model that reads stretches is given blocks with all that they reach."""
    model = cast(Any, objective.model)
    length = batch.valid.shape[1]
    if getattr(model, "streams", True) or length <= BLOCK:
        return objective.read(batch)
    parts: list[AffectOutputs] = []
    for start in range(0, length, BLOCK):
        first, stop = max(0, start - model.past), min(length, start + BLOCK + model.ahead)
        names = ("face", "voice", "has_face", "has_voice", "times", "valid")
        some = replace(batch, **{name: getattr(batch, name)[:, first:stop] for name in names})
        told = objective.read(some)
        parts.append(AffectOutputs(*(x[:, start - first : start - first + BLOCK] for x in told)))
    return AffectOutputs(*(torch.cat(several, 1) for several in zip(*parts, strict=True)))


class _Measures:
    """Scores of all targets, recording by recording."""

    def __init__(self, targets: list[Target], names: Names) -> None:
        self.targets, self.names = targets, names
        self.pair = [RegressionScores(), RegressionScores()]
        self.expression = ClassScores(len(names.classes)) if names.classes else None
        self.units = ActionUnitScores(list(names.units)) if names.units else None

    def add(self, recording: Recording, told: AffectOutputs, delays: tuple[float, float]) -> None:
        for column, values in enumerate((told.valence, told.arousal)):
            valid = recording.pair_valid[:, column]
            if "valence_arousal" in self.targets and valid.any():
                late = undo(values.double().numpy().clip(-1, 1), delays[column], recording.step).values
                self.pair[column].add(late[valid], recording.pair[valid, column].astype(np.float64))
        valid = recording.expression_valid
        if self.expression is not None and valid.any():
            self.expression.add(told.expression_logits.argmax(1).numpy()[valid], recording.expression[valid])
        if self.units is not None and recording.units_valid.any():
            probabilities = told.action_unit_logits.sigmoid().double().numpy()
            self.units.add(probabilities, recording.units.astype(np.float64), recording.units_valid)

    def result(self) -> dict[str, float]:
        """Numbers by name, of what has labels."""
        found, heads = dict[str, float](), list[float]()
        if "valence_arousal" in self.targets:
            for name, scores in zip(DIMENSIONS, self.pair, strict=True):
                found[f"ccc_{name}"] = scores.result()["ccc"]
            heads.append((found["ccc_valence"] + found["ccc_arousal"]) / 2)
        if self.expression is not None:
            scores = self.expression.result()
            found |= {"f1_macro": scores["f1_macro"], "accuracy": scores["accuracy"]}
            heads.append(scores["f1_macro"])
        if self.units is not None:
            found["au_f1"] = self.units.result()["f1_macro"]
            heads.append(found["au_f1"])
        return {"score": float(np.mean(heads)), **found}
