"""The face network of an experiment: its card for the corpus, what training starts from, and what is exported."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from avfer.errors import ConfigError, WeightsError, unknown
from avfer.models.card import Card
from avfer.models.class_orders import num_classes
from avfer.models.factory import create
from avfer.models.network import FaceNetwork, Network, find_network
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of, fill, from_official, load_into, locate
from avfer.training.labels import TargetNames
from avfer.training.start_files import check_file
from avfer.training.training_config import TrainConfig


def create_network(config: TrainConfig, names: TargetNames) -> tuple[FaceNetwork, Card]:
    """Return the network at the start of training, and its card with classes and units in the order of the logits.

    names: classes and action units of the corpus. Raises ConfigError if network, options, weights and corpus do not
    fit together, and WeightsError if a file cannot be loaded.
    """
    given = locate(config.model, str(config.weights))[1] if config.weights is not None else None
    options = _options(config, names.classes, given)
    sized_for_corpus = bool(names.action_units) and _can_size_units(config, given)
    if sized_for_corpus:
        options["num_action_units"] = len(names.action_units)
    model = cast(FaceNetwork, create(config.model, **options))
    card = card_of(config.model, **options)
    if sized_for_corpus and set(card.action_units) != set(names.action_units):
        card = card.model_copy(update={"action_units": list(names.action_units)})
    _check_targets(config, card)
    _check_size(model, config, card)
    card = card.model_copy(update=_changes(config, names.classes, card, given))
    if given is not None:
        _load(model, config, given)
    if config.start:
        load_parts(model, config.start)
    return model, card


def for_inference(model: FaceNetwork, card: Card) -> tuple[Network, Card]:
    """Return a network and its card without the parts that only training needs, as the network declares them."""
    options = find_network(card.name, Network).inference_options(card.options)
    if options == card.options:
        return model, card
    copy, tensors = create(card.name, **options), model.state_dict()
    copy.load_state_dict({name: tensors[name] for name in copy.state_dict()})
    return copy, card.model_copy(update={"options": card_of(card.name, **options).options})


def load_parts(model: Network, files: dict[str, Path]) -> None:
    """Load parts that were trained elsewhere, by the names that the network declares in `start_parts`.

    Raises ConfigError for an unknown part, and WeightsError if a file does not exist or does not fit.
    """
    check_parts(model, files)
    parts = model.start_parts()
    for name, path in files.items():
        check_file(f"start.{name}", path, "--set start={}")
        try:
            network = parts[name].network
            parts[name].load(create(network, weights=path) if network else read_tensors(path))
        except (RuntimeError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"start: {name}: {path} does not fit {type(model).__name__}: {reason}") from error


def check_parts(model: Network, names: Iterable[str]) -> None:
    """Raise ConfigError if a network declares no part of a name in `start_parts`."""
    parts = model.start_parts()
    for name in names:
        if name not in parts:
            raise ConfigError(f"start: {unknown('part', name, parts)}")


def _options(config: TrainConfig, classes: Sequence[str], given: Card | None) -> dict[str, Any]:
    """Return the constructor options: of the weights, of the recipe, and the number of classes."""
    options: dict[str, Any] = (given.options if given else {}) | config.model_options
    if not classes:
        return options
    if "num_classes" not in find_network(config.model, FaceNetwork).option_names():
        raise ConfigError(f"model: {config.model} predicts no expressions; choose another, or other targets:")
    count = config.model_options.get("num_classes", len(classes))
    if count != len(classes):
        raise ConfigError(
            f"model_options: num_classes is {count}, but {config.corpus} has {len(classes)}: {', '.join(classes)}"
        )
    if given is not None and not config.new_head:
        _check_classes(config, classes, given)
    return options | {"num_classes": len(classes)}


def _can_size_units(config: TrainConfig, given: Card | None) -> bool:
    """Return whether the head of action units is created for the corpus; otherwise it keeps the network's own."""
    has_option = "num_action_units" in find_network(config.model, FaceNetwork).option_names()
    return has_option and (given is None or config.new_head)


def _check_classes(config: TrainConfig, classes: Sequence[str], given: Card) -> None:
    """Raise ConfigError if the weights have other classes than the corpus."""
    theirs = ", ".join(given.classes) or "unnamed classes"
    if num_classes(given) != len(classes) or (given.classes and set(given.classes) != set(classes)):
        raise ConfigError(
            f"weights: {config.weights} has {num_classes(given)} classes ({theirs}), but {config.corpus} has"
            f" {len(classes)}: {', '.join(classes)}; choose them by options: of the corpus, or start with a new last"
            " layer: new_head: true"
        )


def _check_targets(config: TrainConfig, card: Card) -> None:
    """Raise ConfigError if the network has no head for a target."""
    heads = {"valence_arousal": card.valence_arousal, "action_units": bool(card.action_units)}
    for target in config.targets:
        if not heads.get(target, True):
            raise ConfigError(f"targets: {config.model} has no head for {target} with these model_options")


def _check_size(model: FaceNetwork, config: TrainConfig, card: Card) -> None:
    """Raise ConfigError if the network does not read crops of the size of the recipe."""
    if config.size is None or config.size == card.size:
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            model.predict(torch.zeros(1, 3, config.size, config.size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ConfigError(
            f"size: {config.model} does not read crops of {config.size} px ({reason}); --set size=null takes"
            f" {card.size} px"
        ) from error


def _changes(config: TrainConfig, classes: Sequence[str], card: Card, given: Card | None) -> dict[str, Any]:
    """Return what changes on the card: size, classes, and no heads that are not trained."""
    changes: dict[str, Any] = {"size": config.size or card.size}
    if classes:
        changes["classes"] = _class_order(config.corpus, list(classes), card, given)
    if given is None:
        changes |= {} if classes else {"classes": []}
        changes |= {} if "valence_arousal" in config.targets else {"valence_arousal": False}
        changes |= {} if "action_units" in config.targets else {"action_units": []}
    return changes


def _class_order(corpus: str, classes: list[str], card: Card, given: Card | None) -> list[str]:
    """Return the order of the weights; else of the authors' files for this corpus; else of the corpus."""
    if given is not None and set(given.classes) == set(classes):
        return given.classes
    known = [order.classes for order in card.orders if order.name.startswith(corpus)]
    return next((order for order in known if set(order) == set(classes)), classes)


def _load(model: FaceNetwork, config: TrainConfig, given: Card) -> None:
    """Load `weights:`; with `new_head` keep fresh tensors where shapes differ. Raises WeightsError."""
    path, _ = locate(config.model, str(config.weights))
    if not config.new_head:
        return load_into(model, path, given)
    fresh = model.state_dict()
    tensors = from_official(given.name, read_tensors(path))[1]
    kept = {name: _fitting(tensor, fresh.get(name)) for name, tensor in tensors.items()}
    return fill(model, kept, f"{path} does not fit {given.name}")


def _fitting(tensor: Any, fresh: Any) -> Any:
    """Return a tensor of a file, or the fresh one if it has another shape.   tensor, fresh: (...) each."""
    return tensor if fresh is None or tensor.shape == fresh.shape else fresh
