"""Models over time for training: an affect model over features, or networks that learn end to end from crops and audio.

Three forms are trained:

- an affect model (`temporal`, `aver`, ...) over features that are computed once;
- `CnnRnn`: the same over a face backbone that is trained with it (`backbone:`);
- `WholeNetwork`: a network that is both (a video model, or `aver_voice`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.catalog import kind_of
from avfer.datasets.example import Example
from avfer.errors import ConfigError, counted
from avfer.models.affect.heads import Modality, Projection
from avfer.models.card import Card
from avfer.models.factory import create, make
from avfer.models.network import AffectModel, FaceNetwork, Network, VoiceNetwork, find_network, normalised
from avfer.models.weights import card_of, load_into, locate
from avfer.training.data.feature_cache import SequenceFeatures
from avfer.training.data.sequence_batches import Recording
from avfer.training.images.image_model import load_parts
from avfer.training.labels import TargetNames
from avfer.training.training_config import BackboneConfig, TrainConfig

MIN_DEVIATION = 1e-3  # a feature whose deviation is below this share of the median is constant in the training data


class EndToEndNetwork(nn.Module, ABC):
    """A network that computes features of face crops and audio patches, and reads them over time."""

    card: Card  # of the network that reads the crops
    num_face: int  # features of a face; 0 if it reads no crops
    num_voice: int  # features of an audio patch; 0 if it reads features of the voice, or none

    @property
    @abstractmethod
    def over_time(self) -> AffectModel:
        """Return the affect model that reads the features."""

    @abstractmethod
    def face_features(self, crops: Tensor) -> Tensor:
        """Return features of faces.   crops: (N, 3, S, S) float32 RGB in [0, 255] -> (N, Df)."""

    @abstractmethod
    def voice_features(self, patches: Tensor) -> Tensor:
        """Return features of audio.   patches: (N, 1, 96, 64) float32 log-mel -> (N, Dv)."""


class CnnRnn(EndToEndNetwork):
    """A face backbone and an affect model over its features. A frozen backbone stays unchanged to the bit.

    temporal: the affect model; it reads as many features as the backbone makes.
    """

    def __init__(self, backbone: FaceNetwork, temporal: AffectModel, card: Card, frozen: bool = False) -> None:
        """card: of the backbone."""
        super().__init__()
        self.backbone, self.temporal = backbone, temporal
        self.card, self.frozen = card, frozen
        self.num_face, self.num_voice = card.width("face"), 0
        if frozen:
            backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "CnnRnn":
        """Set the training mode, but not of a frozen backbone: its norms keep their statistics, without dropout."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    @property
    def over_time(self) -> AffectModel:
        """Return the affect model."""
        return self.temporal

    def face_features(self, crops: Tensor) -> Tensor:
        """Return features of faces.   crops: (N, 3, S, S) float32 RGB in [0, 255] -> (N, Df)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.backbone.features(normalised(self.card, crops))

    def voice_features(self, patches: Tensor) -> Tensor:
        """Raise TypeError: this model reads features of the voice.   patches: (N, 1, 96, 64)."""
        raise TypeError("a CnnRnn reads features of the voice, not patches")


class WholeNetwork(EndToEndNetwork):
    """A network that is encoder and affect model in one."""

    def __init__(self, model: Network, card: Card) -> None:
        """card: its `inputs` are the number of features of face and voice."""
        super().__init__()
        self.model, self.card = model, card
        self.num_face, self.num_voice = card.inputs.get("face", 0), card.inputs.get("voice", 0)

    @property
    def over_time(self) -> AffectModel:
        """Return the network itself."""
        return cast(AffectModel, self.model)

    def face_features(self, crops: Tensor) -> Tensor:
        """Return features of faces.   crops: (N, 3, S, S) float32 RGB in [0, 255] -> (N, Df)."""
        return cast(FaceNetwork, self.model).features(normalised(self.card, crops))

    def voice_features(self, patches: Tensor) -> Tensor:
        """Return features of audio.   patches: (N, 1, 96, 64) float32 log-mel -> (N, Dv)."""
        return cast(VoiceNetwork, self.model).voice_features(patches)


@dataclass(frozen=True, eq=False)
class CreatedModel:
    """A model at the start of training."""

    model: nn.Module  # an AffectModel or an EndToEndNetwork
    card: Card  # of the weights to be exported


def affect_model(config: TrainConfig, widths: dict[str, int], names: TargetNames) -> CreatedModel:
    """Return the affect model of a recipe over features of these widths ("face", "voice"), with `weights:` loaded.

    Weights that read face measures keep them; no recipe trains on measures, so all are unknown in training.

    Raises ConfigError or WeightsError if options or weights do not fit.
    """
    if config.weights is not None:
        read = locate(config.model, str(config.weights))[1].inputs
        widths = widths | {name: width for name, width in read.items() if name == "measures"}
    inputs = find_network(config.model, AffectModel).width_options(widths)
    options = inputs | _head_options(config, names) | config.model_options
    model = make(config.model, **options)
    _load_weights(model, config)
    return CreatedModel(model, card_of(config.model, **options))


def cnn_rnn(config: TrainConfig, chosen: BackboneConfig, voice: Card | None, names: TargetNames) -> CreatedModel:
    """Return an affect model over a face backbone, and over features of the voice if there is a voice network.

    voice: card of the network that computes the features. Raises ConfigError or WeightsError.
    """
    backbone, card = _backbone(chosen, config.size)
    widths = {"face": card.width("face"), "voice": voice.width("voice") if voice else 0}
    created = affect_model(config, widths, names)
    trained_on = {"face": card.name} | ({"voice": voice.name} if voice else {})
    model = CnnRnn(backbone, cast(AffectModel, created.model), card, chosen.frozen)
    return CreatedModel(model, created.card.model_copy(update={"trained_on": trained_on}))


def whole_network(config: TrainConfig, names: TargetNames) -> CreatedModel:
    """Return a network that reads crops and audio itself. Raises ConfigError or WeightsError."""
    if config.backbone is not None:
        raise ConfigError(f"backbone: {config.model} has a backbone of its own, which is trained with it; remove it")
    if not issubclass(find_network(config.model, Network), AffectModel):
        raise ConfigError(f"model: {config.model} predicts no affect, so it cannot be trained; use aver_voice")
    options = {**_head_options(config, names), **config.model_options}
    network, card = create(config.model, **options), card_of(config.model, **options)
    for target, option in (("expression", "num_classes"), ("action_units", "num_action_units")):
        if target in config.targets and option not in options:
            raise ConfigError(f"targets: {config.model} predicts no {target}; remove it, or use av_mt_vgg_rnn")
    if config.start:
        load_parts(network, config.start)
    _load_weights(network, config)
    card = card.model_copy(update={"size": config.size or card.size})
    return CreatedModel(WholeNetwork(network, card), card)


def target_names(config: TrainConfig, examples: list[Example]) -> TargetNames:
    """Return classes and action units of the labels, in the order of `weights:` if there are some.

    Raises ConfigError if the weights have other classes or lack an action unit.
    """
    names = TargetNames.of(examples, config.targets)
    if config.weights is None:
        return names
    card = locate(config.model, str(config.weights))[1]
    if set(card.classes) != set(names.classes) or not set(names.action_units) <= set(card.action_units):
        theirs, ours = _listed(card.classes, card.action_units), _listed(names.classes, names.action_units)
        message = f"weights: {config.weights} has {theirs}, but {config.corpus} has {ours}"
        raise ConfigError(f"{message}; choose other targets:, or remove weights:")
    return TargetNames(tuple(card.classes), tuple(card.action_units))


@torch.no_grad()
def standardise(model: nn.Module, recordings: list[Recording]) -> None:
    """Set the projections of a model ("face", "voice") to standardise the features of some recordings.

    Features come in the scale of the network that computes them; without this, small ones would hardly be trained on.
    """
    for layer in model.modules():
        if isinstance(layer, Projection):
            mean, gain = _moments(recordings, layer.modality)
            layer.centre.copy_(torch.from_numpy(mean))
            layer.gain.copy_(torch.from_numpy(gain))


def gains(deviations: np.ndarray) -> np.ndarray:
    """Return factors that scale each standard deviation to 1, and 0 for a feature that is (nearly) constant.

    A constant feature of the training data may vary elsewhere.   deviations: (D,) float >= 0 -> (D,).
    """
    positive = deviations[deviations > 0]
    used = deviations >= (MIN_DEVIATION * np.median(positive) if len(positive) else np.inf)
    return np.divide(1.0, deviations, out=np.zeros_like(deviations), where=used)


def _moments(recordings: list[Recording], modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and gain (D,) of a modality over the steps that have it, recording by recording to save memory."""
    parts = [cast(SequenceFeatures, r.inputs).present(modality) for r in recordings]
    count = max(sum(map(len, parts)), 1)
    mean = np.sum([x.sum(0, dtype=np.float64) for x in parts], 0) / count
    variance = np.sum([np.square(x - mean).sum(0) for x in parts], 0) / count
    return mean, gains(np.sqrt(variance))


