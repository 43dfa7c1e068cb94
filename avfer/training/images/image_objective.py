"""The loss of a face network on a batch of images: losses against labels, and the losses of `losses:`."""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.catalog import NAMES, check_call, find
from avfer.errors import ConfigError
from avfer.losses.affect_labels import AffectLabels
from avfer.losses.hmtl_losses import geometric_mean
from avfer.losses.label_losses import action_unit_loss, expression_loss, valence_arousal_loss, votes_loss
from avfer.losses.network_loss import ForwardPass, FrozenTeacher, LossContext, NetworkLoss
from avfer.models.card import Card
from avfer.models.network import FaceNetwork, Network
from avfer.models.prediction import Prediction
from avfer.training.data.image_batches import ImageBatch
from avfer.training.training_config import TrainConfig


class ImageObjective(nn.Module):
    """A face network with all its losses: maps a batch to one loss, so that training is a single forward call.

    model: the network in training; card: of its crops, with the classes of the corpus; config: of the training run.
    """

    class_weights: Tensor
    pos_weight: Tensor

    def __init__(
        self, model: FaceNetwork, card: Card, config: TrainConfig, class_weights: Tensor, pos_weight: Tensor
    ) -> None:
        """class_weights: (K,) float, for `balance: weights`; pos_weight: (A,) float, weights of occurrences.

        Raises ConfigError if a loss is unknown, does not suit the network, or contradicts another key.
        """
        super().__init__()
        self.model, self.card = model, card
        self.targets, self.loss, self.balance = config.targets, config.loss, config.balance
        self.combine, self.mixes = config.combine, config.mix.is_active
        _check_mixing(config)
        _check_balance(config)
        context = LossContext(card, config.teacher)
        self.weights = dict(config.losses)
        losses = {name: create_loss(name, model, context) for name in config.losses}
        if config.unlabelled is not None:
            _check_unlabelled(self.weights, losses, model)
        self.teacher = _load_teacher(losses, context)
        self.parts = nn.ModuleDict({part_name(name): loss for name, loss in losses.items()})
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.register_buffer("pos_weight", pos_weight, persistent=False)

    def forward(self, batch: ImageBatch) -> Tensor:
        """Return the weighted losses of all targets and of `losses:`, combined to one loss, ()."""
        forward_pass = self.forward_pass(batch)
        parts = [batch.share * part for part in self._label_losses(forward_pass, batch.labels)]
        if self.mixes:
            partners = self._label_losses(forward_pass, batch.partners())
            parts += [(1 - batch.share) * part for part in partners]
        own = [weight * self.network_loss(name)(forward_pass) for name, weight in self.weights.items()]
        if self.combine == "geometric_mean":
            return geometric_mean([torch.stack(parts).sum(), *own] if parts else own)
        return torch.stack([*parts, *own]).sum()

    def forward_pass(self, batch: ImageBatch) -> ForwardPass:
        """Return the forward pass that all losses of a batch share."""
        return ForwardPass(self.model, self.card, batch, self.teacher)

    def network_loss(self, name: str) -> NetworkLoss:
        """Return a loss of `losses:` by its name."""
        return cast(NetworkLoss, self.parts[part_name(name)])

    def predict(self, pixels: Tensor) -> Prediction:
        """Return the prediction of the network.   pixels: (N, 3, S, S) float32, normalised as the card says."""
        return self.model.predict(pixels)

    def _label_losses(self, forward_pass: ForwardPass, labels: AffectLabels) -> list[Tensor]:
        """Return the weighted loss of each target, () each, of one prediction against some labels.

        The losses are linear in the labels, apart from terms without gradient, so for mixed images the share of an
        image is the share of its loss.
        """
        parts: list[Tensor] = []
        if "expression" in self.targets and self.loss.expression:
            parts.append(self.loss.expression * self._expression(forward_pass.prediction, labels))
        if "valence_arousal" in self.targets and self.loss.valence_arousal:
            parts.append(self.loss.valence_arousal * _valence_arousal(forward_pass.prediction, labels))
        if "action_units" in self.targets and self.loss.action_units:
            parts.append(self.loss.action_units * self._action_units(forward_pass.prediction, labels))
        return parts

    def _expression(self, prediction: Prediction, labels: AffectLabels) -> Tensor:
        """Return the loss of expressions: of the votes for rows with votes, else of the class; by their counts."""
        logits = prediction.expression_logits
        assert logits is not None
        voted = (labels.votes.sum(1) > 0) & self.loss.votes
        classed = labels.expression_valid & ~voted
        rows = (voted | classed).sum().clamp(min=1)
        of_votes = votes_loss(logits, labels.votes, voted) * voted.sum() / rows
        return of_votes + self._classes(logits, labels.expression, classed) * classed.sum() / rows

    def _classes(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the cross-entropy, with `balance: weights` weighted by class."""
        if self.balance != "weights":
            return expression_loss(logits, target, valid, self.loss.smoothing)
        losses = F.cross_entropy(logits, target, label_smoothing=self.loss.smoothing, reduction="none")
        return (losses * self.class_weights[target] * valid).sum() / valid.sum().clamp(min=1)

    def _action_units(self, prediction: Prediction, labels: AffectLabels) -> Tensor:
        """Return the loss of the action units, with `balanced` weighted by their frequency, ()."""
        assert prediction.action_unit_logits is not None
        pos_weight = self.pos_weight if self.loss.balanced else None
        return action_unit_loss(
            prediction.action_unit_logits, labels.action_units, labels.action_units_valid, pos_weight
        )


def find_loss(name: str) -> type[NetworkLoss]:
    """Return the class of a loss by its catalog name or `package.module:Name`. Raises ConfigError as `find`."""
    kind = find("loss", name)
    check_call("loss", name, kind)
    return kind


def check_needs(name: str, kind: type[NetworkLoss], model_name: str, model: Network) -> None:
    """Raise ConfigError if a network lacks what a loss needs. name, model_name: of loss and network, for messages."""
    if missing := sorted(kind.needs - model.offers):
        offered = ", ".join(sorted(model.offers)) or "nothing"
        raise ConfigError(
            f"losses: {name} needs {', '.join(missing)} of the network; {model_name} with these model_options offers"
            f" {offered}"
        )


def create_loss(name: str, model: FaceNetwork, context: LossContext) -> NetworkLoss:
    """Return a loss of `losses:` by its catalog name or `package.module:Name`.

    Raises ConfigError if there is none of this name, or if the network lacks what it needs.
    """
    kind = find_loss(name)
    check_needs(name, kind, context.card.name, model)
    try:
        return kind(context)
    except ValueError as error:
        raise ConfigError(f"losses: {name}: {error}") from error


def part_name(name: str) -> str:
    """Return the name of a loss as torch allows it for a part of a module."""
    return name.replace(".", "_")


def _load_teacher(losses: Mapping[str, NetworkLoss], context: LossContext) -> FrozenTeacher | None:
    """Return the one teacher of all losses that read one, None if none does. Raises ConfigError, WeightsError."""
    names = [loss.teacher for loss in losses.values() if loss.teacher]
    return FrozenTeacher(context, names[0]) if names else None


def _check_unlabelled(weights: Mapping[str, float], losses: Mapping[str, NetworkLoss], model: FaceNetwork) -> None:
    """Raise ConfigError if no loss with a weight reads crops without labels."""
    if any(weight and not losses[name].reads_labels for name, weight in weights.items()):
        return
    kinds: dict[str, type[NetworkLoss]] = {name: find("loss", name) for name in NAMES["loss"]}
    usable = [name for name, kind in kinds.items() if not kind.reads_labels and kind.needs <= model.offers]
    raise ConfigError(
        f"unlabelled: no loss reads faces without labels; give one a weight in losses: ({', '.join(usable)}), or remove"
        " unlabelled:"
    )


def _check_mixing(config: TrainConfig) -> None:
    """Raise ConfigError if images are mixed and a loss has no share for each of the two."""
    if not config.mix.is_active:
        return
    if "valence_arousal" in config.targets:
        raise ConfigError(
            "mix: the loss of valence and arousal is the correlation over a batch, which mixed images have no share of;"
            " remove valence_arousal from targets:, or remove mix:"
        )
    if config.losses or not config.targets:
        names = ", ".join(config.losses) or "nothing"
        raise ConfigError(f"mix: only labels can be mixed, and losses: has {names}; remove losses:, or remove mix:")


def _check_balance(config: TrainConfig) -> None:
    """Raise ConfigError if classes are to be balanced, and no target has classes."""
    if config.balance != "none" and "expression" not in config.targets:
        raise ConfigError(
            f"balance: {config.balance} makes up for rare expressions, which are not in targets:; add expression, or"
            " leave out balance (--set balance=none)"
        )


def _valence_arousal(prediction: Prediction, labels: AffectLabels) -> Tensor:
    """Return 1 - CCC, the mean of valence and arousal, over the batch as one series."""
    assert prediction.valence_arousal is not None
    valence, arousal = prediction.valence_arousal.T[:, None]
    return valence_arousal_loss(valence, arousal, labels.valence_arousal[None], labels.valence_arousal_valid[None])
