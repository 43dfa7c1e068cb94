"""What a face network tells by heads of its own, as a result."""

import warnings
from dataclasses import dataclass

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.errors import AvferWarning, ConfigError
from avfer.models.card import Card
from avfer.models.class_orders import known
from avfer.types import FaceFeatures


def check_order(card: Card) -> None:
    """ConfigError where classes are told whose order is not known."""
    if card.orders and not card.classes:
        told = f"the class order of these {card.name} weights is not known"
        raise ConfigError(f"{told}; `avfer models import` them: {known(card)}")


@dataclass
class OwnHeads:
    """Split what `embed_faces` was told; outputs without a head are NaN."""

    card: Card

    def __post_init__(self) -> None:
        name, card = self.card.name, self.card
        if not (card.valence_arousal or card.classes or card.action_units):
            check_order(card)
            raise ConfigError(f"{name} gives features alone; name a model that reads them (model:, weights:)")
        if card.assumed:
            told = f"expressions of {name} are named in the order of {card.assumed}, which its file does not state"
            warnings.warn(f"{told}; `avfer models import` it with --classes to be sure", AvferWarning, stacklevel=2)

    def __call__(self, features: FaceFeatures) -> AffectTrack:
        """The rows of the faces, in their order."""
        assert features.own is not None, "embed_faces gives it"
        own, n = features.own.cpu().numpy(), len(features.values)
        start = 2 * self.card.valence_arousal
        stop = start + len(self.card.classes)
        pair = own[:, :2] if start else np.full((n, 2), np.nan, np.float32)
        return AffectTrack(
            clock=features.clock,
            faces=features.faces,
            valence=pair[:, 0],
            arousal=pair[:, 1],
            expressions=own[:, start:stop],
            classes=tuple(self.card.classes),
            action_units=own[:, stop:],
            action_unit_names=tuple(self.card.action_units),
            has_voice=np.zeros(n, bool),
        )
