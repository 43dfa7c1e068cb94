"""What is made small while a face network learns: losses against labels, and those of the network's own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.losses.action_units import action_unit_loss
from avfer.losses.ccc import pair_loss
from avfer.losses.expression import expression_loss, votes_loss
from avfer.losses.pretext import geometric_mean
from avfer.models.card import Card
from avfer.models.reading import Reading
from avfer.training.coupled import coupling
from avfer.training.crops import PictureBatch
from avfer.training.mix import check_mix, mixes
from avfer.training.own_losses import OwnLoss, Setting, check_unlabelled, own_loss
from avfer.training.passes import Pass
from avfer.training.training_config import TrainConfig


class PictureObjective(nn.Module):
    """A face network with its losses: a batch in, a loss out."""

    class_weights: Tensor
    positive: Tensor

    def __init__(
        self, model: nn.Module, card: Card, config: TrainConfig, class_weights: Tensor, positive: Tensor
    ) -> None:
        super().__init__()
        self.model, self.card = model, card
        self.targets, self.loss, self.balance = config.targets, config.loss, config.balance
        self.combine, self.coupling = config.combine, coupling(config, card.classes, card.action_units)
        check_mix(config)
        self.mixes = mixes(config.mix)
        setting = Setting(card, config.teacher)
        self.own: dict[str, tuple[float, OwnLoss]] = {
            name: (weight, own_loss(name, model, setting)) for name, weight in config.losses.items()
        }
        if config.unlabelled is not None:
            check_unlabelled(config.losses, model)
        trained = {name: loss for name, (_, loss) in self.own.items() if isinstance(loss, nn.Module)}
        self.parts = nn.ModuleDict(trained)
        self.register_buffer("class_weights", class_weights, persistent=False)  # (K,)
        self.register_buffer("positive", positive, persistent=False)  # (A,)

    def forward(self, batch: PictureBatch) -> Tensor:
        """The weighted losses of all targets and of the network's own as one, ()."""
        seen = Pass(self.model, self.card, batch)
        labels = [batch.share * part for part in self._labels(seen, batch)]
        if self.mixes:
            labels += [(1 - batch.share) * part for part in self._labels(seen, batch.partners())]
        if self.coupling is not None:
            labels.append(self.loss.coupling * self._coupled(seen.reading, batch))
        own = [weight * loss(seen) for weight, loss in self.own.values()]
        if self.combine == "geometric_mean":
            return geometric_mean([torch.stack(labels).sum(), *own] if labels else own)
        return torch.stack([*labels, *own]).sum()

    def read(self, pixels: Tensor) -> Reading:
        """What the network tells of crops, without any loss."""
        return self.model.read(pixels)  # pyright: ignore[reportCallIssue]

    def _labels(self, seen: Pass, batch: PictureBatch) -> list[Tensor]:
        """What is told of the pixels against the labels of a batch, () for each target that weighs anything.

        Such losses are linear in the labels (but for what no gradient sees), so the share of mixed pictures is theirs.
        """
        parts: list[Tensor] = []
        if "expression" in self.targets and self.loss.expression:
            parts.append(self.loss.expression * self._expression(seen.reading, batch))
        if "valence_arousal" in self.targets and self.loss.valence_arousal:
            parts.append(self.loss.valence_arousal * _pair(seen.reading, batch))
        if "action_units" in self.targets and self.loss.action_units:
            parts.append(self.loss.action_units * self._units(seen.reading, batch))
        return parts

    def _expression(self, reading: Reading, batch: PictureBatch) -> Tensor:
        """Divergence from the votes where there are some, else cross-entropy; each over its share of the rows."""
        logits = reading.expression_logits
        assert logits is not None
        voted = (batch.votes.sum(1) > 0) & self.loss.votes
        classed = batch.expression_valid & ~voted
        rows = (voted | classed).sum().clamp(min=1)
        of_votes = votes_loss(logits, batch.votes, voted) * voted.sum() / rows
        return of_votes + self._classes(logits, batch.expression, classed) * classed.sum() / rows

    def _classes(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        if self.balance != "weights":
            return expression_loss(logits, target, valid, self.loss.smoothing)
        each = F.cross_entropy(logits, target, label_smoothing=self.loss.smoothing, reduction="none")
        return (each * self.class_weights[target] * valid).sum() / valid.sum().clamp(min=1)

    def _units(self, reading: Reading, batch: PictureBatch) -> Tensor:
        assert reading.action_unit_logits is not None
        positive = self.positive if self.loss.balanced else None
        return action_unit_loss(reading.action_unit_logits, batch.units, batch.units_valid, positive)

    def _coupled(self, reading: Reading, batch: PictureBatch) -> Tensor:
        expression, units = reading.expression_logits, reading.action_unit_logits
        assert self.coupling is not None and expression is not None and units is not None
        return self.coupling(expression, units, batch.expression, batch.expression_valid)


def _pair(reading: Reading, batch: PictureBatch) -> Tensor:
    """1 - CCC, mean of valence and arousal, over the batch as one series."""
    assert reading.valence_arousal is not None
    valence, arousal = reading.valence_arousal.T[:, None]
    return pair_loss(valence, arousal, batch.pair[None], batch.pair_valid[None])
