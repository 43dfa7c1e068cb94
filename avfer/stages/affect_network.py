"""An affect model with its weights, and the conversion between its tensors and the structs of the stages."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from avfer.affect_track import AffectTrack
from avfer.errors import AvferWarning, ConfigError, WeightsError
from avfer.models.card import Card
from avfer.models.card_files import embedded_cards
from avfer.models.network import AffectModel, construct
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate
from avfer.types import FaceFeatures, JointFeatures

OWN = "own"  # in place of a model's name: the heads that come with the face backbone


@dataclass(frozen=True, eq=False)
class AffectInputs:
    """The inputs of an affect model for N rows; features of a modality that is missing are 0."""

    face: Tensor  # (N, Df + M) float32, the features of the face, then its M measures, NaN where unknown
    voice: Tensor  # (N, Dv) float32
    has_face: np.ndarray  # (N,) bool
    has_voice: np.ndarray  # (N,) bool


@dataclass(frozen=True, eq=False)
class AffectNetwork:
    """A loaded affect model."""

    model: AffectModel
    card: Card  # of the weights
    device: torch.device  # that computes
    expression: bool = False  # whether rows without a face get expressions, from the voice alone

    @classmethod
    def load(cls, name: str, weights: str, device: torch.device, expression: bool = False) -> Self:
        """Build a model of the catalog on a device and load its weights.

        expression: whether rows without a face get expressions. They always do if the model reads the voice alone.
        Raises ConfigError for an unknown model, WeightsError for missing or wrong weights, or a card that lists other
        classes or action units than the model outputs.
        """
        path, card = locate(name, weights)
        model = construct(name, AffectModel, card.options)
        load_into(model, path, card)
        network = cls(model.to(device).eval(), card, device, expression or "face" not in card.inputs)
        network._check_outputs(path)
        return network

    @torch.inference_mode()
    def _check_outputs(self, path: Path) -> None:
        """Raise WeightsError if the model outputs other numbers of classes or action units than its card lists."""
        prediction = self._predict_zeros()
        for key, listed, logits in (
            ("classes", self.card.classes, prediction.expression_logits),
            ("action_units", self.card.action_units, prediction.action_unit_logits),
        ):
            count = 0 if logits is None else logits.shape[-1]
            if count != len(listed):
                raise WeightsError(
                    f"{path}: the network outputs {count} {key.replace('_', ' ')}, but its card lists {len(listed)};"
                    f" correct '{key}' in {path.with_suffix('.json').name}, or use the card that came with the file"
                )

    def _predict_zeros(self) -> Prediction:
        """Return the model's outputs for one row of zeros with a face and a voice."""
        widths = self.card.inputs
        face = torch.zeros(1, widths.get("face", 0) + widths.get("measures", 0), device=self.device)
        voice, seen = torch.zeros(1, widths.get("voice", 0), device=self.device), torch.ones(1, device=self.device) > 0
        if self.model.causal:
            return self.model.step(face, voice, seen, seen, hidden=self.model.start(1))[0]
        return self.model.sequence(face[None], voice[None], seen[None], seen[None], times=face.new_zeros(1, 1))

    @property
    def width(self) -> int:
        """The number of columns of `output_columns`: valence, arousal, K classes, A action units."""
        return 2 + len(self.card.classes) + len(self.card.action_units)

    def inputs(self, features: FaceFeatures | JointFeatures) -> AffectInputs:
        """Return the model's inputs for N rows of features."""
        if isinstance(features, FaceFeatures):
            n, face, voice = len(features.values), features.values, None
            has_face, has_voice = np.ones(n, bool), np.zeros(n, bool)
        else:
            n, face, voice = len(features.has_voice), features.face, features.voice
            has_face, has_voice = features.has_face, features.has_voice
        face = torch.cat([self._or_zeros("face", face, n), self._measures(features, n)], 1)
        return AffectInputs(face, self._or_zeros("voice", voice, n), has_face, has_voice)

    def _measures(self, features: FaceFeatures | JointFeatures, n: int) -> Tensor:
        """Return the measures of n rows that follow the features: (n, M), (n, 0) if none are joined or read.

        Raises ConfigError if others are joined than those that the model reads.
        """
        if features.measures is None or "measures" not in self.card.inputs:
            return torch.zeros(n, 0, device=self.device)
        found, wanted = features.measures.shape[1], self.card.inputs["measures"]
        if found != wanted:
            raise ConfigError(
                f"{self.card.name} reads {wanted} measures of a face, but the pipeline joins {found}; use weights that"
                " were trained with these, or leave join_measures out"
            )
        return torch.from_numpy(features.measures).to(self.device)

    def _or_zeros(self, modality: str, values: Tensor | None, n: int) -> Tensor:
        """Return (N, D) values on the device; zeros of the model's width if there are none."""
        if values is None or not values.shape[1]:
            return torch.zeros(n, self.card.inputs.get(modality, 0), device=self.device)
        return values.to(self.device)

    def predictable(self, inputs: AffectInputs) -> np.ndarray:
        """Return which rows have a modality that the model reads: (N,) bool."""
        predictable = inputs.has_face & ("face" in self.card.inputs)
        return predictable | inputs.has_voice if "voice" in self.card.inputs else predictable

    def to_track(self, features: FaceFeatures | JointFeatures, values: np.ndarray) -> AffectTrack:
        """Return the result of N rows; a row without a face gets no action units, and expressions only if `expression`.

        values: (N, `width`) float32, the columns of `output_columns`, NaN where nothing was predicted.
        """
        joint = isinstance(features, JointFeatures)
        n, k = len(values), 2 + len(self.card.classes)
        has_face = features.has_face if joint else np.ones(n, bool)
        shown = has_face | self.expression
        return AffectTrack(
            clock=features.clock,
            faces=features.faces,
            valence=values[:, 0],
            arousal=values[:, 1],
            expressions=np.where(shown[:, None], values[:, 2:k], np.float32(np.nan)),
            classes=tuple(self.card.classes),
            action_units=np.where(has_face[:, None], values[:, k:], np.float32(np.nan)),
            action_unit_names=tuple(self.card.action_units),
            has_voice=features.has_voice if joint else np.zeros(n, bool),
            activity=features.activity if joint else np.zeros((n, 0), np.float32),
            activity_names=features.activity_names if joint else (),
            reads_voice=joint,
        )


