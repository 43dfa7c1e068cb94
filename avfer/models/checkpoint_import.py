"""Turn a checkpoint of a network's authors into a weight file of avfer with its card."""

from pathlib import Path
from typing import NamedTuple

from avfer.errors import ConfigError, WeightsError
from avfer.models.card import Card
from avfer.models.class_orders import assume, choose, known, num_classes
from avfer.models.factory import from_tensors
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of, official, save, sha256


class Imported(NamedTuple):
    """What was written, and what the user should know of it."""

    path: Path
    card: Card
    notes: list[str]


def import_weights(
    name: str, file: Path, output: Path, count: int | None = None, classes: str | None = None
) -> Imported:
    """Read `file` as weights of `name` and write them to `output` (.safetensors) with a card (.json) beside it.

    `count` is the number of classes that the file must have; `classes` names them in the order of the logits, or a
    corpus whose order is known. Raises WeightsError where the file does not fit and ConfigError where the order of
    the classes is not known.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"--output {output}: weights are written as .safetensors; give such a name")
    if not file.is_file():
        raise ConfigError(f"no file at {file}")
    tensors = read_tensors(file)
    options, _ = official(name, tensors)
    if count is not None and options.setdefault("num_classes", count) != count:
        raise WeightsError(f"{file} has {options['num_classes']} classes, not {count}; leave --num-classes out")
    network = from_tensors(name, tensors, str(file), **options)
    card, notes = _ordered(card_of(name, **options), classes)
    sources = [*card.sources, f"imported from {file.name}, sha256 {sha256(file)}"]
    card = card.model_copy(update={"metrics": [], "head": None, "sources": sources})
    return Imported(save(network, card, output), card, notes)


def _ordered(card: Card, classes: str | None) -> tuple[Card, list[str]]:
    """The card with the order of its classes, and notes on it."""
    if classes is not None:
        return choose(card, classes), []
    ordered = assume(card)
    if ordered.assumed:
        told = f"classes are taken in the order of {ordered.assumed}, which the file does not state"
        return ordered, [f"{told}; else {known(card)}"]
    if ordered.classes or not card.orders:
        return ordered, []
    if any(len(order.classes) == num_classes(card) for order in card.orders):
        told = f"the order of the {num_classes(card)} classes in such files of {card.name} is not proven"
        raise ConfigError(f"{told}; {known(card)}")
    return ordered, [f"no order of {num_classes(card)} classes is known: these weights give features; or {known(card)}"]
