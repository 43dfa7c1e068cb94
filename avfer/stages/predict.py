"""Read affect from features, instant by instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from avfer.affect_track import AffectTrack
from avfer.catalog import find
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.network import AffectModel, find_network
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate, sha256
from avfer.stage import Cards
from avfer.stages.own_heads import OwnHeads, check_order
from avfer.types import FaceFeatures, JointFeatures

if TYPE_CHECKING:
    from avfer.stages.stretches import PredictStretches

OWN = "own"  # in place of a model's name
FORGET = 10.0  # seconds after which a track that is not seen is a new one


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of each track; the moments without a face are a track of their own."""

    hidden: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])  # track -> (1, H)
    seen: Mapping[int, float] = field(default_factory=dict[int, float])  # track -> seconds


@dataclass
class PredictAffect:
    """Valence, arousal, expressions and action units of each row, with one hidden state per track.

    `model: own` stands for the heads that come with the face backbone: the affect model that its card names, or
    what the network itself tells. All tracks of an instant are one batch, so that no value depends on where the clip
    was cut. A row without a face is read from the voice alone, without action units; a row with neither (or without a
    face, where the model does not listen) is NaN.
    """

    model: str = "gru_lite"
    weights: str = "builtin"

    def __post_init__(self) -> None:
        if self.model != OWN:
            find("affect model", self.model)

    def fit(self, cards: Cards) -> "PredictAffect | PredictStretches | OwnHeads":
        """The stage for features of such networks; ConfigError where the model was not made for them."""
        if self.model == OWN:
            return _own(cards)
        wanted = locate(self.model, self.weights)[1]
        check_order(wanted)
        if not wanted.inputs:
            raise ConfigError(f"{self.model} gives features alone; name a model that reads them (model:, weights:)")
        read = wanted.inputs.keys() & cards.keys()
        if not read:
            needs, has = " and ".join(wanted.inputs), " and ".join(cards)
            raise ConfigError(f"{self.model} reads features of the {needs}, but is given those of the {has} alone")
        for name in read:
            _check(wanted, cards[name], name)
        with torch.device("meta"):
            causal = find_network(self.model, AffectModel)(**wanted.options).causal
        if causal:
            return self
        from avfer.stages.stretches import PredictStretches

        return PredictStretches(self)

    def load(self, device: torch.device) -> None:
        """Build the model and put its weights on the device."""
        path, self.card = locate(self.model, self.weights)
        self.device = device
        network = find_network(self.model, AffectModel)(**self.card.options)
        load_into(network, path, self.card)
        self.network = network.to(device).eval()

    def files(self) -> dict[str, str]:
        """The weight file and its sha256."""
        path = locate(self.model, self.weights)[0]
        return {path.name: sha256(path)}

    def start(self) -> Memory:
        """Nobody seen."""
        return Memory()

    @torch.inference_mode()
    def step(self, state: Memory, features: FaceFeatures | JointFeatures) -> tuple[Memory, AffectTrack]:
        """Affect of the rows, in their order."""
        faces, times = features.faces, features.faces.times
        face, voice, has_face, has_voice = self.inputs(features)
        hidden, seen = dict(state.hidden), dict(state.seen)
        readable = np.flatnonzero(self.readable(has_face, has_voice))
        index = torch.from_numpy(readable)
        seeing, hearing = torch.from_numpy(has_face[readable]), torch.from_numpy(has_voice[readable])
        inputs = face[index], voice[index], seeing.to(self.device), hearing.to(self.device)
        tracks, frames = faces.track_ids[readable].tolist(), faces.frames[readable]
        borders = [0, *(np.flatnonzero(np.diff(frames)) + 1).tolist(), len(readable)]
        told = [torch.zeros(0, self.width, device=self.device)]
        for a, b in pairwise(borders) if len(readable) else []:
            now = float(times[readable[a]])
            known = [hidden[t] if now - seen.get(t, -np.inf) <= FORGET else self.network.start(1) for t in tracks[a:b]]
            out, after = self.network.step(*(rows[a:b].clone() for rows in inputs), hidden=torch.cat(known))
            told.append(output_columns(out))  # here, not for all at once: the last bits of exp depend on the shape
            hidden.update(zip(tracks[a:b], after.split(1), strict=True))
            seen.update(dict.fromkeys(tracks[a:b], now))
        newest = max(seen.values(), default=0.0)
        kept = {t: time for t, time in seen.items() if newest - time <= FORGET}
        values = np.full((len(times), self.width), np.nan, np.float32)
        values[readable] = torch.cat(told).cpu().numpy()
        return Memory({t: hidden[t] for t in kept}, kept), self.track(features, values, has_face, has_voice)

    def readable(self, has_face: np.ndarray, has_voice: np.ndarray) -> np.ndarray:
        """(N,) bool: rows of which the model can say something."""
        seen = has_face & ("face" in self.card.inputs)
        return seen | has_voice if "voice" in self.card.inputs else seen

    def inputs(self, features: FaceFeatures | JointFeatures) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
        """Face (N, Df), voice (N, Dv), has_face (N,), has_voice (N,); what is not given is 0."""
        if isinstance(features, FaceFeatures):
            n, look, sound = len(features.values), features.values, None
            has_face, has_voice = np.ones(n, bool), np.zeros(n, bool)
        else:
            n, look, sound = len(features.has_voice), features.face, features.voice
            has_face, has_voice = features.has_face, features.has_voice
        given = {"face": look, "voice": sound}
        blank = {name: torch.zeros(n, self.card.inputs.get(name, 0), device=self.device) for name in given}
        face, voice = (
            blank[name] if value is None or not value.shape[1] else value.to(self.device)
            for name, value in given.items()
        )
        return face, voice, has_face, has_voice

    def track(
        self, features: FaceFeatures | JointFeatures, values: np.ndarray, has_face: np.ndarray, has_voice: np.ndarray
    ) -> AffectTrack:
        """The rows with their values (N, `width`)."""
        k = 2 + len(self.card.classes)
        return AffectTrack(
            clock=features.clock,
            faces=features.faces,
            valence=values[:, 0],
            arousal=values[:, 1],
            expressions=values[:, 2:k],
            classes=tuple(self.card.classes),
            action_units=np.where(has_face[:, None], values[:, k:], np.float32(np.nan)),
            action_unit_names=tuple(self.card.action_units),
            has_voice=has_voice,
        )

    @property
    def width(self) -> int:
        """Columns of what is told of a row."""
        return 2 + len(self.card.classes) + len(self.card.action_units)


