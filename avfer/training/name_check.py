"""Check all names of a training configuration before the corpus is read, which can take minutes."""

from contextlib import suppress
from typing import Any

import torch

from avfer.catalog import is_outside, kind_of
from avfer.datasets.corpus import find_corpus
from avfer.devices import choose_device
from avfer.errors import WeightsError
from avfer.models.factory import check_options, make
from avfer.models.network import AffectModel, Network, find_network
from avfer.pipeline_builder import create_stage
from avfer.pipeline_config import read_pipeline
from avfer.training.engine.optimiser import LayerRates, tensor_name
from avfer.training.images.image_model import check_parts
from avfer.training.images.image_objective import check_needs, find_loss, part_name
from avfer.training.training_config import TrainConfig

WIDTHS = {"face": 8, "voice": 8}  # of features, in place of those that the corpus will give
HEADS = {"expression": ("num_classes", 7), "action_units": ("num_action_units", 12)}  # likewise: option and size


def check_names(config: TrainConfig) -> None:
    """Raise ConfigError if a configuration names something that does not exist.

    Checked are corpora, losses, the model, the backbone, stages, their options, the device, and the parts of the
    network that `start:`, `optimiser.rates` and `optimiser.betas_of` name. Whether files exist is checked later, and so
    are the parts of networks from outside avfer and of those that start from `weights:`, whose options are in the file.
    """
    find_corpus(config.corpus, config.options)
    if config.triplets is not None:
        find_corpus(config.triplets.corpus, config.triplets.options)
    choose_device(config.device)
    check_options(config.model, config.model_options)
    for name in config.losses:
        find_loss(name)
    if config.backbone is not None:
        check_options(config.backbone.name, config.backbone.options)
    if kind_of(config.model) != "backbone":
        _check_pipeline(config)
    if not is_outside(config.model) and config.weights is None:
        _check_parts(config)


def _check_pipeline(config: TrainConfig) -> None:
    """Raise ConfigError for an unknown stage, option or network of `pipeline:` and `settings:`."""
    for line in read_pipeline(config.pipeline, dict(config.settings) or None).stages:
        with suppress(WeightsError):  # end-to-end training does not use the weights of every stage
            create_stage(line)


def _check_parts(config: TrainConfig) -> None:
    """Raise ConfigError if the network lacks a part that a loss, `start:` or the optimiser needs.

    The network is created without memory for its tensors. Its heads have other sizes than those for the corpus.
    """
    with torch.device("meta"):
        model = make(config.model, **_options(config))
    for name in config.losses:
        check_needs(name, find_loss(name), config.model, model)
    check_parts(model, config.start)
    names = [tensor_name(name) for name, _ in model.named_parameters()]
    if config.backbone is None:
        losses = [f"parts.{part_name(name)}" for name in config.losses]
        inside = [part for part in (*config.optimiser.rates, *config.optimiser.betas_of) if _is_below(part, losses)]
        LayerRates.of([*names, *losses, *inside], config.optimiser)  # losses are created later: their tensors may exist
    elif not is_outside(config.backbone.name) and config.backbone.weights is None:
        with torch.device("meta"):
            backbone = make(config.backbone.name, **config.backbone.options)
        below = [f"backbone.{name}" for name, _ in backbone.named_parameters()]
        LayerRates.of([*below, *(f"temporal.{name}" for name in names)], config.optimiser)


def _is_below(part: str, parents: list[str]) -> bool:
    """Return whether a part is a part of one of these: "parts.arcface.weight" of "parts.arcface"."""
    return part.startswith(tuple(f"{parent}." for parent in parents))


def _options(config: TrainConfig) -> dict[str, Any]:
    """Return constructor options that give the network every part it can have with this configuration."""
    kind = find_network(config.model, Network)
    known = kind.option_names()
    heads = dict(size for target, size in HEADS.items() if target in config.targets)
    widths = kind.width_options(WIDTHS) if issubclass(kind, AffectModel) else {}
    return {name: size for name, size in (widths | heads).items() if name in known} | config.model_options
