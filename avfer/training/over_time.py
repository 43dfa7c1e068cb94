"""What all tasks of models over time settle alike: names of what is told, options, delays, weights, and the card."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

from torch import nn

from avfer.catalog import find, kind_of
from avfer.datasets.example import Corpus, Example
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.factory import make
from avfer.models.weights import card_of, load_into, locate
from avfer.training.delay_search import search_delays
from avfer.training.sequences import Names, Recording
from avfer.training.training_config import TrainConfig


def names_of(config: TrainConfig, examples: list[Example]) -> Names:
    """Classes and action units of the labels, in the order of the weights to begin with, if there are some.

    ConfigError where those tell other classes, or lack an action unit.
    """
    names = Names.of(examples, config.targets)
    if config.weights is None:
        return names
    card = locate(config.model, str(config.weights))[1]
    if set(card.classes) != set(names.classes) or not set(names.units) <= set(card.action_units):
        theirs, ours = _listed(card.classes, card.action_units), _listed(names.classes, names.units)
        told = f"weights: {config.weights} tells {theirs}, but {config.corpus} has {ours}"
        raise ConfigError(f"{told}; choose other targets:, or begin without weights:")
    return Names(tuple(card.classes), tuple(card.action_units))


def _listed(classes: Sequence[str], units: Sequence[str]) -> str:
    told = [f"{len(names)} {kind} ({', '.join(names)})" for kind, names in (("classes", classes), ("units", units))]
    return " and ".join(told).replace(" ()", "")


def affect_model(config: TrainConfig, widths: dict[str, int], names: Names) -> tuple[nn.Module, Card]:
    """The model over features of these widths, with the configured weights, and its card. ConfigError, WeightsError."""
    known = signature(find("affect model", config.model)).parameters
    read = {f"num_{modality}": width for modality, width in widths.items() if f"num_{modality}" in known}
    options = read | head_options(config, names) | config.model_options
    model = make(config.model, **options)
    if config.weights is not None:
        begin_with(model, config)
    return model, card_of(config.model, **options)


def head_options(config: TrainConfig, names: Names) -> dict[str, Any]:
    """Options of the heads that a model may have: counts of what is told, and nothing that is no target."""
    told: dict[str, Any] = {"num_classes": len(names.classes), "num_action_units": len(names.units)}
    if "valence_arousal" not in config.targets:
        told["valence_arousal"] = "none"
    known = signature(find(kind_of(config.model), config.model)).parameters
    return {name: value for name, value in told.items() if name in known}


def begin_with(model: nn.Module, config: TrainConfig) -> None:
    """Put the configured weights into a model. WeightsError where they do not fit."""
    path, card = locate(config.model, str(config.weights))
    load_into(model, path, card)


def delays_of(config: TrainConfig, known: list[Recording], held: list[Recording]) -> tuple[float, float]:
    """Seconds by which labels of valence and of arousal are moved earlier, as configured or searched."""
    if "valence_arousal" not in config.targets:
        return 0.0, 0.0
    if config.delay == "search":
        return search_delays(known, held)
    if isinstance(config.delay, dict):
        return config.delay.get("valence", 0.0), config.delay.get("arousal", 0.0)
    return float(config.delay), float(config.delay)


def learned(card: Card, corpus: Corpus, config: TrainConfig, names: Names, delays: tuple[float, float]) -> Card:
    """The card of a model that has learned from a corpus, before it is measured."""
    return card.model_copy(
        update={
            "classes": list(names.classes),
            "action_units": list(names.units) or card.action_units,
            "orders": [],
            "data": f"{corpus.name} ({corpus.distribution}), partition {config.train}; {corpus.protocol}",
            "description": f"Trained by avfer on {corpus.name}.{_moved(delays)}",
            "licence_weights": f"as the terms of {corpus.name} and of the networks below it allow",
            "published": [],
            "metrics": [],
            "sha256": None,
        }
    )


def _moved(delays: tuple[float, float]) -> str:
    if not any(delays):
        return ""
    told = " and ".join(f"{kind} by {delay:g} s" for kind, delay in zip(("valence", "arousal"), delays, strict=True))
    return f" Labels of {told} were moved earlier: predictions come earlier than raters would tell by as much."