def output_columns(prediction: Prediction) -> Tensor:
    """Return N rows of an affect model as columns: valence, arousal, then probabilities.

    -> (N, 2 + K + A): valence and arousal in [-1, 1] (NaN for a model without a head for them), the probabilities of K
    classes, which sum to 1, and of A action units.
    """
    probabilities: list[Tensor] = []
    if prediction.expression_logits is not None:
        probabilities.append(prediction.expression_logits.softmax(1))
    if prediction.action_unit_logits is not None:
        probabilities.append(prediction.action_unit_logits.sigmoid())
    valence_arousal = prediction.valence_arousal
    if valence_arousal is None:
        valence_arousal = probabilities[0].new_full((len(probabilities[0]), 2), torch.nan)
    return torch.cat([valence_arousal, *probabilities], 1)


def _own(cards: Cards) -> "PredictAffect | PredictStretches | OwnHeads":
    if "face" not in cards or "voice" in cards:
        raise ConfigError(f"model: {OWN} reads what embed_faces gives, without the voice; put its name behind from:")
    card = cards["face"]
    if card.inputs:
        raise ConfigError(f"{card.name} reads its features over time: name it behind model: too, with the same weights")
    return PredictAffect(card.head).fit(cards) if card.head else OwnHeads(card)


def _check(model: Card, network: Card, modality: str) -> None:
    """The network makes the features that the model was trained on."""
    wanted, given = model.inputs[modality], network.width(modality)
    if wanted != given:
        raise ConfigError(
            f"{model.name} reads {wanted} features of the {modality}, but {network.name} gives {given};"
            f" take the backbone it was made for, or weights trained on this one"
        )
    maker = model.trained_on.get(modality, network.name)
    if maker != network.name:
        raise ConfigError(
            f"{model.name} was trained on the {modality} features of {maker}, not of {network.name}; both have"
            f" {wanted}, but they mean different things"
        )
