"""Build networks by name: fresh, with weights, or from the tensors of a checkpoint; and count what they cost."""

from collections.abc import Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from avfer.catalog import kind_of
from avfer.errors import ConfigError, counted, unknown
from avfer.models import class_orders
from avfer.models.card import Card
from avfer.models.network import Network, VoiceNetwork, check_removed, construct, find_network
from avfer.models.weights import card_of, fill, from_official, load_into, locate
from avfer.option_types import validate
from avfer.signal.log_mel import BANDS, PATCH_FRAMES

FRAMES = 4  # of the example of a video model


def create(name: str, num_classes: int | None = None, weights: str | Path | None = None, **options: Any) -> Network:
    """Return a network of the catalog as a torch module in eval mode.

    weights: None (fresh), "builtin", "research", a path, or a URL with its sha256; checkpoints of the network's authors
    are read too. options: of the constructor, in place of those on the card of the weights. Raises ConfigError for an
    unknown name, option or number of classes, and WeightsError for a file that does not fit.
    """
    if weights is None:
        chosen = {} if num_classes is None else {"num_classes": num_classes}
        return make(name, **card_of(name).options | options | chosen).eval()
    path, card = locate(name, str(weights))
    network = make(name, **card.options | options)
    count = class_orders.num_classes(card)  # 0 for a network without classes
    if num_classes is not None and count and num_classes != count:
        found = counted(count, "class", "classes")
        raise ConfigError(f"num_classes: {path} has {found}, not {num_classes}; leave num_classes out")
    load_into(network, path, card)
    return network.eval()


def from_tensors(
    name: str, tensors: dict[str, Tensor], source: str, constructed: frozenset[str] = frozenset(), **options: Any
) -> Network:
    """Return a network in eval mode from the tensors of a checkpoint, whose names and shapes imply its options.

    tensors: name -> float tensor of its layer's shape; source: name of the checkpoint in error messages; constructed:
    names of tensors that the constructor computes. Raises WeightsError if a tensor is missing, unknown or of another
    shape.
    """
    implied, ours = from_official(name, tensors)
    network = make(name, **implied | options)
    fill(network, ours, f"{source} does not fit {name}", constructed, tensors)
    return network.eval()


def make(name: str, **options: Any) -> Network:
    """Return a fresh network with exactly these constructor options.

    Raises ConfigError for an unknown option or a value of the wrong type or range.
    """
    return construct(name, Network, check_options(name, options))


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return some constructor options of a network with values of the declared types.

    Raises ConfigError for an unknown network or option, and for a value of another type.
    """
    kind = find_network(name, Network)
    check_removed(name, kind, options)
    known = signature(kind).parameters
    try:
        hints = get_type_hints(kind.__init__)
    except NameError:  # an annotation of the user's names what is imported for type checkers alone
        hints = dict[str, Any]()
    free = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values())
    if not free and (others := [option for option in options if option not in known]):
        raise ConfigError(f"model '{name}': {unknown('option', others[0], known)}")
    return {option: _checked(name, option, hints.get(option, Any), value) for option, value in options.items()}


def _checked(name: str, option: str, kind: Any, value: Any) -> Any:
    try:
        return validate(kind, value)
    except ValueError as error:
        raise ConfigError(f"model '{name}': option {option}: {error}") from None


class Cost(NamedTuple):
    """Cost of one network."""

    parameters: int
    macs: int | None  # for one crop, one patch of sound, or one frame; None for kinds without a single input


def cost_of(name: str, card: Card) -> Cost:
    """Return parameters and multiply-adds of a network with the options of its card."""
    with torch.device("cpu" if kind_of(name) in ("detector", "speech detector") else "meta"):  # they load weights
        network = create(name, **card.options)
    return Cost(sum(p.numel() for p in network.parameters()), _macs(name, card, network))


def example(kind: str, card: Card, n: int = 1) -> tuple[Tensor, ...]:
    """Return zeros as inputs of the forward method of a network, with n rows.

    kind: of the network in the catalog.
    -> (n, 3, S, S) for a backbone, (n, 1, 96, C) for a voice backbone, (n, D) for a voice post-processor,
    (n, 4, 3, S, S) and with a voice (n, 4, 1, 96, 64) for a video model; () for detectors, which read pictures of any
    size or sound, for a card that states no size of crops, and for affect models.
    """
    side = card.size or 0
    if kind in {"backbone", "video model"} and not side:
        return ()
    if kind == "backbone":
        return (torch.zeros(n, 3, side, side),)
    if kind == "voice backbone":
        return (torch.zeros(n, 1, PATCH_FRAMES, find_network(card.name, VoiceNetwork).frames.columns),)
    if kind == "voice post-processor":
        return (torch.zeros(n, card.inputs["voice"]),)
    if kind == "video model":
        crops = torch.zeros(n, FRAMES, 3, side, side)
        return (crops, torch.zeros(n, FRAMES, 1, PATCH_FRAMES, BANDS)) if "voice" in card.inputs else (crops,)
    return ()


def _macs(name: str, card: Card, network: nn.Module) -> int | None:
    kind = kind_of(name)
    with torch.device("meta"):
        inputs = example(kind, card)
    if not inputs:
        return None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops() // 2 // (FRAMES if kind == "video model" else 1)
