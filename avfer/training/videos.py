"""An experiment in which a backbone learns with what reads it over time: from its configuration to its task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from avfer.catalog import find, kind_of
from avfer.datasets.example import Example
from avfer.errors import ConfigError
from avfer.models.affect.heads import AffectOutputs
from avfer.models.card import Card
from avfer.models.factory import create
from avfer.models.weights import card_of, locate, save
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.training.affect import AffectTask, positive_weights
from avfer.training.augment_alike import augmented_alike
from avfer.training.coupled import coupling
from avfer.training.end_to_end import CnnRnn, EndToEnd, WholeNetwork
from avfer.training.footage import Filmer, Recorder
from avfer.training.kept import check_media, listens
from avfer.training.objective import Objective
from avfer.training.optimise import make_optimiser
from avfer.training.output import prepare_output
from avfer.training.over_time import affect_model, begin_with, delays_of, head_options, learned, names_of
from avfer.training.partitions import read_partitions
from avfer.training.picture_model import start_with
from avfer.training.sequences import Batch, Names, Recording, Sequences
from avfer.training.sounds import Listener
from avfer.training.task import Tell
from avfer.training.training_config import AUGMENTATIONS, Augmentation, BackboneConfig, TrainConfig

BACKBONE = "backbone.safetensors"  # beside the weights of the model that reads it


@dataclass(eq=False)
class VideoTask(AffectTask):
    """The task of a network that reads crops over time."""

    how: Augmentation | None = None

    def batch(self, indices: list[int]) -> Batch:
        """The sequences of these numbers, augmented; drawn from torch's generator, whose state checkpoints keep."""
        seed, batch = int(torch.randint(2**62, ())), self.train.batch(indices)
        if self.how is None or self.how == AUGMENTATIONS["none"]:
            return batch
        card = cast(EndToEnd, self.objective).network.card
        return augmented_alike(batch, self.how, card, seed, self.config.workers or self.config.threads)

    def told(self, objective: Objective, recording: Recording, device: torch.device) -> AffectOutputs:
        """What the network tells of all steps of a recording, (1, T, ...)."""
        return cast(EndToEnd, objective).read_recording(recording, device)

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """best.safetensors for `weights:` of the model, and beside a model of two parts that of its backbone.

        The one file of a whole network serves all the places in a pipeline where it is named.
        """
        network = cast(EndToEnd, objective).network
        if isinstance(network, CnnRnn):
            save(network.backbone, network.card, folder / BACKBONE)
        save(network.over_time, self.measured(scores), folder / "best.safetensors")


@dataclass(frozen=True, eq=False)
class Parts:
    """What is to learn, and what it is given."""

    network: CnnRnn | WholeNetwork
    card: Card  # of the affect model or the whole network
    names: Names
    listener: Listener | None


def video_task(config: TrainConfig, resume: bool, tell: Tell) -> VideoTask:
    """The task of `model:` over `backbone:`, or of a whole network. All that can be wrong is told before training."""
    if config.delay == "search":
        raise ConfigError("delay: search reads features, not crops; give seconds, or search without backbone: first")
    corpus, *partitions = read_partitions(config, tell)
    examples = [example for partition in partitions for example in partition]
    spec = read_pipeline(config.pipeline, dict(config.settings) or None)
    torch.manual_seed(config.seed)
    parts = (_cnn_rnn if kind_of(config.model) == "affect model" else _whole_network)(config, spec, examples)
    filmer = _filmer(spec, parts, config)
    make_optimiser(parts.network, config.optimiser)  # tells of parts that are not there
    check_media(e for e in examples if not any(e.pictures))
    coupled = coupling(config, parts.names.classes, parts.names.units)
    prepare_output(config, resume, parts.network, filmer.bytes_needed(examples))
    recordings: list[Recording] = []
    for done, example in enumerate(examples):
        tell("crops", done, len(examples))
        recordings.append(Recording.of(example, filmer.footage(example), config.targets, parts.names))
    tell("crops", len(examples), len(examples))
    known, held = recordings[: len(partitions[0])], recordings[len(partitions[0]) :]
    delays = delays_of(config, known, held)
    objective = EndToEnd(parts.network, config.targets, config.loss, positive_weights(known), coupled)
    sequences = Sequences(known, config.length, config.stride, delays)
    card = learned(parts.card, corpus, config, parts.names, delays)
    how = AUGMENTATIONS[config.augment] if isinstance(config.augment, str) else config.augment
    return VideoTask(objective, sequences, held, config, parts.names, card, delays, how)