def output_columns(prediction: Prediction, temperature: float = 1.0) -> Tensor:
    """Return N rows of an affect model as columns: valence, arousal, then probabilities.

    temperature: of the model's card, by which the logits of expressions are divided (Guo et al. 2017, On Calibration of
    Modern Neural Networks) -> (N, 2 + K + A): valence and arousal in [-1, 1] (NaN for a model without a head for them),
    the probabilities of K classes, which sum to 1, and of A action units.
    """
    probabilities: list[Tensor] = []
    if prediction.expression_logits is not None:
        probabilities.append((prediction.expression_logits / temperature).softmax(1))
    if prediction.action_unit_logits is not None:
        probabilities.append(prediction.action_unit_logits.sigmoid())
    valence_arousal = prediction.valence_arousal
    if valence_arousal is None:
        valence_arousal = probabilities[0].new_full((len(probabilities[0]), 2), torch.nan)
    return torch.cat([valence_arousal, *probabilities], 1)


def check_features(model: Card, network: Card, modality: str) -> None:
    """Raise ConfigError unless a network makes the features that a model was trained on.

    model: the card of the affect model, network: that of the backbone, modality: "face" or "voice".
    """
    wanted, width = model.inputs[modality], network.width(modality)
    if wanted != width:
        trained = model.trained_on.get(modality)
        raise ConfigError(
            f"{model.name} reads {wanted} features of the {modality}, but {network.name} outputs {width}; use"
            f" {f'{trained}, ' if trained else ''}the backbone it was trained with, or weights trained on this one"
        )
    backbone = model.trained_on.get(modality, network.name)
    if backbone != network.name:
        raise ConfigError(
            f"{model.name} was trained on the {modality} features of {backbone}, not of {network.name}; both have"
            f" {wanted}, but they mean different things"
        )


def warn_if_retrained(model: Card, network: Card, modality: str) -> None:
    """Warn if an embedded affect model gets features of other weights of its network than the embedded ones.

    model, network, modality: as in `check_features`. The features of weights that were trained on mean other things.
    """
    known = {card.sha256 for card in embedded_cards(network.name)}
    if network.sha256 and known and network.sha256 not in known:
        warnings.warn(
            f"{model.name} learned from the {modality} features of the embedded {network.name}, but these come from"
            f" other weights, so its values may be wrong; use the heads of these weights (model: {OWN}, as in the"
            " pipeline vision), or train a model on their features",
            AvferWarning,
            stacklevel=2,
        )
