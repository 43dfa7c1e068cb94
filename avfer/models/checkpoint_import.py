"""Convert a checkpoint of a network's authors into a weight file of avfer with its card."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from avfer.errors import ConfigError, WeightsError, counted
from avfer.models.card import Card
from avfer.models.card_files import read_card
from avfer.models.class_orders import assume, choose, known_orders, num_classes
from avfer.models.factory import from_tensors
from avfer.models.network import Network, find_network
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import from_official, implied_card, save, sha256


class ImportedWeights(NamedTuple):
    """The written weight file, and notes for the user."""

    path: Path
    card: Card
    notes: list[str]  # warnings, such as an assumed class order


def import_weights(
    name: str, file: Path, output: Path, count: int | None = None, classes: str | None = None
) -> ImportedWeights:
    """Read `file` as weights of the network `name` and write them to `output` with a card (.json) beside it.

    output: path of a .safetensors file. count: number of classes that the file must have. classes: their names in the
    order of the logits, or a corpus whose order is known; a corpus also chooses its options, such as the one that sets
    mean and std. Raises WeightsError if the file does not fit, ConfigError if the order of the classes is not known, or
    if the file has a card already, whose facts a new one would lack.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"--output {output}: weights are written as .safetensors; choose a name with this ending")
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; check the path")
    if _has_card(file):
        card_file = file.with_suffix(".json")
        raise ConfigError(f"{file} is imported already, {card_file} is its card; use it as it is: weights: {file}")
    if count is not None and "num_classes" not in find_network(name, Network).option_names():
        raise ConfigError(f"--num-classes {count}: {name} has no classes; leave it out")
    tensors = read_tensors(file)
    options, ours = from_official(name, tensors)
    if count is not None and options.setdefault("num_classes", count) != count:
        found = counted(options["num_classes"], "class", "classes")
        raise WeightsError(f"{file} has {found}, not {count}; leave --num-classes out")
    card = implied_card(name, options, file)
    order = next((order for order in card.orders if order.name == classes), None)
    if order is not None and order.options:
        options = options | order.options
        card = implied_card(name, options, file)
    network = from_tensors(name, tensors, str(file), **options)
    card, notes = _with_classes(card, classes)
    notes += [] if order else _assumed_options(card)
    notes += _missing_head(ours, tensors)
    sources = [*card.sources, f"imported from {file.name}, sha256 {sha256(file)}"]
    card = card.model_copy(update={"sources": sources})
    return ImportedWeights(save(network, card, output), card, notes)


def _has_card(file: Path) -> bool:
    """Return whether a file is a weight file of avfer: a .safetensors file with a card beside it."""
    try:
        return file.suffix == ".safetensors" and bool(read_card(file.with_suffix(".json")))
    except WeightsError:
        return False


def _with_classes(card: Card, classes: str | None) -> tuple[Card, list[str]]:
    """Return the card with the order of its classes, and notes on that order."""
    if classes is not None:
        return choose(card, classes), []
    ordered = assume(card)
    if ordered.assumed:
        note = f"the file does not state the order of its classes; that of {ordered.assumed} is assumed"
        return ordered, [f"{note}; else {known_orders(card)}"]
    if ordered.classes or not card.orders:
        return ordered, []
    if any(len(order.classes) == num_classes(card) for order in card.orders):
        problem = f"the order of the {num_classes(card)} classes in such files of {card.name} is not proven"
        raise ConfigError(f"{problem}; {known_orders(card)}")
    note = f"no order of {num_classes(card)} classes is known: these weights can only be used for features"
    return ordered, [f"{note}; or {known_orders(card)}"]


def _assumed_options(card: Card) -> list[str]:
    """Return a note if checkpoints with so many classes differ in options, which none of their files states."""
    fitting = [order for order in card.orders if len(order.classes) == num_classes(card)]
    if all(order.options == fitting[0].options for order in fitting):
        return []
    note = f"the file does not state its corpus; mean and std of {fitting[0].name} are assumed"
    return [f"{note}; else {known_orders(card)}"]


def _missing_head(ours: dict[str, Tensor], tensors: dict[str, Tensor]) -> list[str]:
    """Return a note if zeros replace a head that the file lacks.

    tensors: name -> tensor of the file; ours: the same under avfer's names, and those that replace missing ones.
    """
    in_file = {id(tensor) for tensor in tensors.values()}
    added = [name for name, tensor in ours.items() if id(tensor) not in in_file and tensor.is_floating_point()]
    zeros = sorted(name for name in added if not ours[name].any())
    if not zeros:
        return []
    return [f"the file lacks {', '.join(zeros)}: all classes are equally likely until the network is trained"]