def _backbone(chosen: BackboneConfig, size: int | None) -> tuple[FaceNetwork, Card]:
    """Return the backbone, and the card for its weights after training."""
    if kind_of(chosen.name) != "backbone":
        raise ConfigError(f"backbone: {chosen.name} is a {kind_of(chosen.name)}; `avfer models list` names backbones")
    network = cast(FaceNetwork, create(chosen.name, weights=chosen.weights, **chosen.options))
    card = locate(chosen.name, chosen.weights)[1] if chosen.weights else card_of(chosen.name, **chosen.options)
    card = card.model_copy(update={"options": card.options | chosen.options})
    card = card.model_copy(update={"size": size or card.size, "features": _num_features(network, card, size)})
    if not chosen.frozen:  # its own heads do not fit the changed features any more
        no_heads = {"classes": [], "action_units": [], "valence_arousal": False, "orders": [], "published": []}
        card = card.model_copy(update={**no_heads, "head": None, "metrics": [], "assumed": ""})
    return network, card.model_copy(update={"sha256": None})


def _num_features(network: FaceNetwork, card: Card, size: int | None) -> int:
    """Return the number of features of a crop, computed by the network."""
    side = size or card.size
    if not side:
        raise ConfigError(f"size: {card.name} reads crops of any size; choose one in pixels")
    try:
        with torch.inference_mode():
            return int(network.features(torch.zeros(1, 3, side, side)).shape[1])
    except RuntimeError as error:
        raise ConfigError(f"size: {card.name} reads no crops of {side} px: {error}") from error


def _head_options(config: TrainConfig, names: TargetNames) -> dict[str, Any]:
    """Return the constructor options of the heads that a model can have; no head for what is not a target."""
    options: dict[str, Any] = {"num_classes": len(names.classes), "num_action_units": len(names.action_units)}
    if "valence_arousal" not in config.targets:
        options["valence_arousal"] = "none"
    known = find_network(config.model, Network).option_names()
    return {name: value for name, value in options.items() if name in known}


def _load_weights(model: Network, config: TrainConfig) -> None:
    """Load `weights:` if there are some. Raises WeightsError if they do not fit."""
    if config.weights is not None:
        path, card = locate(config.model, str(config.weights))
        load_into(model, path, card)


def _listed(classes: Sequence[str], units: Sequence[str]) -> str:
    """Return `2 classes (low, high) and 1 action unit (AU12)`."""
    named = ("class", "classes", classes), ("action unit", "", units)
    counts = [f"{counted(len(x), one, several)} ({', '.join(x)})" for one, several, x in named]
    return " and ".join(counts).replace(" ()", "")