def _filmer(spec: PipelineSpec, parts: Parts, config: TrainConfig) -> Filmer | Recorder:
    """Gives the network what it sees and hears."""
    if parts.network.num_face:
        return Filmer(spec, parts.network.card, parts.listener, config.output / "crops", config.device)
    assert parts.listener is not None, "who does not see listens"
    return Recorder(parts.listener)


def _cnn_rnn(config: TrainConfig, spec: PipelineSpec, examples: list[Example]) -> Parts:
    """An affect model over a backbone, and over features of the voice where the pipeline has some."""
    assert config.backbone is not None
    names = names_of(config, examples)
    listener = Listener(spec, False, config.output / "crops", config.device) if listens(spec) else None
    backbone, seen = _backbone(config.backbone, config.size)
    widths = {"face": seen.width("face"), "voice": listener.width if listener else 0}
    makers = {"face": seen.name} | ({"voice": listener.card.name} if listener else {})
    model, card = affect_model(config, widths, names)
    card = card.model_copy(update={"trained_on": makers})
    return Parts(CnnRnn(backbone, model, seen, config.backbone.frozen), card, names, listener)


def _backbone(chosen: BackboneConfig, size: int | None) -> tuple[nn.Module, Card]:
    """The network, and the card that will stand beside its weights."""
    if kind_of(chosen.name) != "backbone":
        raise ConfigError(f"backbone: {chosen.name} is a {kind_of(chosen.name)}; `avfer models list` names backbones")
    network = create(chosen.name, weights=chosen.weights, **chosen.options)
    card = locate(chosen.name, chosen.weights)[1] if chosen.weights else card_of(chosen.name, **chosen.options)
    card = card.model_copy(update={"options": card.options | chosen.options})
    card = card.model_copy(update={"size": size or card.size, "features": _width(network, card, size)})
    if not chosen.frozen:  # heads of its own were left behind when what they read has changed
        told = {"classes": [], "action_units": [], "valence_arousal": False, "orders": [], "published": []}
        card = card.model_copy(update={**told, "head": None, "metrics": [], "assumed": ""})
    return network, card.model_copy(update={"sha256": None})


def _width(network: nn.Module, card: Card, size: int | None) -> int:
    """Features of a crop, asked of the network itself."""
    side = size or card.size
    if not side:
        raise ConfigError(f"nothing tells what crops {card.name} reads; give size: in pixels")
    try:
        with torch.inference_mode():
            return int(cast(Any, network).features(torch.zeros(1, 3, side, side)).shape[1])
    except RuntimeError as error:
        raise ConfigError(f"{card.name} reads no crops of {side} px: {error}") from error


def _whole_network(config: TrainConfig, spec: PipelineSpec, examples: list[Example]) -> Parts:
    """A network that reads what it sees and hears itself, and the sound of the recordings if it listens."""
    if config.backbone is not None:
        raise ConfigError(f"{config.model} has a backbone of its own, which learns with it; leave out backbone:")
    names = names_of(config, examples)
    if not hasattr(find(kind_of(config.model), config.model), "sequence"):
        raise ConfigError(f"{config.model} tells no affect, so there is nothing to learn; take aver_voice")
    options = {**head_options(config, names), **config.model_options}
    network, card = create(config.model, **options), card_of(config.model, **options)
    for target, option in (("expression", "num_classes"), ("action_units", "num_action_units")):
        if target in config.targets and option not in options:
            raise ConfigError(f"{config.model} tells no {target}; leave it out of targets:, or take av_mt_vgg_rnn")
    if config.start:
        start_with(network, config.start)
    if config.weights is not None:
        begin_with(network, config)
    listener = Listener(spec, True, config.output / "crops", config.device) if "voice" in card.inputs else None
    card = card.model_copy(update={"size": config.size or card.size})
    return Parts(WholeNetwork(network, card), card, names, listener)
