"""Networks by name, and what they cost."""

from inspect import Parameter, signature
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from avfer.errors import ConfigError, unknown
from avfer.models.card import Card
from avfer.models.network import Network, find_network
from avfer.models.weights import card_of, fill, load_into, locate, official


def create(name: str, num_classes: int | None = None, weights: str | Path | None = None, **options: Any) -> Network:
    """A model of the catalog as a torch module in eval mode.

    `weights` is None (fresh), "builtin", a path, or a URL with its sha256; the authors' own files are read too.
    `options` are those of the model's constructor, for a fresh one. Raises ConfigError for an unknown name, option or
    class count, and WeightsError for a file that does not fit.
    """
    if weights is None:
        told = {} if num_classes is None else {"num_classes": num_classes}
        return make(name, **card_of(name).options | options | told).eval()
    path, card = locate(name, str(weights))
    module = make(name, **card.options | options)
    if num_classes not in {None, count := _count(card)} and count:
        raise ConfigError(f"{path} tells {count} classes apart, not {num_classes}; leave num_classes out")
    load_into(module, path, card)
    return module.eval()


def from_tensors(
    name: str, tensors: dict[str, Tensor], source: str, constructed: frozenset[str] = frozenset(), **options: Any
) -> Network:
    """A model in eval mode from the tensors of a checkpoint, whose names and shapes tell its form.

    `source` is what an error calls the tensors; `constructed` names those that the constructor computes.
    """
    deduced, named = official(name, tensors)
    module = make(name, **deduced | options)
    fill(module, named, f"{source} does not fit {name}", constructed, tensors)
    return module.eval()


def make(name: str, **options: Any) -> Network:
    """A fresh network of these options alone. ConfigError for one that it does not have, or a value of another kind."""
    kind = find_network(name, Network)
    known, hints = signature(kind).parameters, get_type_hints(kind.__init__)
    free = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values())
    if not free and (others := [option for option in options if option not in known]):
        raise ConfigError(f"model '{name}': {unknown('option', others[0], known)}")
    told = {option: _checked(name, option, hints.get(option, Any), value) for option, value in options.items()}
    try:
        return kind(**told)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"model '{name}' cannot be made so: {error}") from error


def _checked(name: str, option: str, kind: Any, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        raise ConfigError(f"model '{name}': option {option}: {told}, not {value!r}") from None


def _count(card: Card) -> int:
    return int(card.options.get("num_classes", len(card.classes)))
