"""The face network of an experiment: its card for the corpus, what it begins with, and what is left of it to use."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from torch import nn

from avfer.catalog import find
from avfer.errors import ConfigError, WeightsError, unknown
from avfer.models.backbones.hmtl import SUPERVISED
from avfer.models.card import Card
from avfer.models.class_orders import num_classes
from avfer.models.factory import create
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of, fill, load_into, locate, official
from avfer.training.training_config import TrainConfig


def network(config: TrainConfig, names: Sequence[str], units: Sequence[str] = ()) -> tuple[nn.Module, Card]:
    """The network as training begins, and its card with classes and action units in the order of its logits.

    names, units: classes and action units of the corpus, none where they are no target. ConfigError where network,
    options, weights and corpus do not go together.
    """
    given = locate(config.model, str(config.weights))[1] if config.weights is not None else None
    options = _options(config, names, given)
    if counted := bool(units) and _counts_units(config, given):
        options["num_action_units"] = len(units)
    model = create(config.model, **options)
    card = card_of(config.model, **options)
    if counted and set(card.action_units) != set(units):
        card = card.model_copy(update={"action_units": list(units)})
    _check_targets(config, card)
    card = card.model_copy(update=_told(config, names, card, given))
    if given is not None:
        _fill(model, config, given)
    if config.start:
        start_with(model, config.start)
    return model, card


def plain(model: nn.Module, card: Card) -> tuple[nn.Module, Card]:
    """The network and its card without the parts that only training needs."""
    options = dict(card.options)
    options.pop("generator", None)  # of pf_vit
    if card.name == "hmtl" and "heads" in options:
        options["heads"] = [head for head in options["heads"] if head in SUPERVISED]
    if options == card.options:
        return model, card
    copy, tensors = create(card.name, **options), model.state_dict()
    copy.load_state_dict({name: tensors[name] for name in copy.state_dict()})
    kept = {"options": card_of(card.name, **options).options}
    return copy, card.model_copy(update=kept)


def _options(config: TrainConfig, names: Sequence[str], given: Card | None) -> dict[str, Any]:
    options: dict[str, Any] = (given.options if given else {}) | config.model_options
    if not names:
        return options
    if "num_classes" not in inspect.signature(find("backbone", config.model)).parameters:
        raise ConfigError(f"model: {config.model} tells no classes of expressions; choose another, or other targets:")
    told = config.model_options.get("num_classes", len(names))
    if told != len(names):
        raise ConfigError(
            f"model_options: num_classes is {told}, but {config.corpus} has {len(names)}: {', '.join(names)}"
        )
    if given is not None and not config.new_head:
        _check_classes(config, names, given)
    return options | {"num_classes": len(names)}


def _counts_units(config: TrainConfig, given: Card | None) -> bool:
    """Whether the network's head of action units is made for the corpus; else it learns those that it has."""
    known = inspect.signature(find("backbone", config.model)).parameters
    return "num_action_units" in known and (given is None or config.new_head)


def _check_classes(config: TrainConfig, names: Sequence[str], given: Card) -> None:
    theirs = ", ".join(given.classes) or "classes that it does not name"
    if num_classes(given) != len(names) or (given.classes and set(given.classes) != set(names)):
        raise ConfigError(
            f"weights: {config.weights} tells {num_classes(given)} classes apart ({theirs}), but {config.corpus} has"
            f" {len(names)}: {', '.join(names)}; choose them by options: of the corpus, or begin the last layer anew"
            " with new_head: true"
        )


def _check_targets(config: TrainConfig, card: Card) -> None:
    has = {"valence_arousal": card.valence_arousal, "action_units": bool(card.action_units)}
    for target in config.targets:
        if not has.get(target, True):
            raise ConfigError(f"targets: {config.model} has no head for {target} with these model_options")


def _told(config: TrainConfig, names: Sequence[str], card: Card, given: Card | None) -> dict[str, Any]:
    """What differs on the card: size, classes, and no heads that nothing has trained."""
    update: dict[str, Any] = {"size": config.size or card.size}
    if names:
        update["classes"] = _order(config.corpus, list(names), card, given)
    if given is None:
        update |= {} if names else {"classes": []}
        update |= {} if "valence_arousal" in config.targets else {"valence_arousal": False}
        update |= {} if "action_units" in config.targets else {"action_units": []}
    return update


def _order(corpus: str, names: list[str], card: Card, given: Card | None) -> list[str]:
    """That of the weights; else that of the authors' files for this corpus; else the corpus's own."""
    if given is not None and set(given.classes) == set(names):
        return given.classes
    known = [order.classes for order in card.orders if order.name.startswith(corpus)]
    return next((classes for classes in known if set(classes) == set(names)), names)


def _fill(model: nn.Module, config: TrainConfig, given: Card) -> None:
    path, _ = locate(config.model, str(config.weights))
    if not config.new_head:
        return load_into(model, path, given)
    own = model.state_dict()
    tensors = official(given.name, read_tensors(path))[1]
    kept = {name: t if name in own and t.shape == own[name].shape else own.get(name, t) for name, t in tensors.items()}
    return fill(model, kept, f"{path} does not fit {given.name}")


def start_with(model: nn.Module, files: dict[str, Path]) -> None:
    """Parts that were trained elsewhere: arguments of `start_from`, or NAME where there is a method `start_NAME`."""
    begins = getattr(model, "start_from", None)
    known = dict(inspect.signature(begins).parameters) if begins else {}
    given: dict[str, Any] = {}
    try:
        for name, path in files.items():
            if hasattr(model, f"start_{name}"):
                getattr(model, f"start_{name}")(read_tensors(path))
            elif name in known:
                given[name] = _part(known[name].annotation, path)
            else:
                raise ConfigError(f"start: {unknown('part', name, known)}")
        if given and begins:
            begins(**given)
    except (RuntimeError, TypeError, KeyError) as error:
        told = " ".join(str(error).split())[:300]
        raise WeightsError(f"start: {', '.join(map(str, files.values()))} cannot be taken over: {told}") from error


def _part(annotation: Any, path: Path) -> Any:
    """Tensors by name, or the network that the argument asks for."""
    if inspect.isclass(annotation) and issubclass(annotation, nn.Module):
        return create(cast(type, annotation).__name__.lower(), weights=path)
    return read_tensors(path)
