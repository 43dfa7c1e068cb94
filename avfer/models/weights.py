"""Weight files and their cards: located, checked against each other, loaded strictly, written.

A weight file that avfer wrote is a safetensors file with a card of the same name beside it
(`aver_lite.safetensors`, `aver_lite.json`). `weights:` in a pipeline is `builtin` (in the wheel), `research` (in the
wheel too, trained on data that is licensed for non-commercial use), a path, or a URL with its sha256
(`https://.../f.safetensors#sha256=...`, kept in a cache, so that it works offline afterwards).
A path or URL may also name a checkpoint of the network's authors: its card follows from the names and shapes of its
tensors. Networks without such checkpoints need the card.
"""

import hashlib
import http.client
import inspect
import json
import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from avfer.atomic import atomic_rename, output_errors
from avfer.errors import ConfigError, OutputError, WeightsError, shortened
from avfer.local_paths import local_path
from avfer.models.card import Card
from avfer.models.card_files import (
    BUILTIN,
    EMBEDDED,
    builtin_card,
    embedded_cards,
    has_embedded_card,
    read_card,
)
from avfer.models.class_orders import assume
from avfer.models.network import Network, find_network
from avfer.models.tensor_files import describe_other_file, read_tensors

URLS = ("https://", "http://", "file://")
SHA256 = re.compile(r"[0-9a-f]{64}")
TIMEOUT = 60.0  # s without a byte, after which a download fails
CACHE_HINT = "set AVFER_CACHE to a folder that can be written, or download the file and name its path"
MAX_LISTED = 40  # names of tensors that a message lists
MIN_COMMON = 0.1  # share of a network's tensors in a file, below which it seems to be of another network
UNTRAINED: dict[str, Any] = {  # facts of the embedded weights that a fresh network does not share
    "description": "",
    "head": None,
    "classes": [],
    "temperature": 1.0,
    "action_units": [],
    "valence_arousal": False,
    "data": "",
    "licence_weights": "",
    "metrics": [],
    "sha256": None,
}


def card_of(name: str, **options: Any) -> Card:
    """Return the card of a network without a weight file; without options that of its embedded weights, if any.

    options: of the constructor. Raises ConfigError for an unknown name, and if `card` of the network cannot be called
    with the options or returns no card.
    """
    builtin = has_embedded_card(name)
    if not options and builtin:
        return builtin_card(name)
    if (card := _declared_card(name, options)) is not None:
        return card
    if builtin:
        return builtin_card(name).model_copy(update={**UNTRAINED, "options": options})
    return Card(name=name, task="", description="", options=options, licence_code="")


def _declared_card(name: str, options: Mapping[str, Any]) -> Card | None:
    """Return the card that the class of a network makes for some constructor options, None if it makes none."""
    make: Callable[..., Any] = find_network(name, Network).card  # of the user's class: it may be anything
    given = f"{name}.card({', '.join(f'{option}=...' for option in options)})"
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        raise ConfigError(
            f"{given} cannot be called: {error}; its signature is card{inspect.signature(make)}. Define it as a"
            " class method that accepts the options of the constructor, each with a default"
        ) from None
    try:
        made: object = make(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{given} failed: {type(error).__name__}: {error}") from error
    if made is None or isinstance(made, Card):
        return made
    raise ConfigError(f"{given} must return an avfer.models.card.Card or None, got {type(made).__name__}")


def locate(name: str, weights: str) -> tuple[Path, Card]:
    """Return the path and the card of the weights of a network.

    weights: "builtin", "research", a path, or a URL with its sha256. Raises WeightsError if there is no such file or it
    holds the weights of another network.
    """
    if weights in EMBEDDED:
        stem = EMBEDDED[weights].format(name=name)
        path = BUILTIN / f"{stem}.safetensors"
        if not path.exists():
            others = [other for other, form in EMBEDDED.items() if has_embedded_card(form.format(name=name))]
            way = f"weights: {others[0]}, or weights: FILE.safetensors" if others else "weights: FILE.safetensors"
            raise WeightsError(f"{name} has no {weights} weights in this package; set {way}")
        return path, builtin_card(stem)
    path = weight_file(weights)
    beside = path.with_suffix(".json")
    has_card = path.suffix == ".safetensors" and beside.exists()
    card = read_card(beside) if has_card else _deduced_card(name, path)
    if card.name != name:
        raise WeightsError(f"{path} holds weights of {card.name}, not of {name}; check weights:")
    return path, card


def weight_file(weights: str) -> Path:
    """Return the path of a weight file, of whatever format; a URL is downloaded unless the cache has it.

    weights: a path, or a URL with its sha256. Raises WeightsError if there is no such file or the sha256 differs.
    """
    path = _download(weights) if weights.startswith(URLS) else local_path(weights)
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file; check weights:")
    return path


def _deduced_card(name: str, path: Path) -> Card:
    """Return the card of a weight file without one: a copy of embedded weights, or a checkpoint of the authors."""
    tensors = read_tensors(path)
    for card in embedded_cards(name):
        if card.sha256 == sha256(path):
            return card
    return assume(implied_card(name, from_official(name, tensors)[0], path))


def implied_card(name: str, options: Mapping[str, Any], path: Path) -> Card:
    """Return the card of a checkpoint of the authors that implies these constructor options of a network.

    Raises WeightsError for a network without such checkpoints, all of whose weight files have a card: it is embedded,
    or its class, from outside avfer, makes no card.
    """
    card = None if has_embedded_card(name) else _declared_card(name, options)
    if card is None:
        raise WeightsError(
            f"{path} has no card: weights of {name} are a .safetensors file with its card, a .json file of the same"
            " name, beside it; keep both together"
        )
    return card


def from_official(name: str, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the constructor options that a checkpoint implies, and its tensors under avfer's names.

    tensors: name -> float tensor of its layer's shape, named as in the authors' files or in ours.
    """
    return find_network(name, Network).from_official(tensors)


def load_into(module: nn.Module, path: Path, card: Card) -> None:
    """Load the tensors of a file into a network. Raises WeightsError if a name, a shape or the sha256 differs."""
    if card.sha256 and sha256(path) != card.sha256:
        raise WeightsError(
            f"{path}: the sha256 differs from the one on its card; the file is damaged, download it again"
        )
    tensors = read_tensors(path)
    fill(module, from_official(card.name, tensors)[1], f"{path} does not fit {card.name}", theirs=tensors)


def fill(
    module: nn.Module,
    tensors: dict[str, Tensor],
    prefix: str,
    constructed: frozenset[str] = frozenset(),
    theirs: Mapping[str, Tensor] | None = None,
) -> None:
    """Load tensors strictly into a network, except those that the constructor computes.

    tensors: our name -> float tensor of its layer's shape; constructed: names that may be missing; theirs: the same
    tensors under the names of the file, which messages use. Raises WeightsError, whose message starts with `prefix` and
    lists tensors that are missing, unknown, of another shape or non-finite.
    """
    in_file = _names_in_file(tensors, theirs or {})
    wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    common = wanted.keys() & found.keys()
    wrong = [name for name in common if found[name] != wanted[name]]
    non_finite = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    problems = {
        "missing": sorted(map(in_file, wanted.keys() - found.keys() - constructed)),
        "not known": sorted(map(in_file, found.keys() - wanted.keys())),
        "of another shape": sorted(f"{in_file(name)} {found[name]} for {wanted[name]}" for name in wrong),
        "with NaN or infinite values": sorted(map(in_file, non_finite)),
    }
    is_other = len(common) < len(wanted) * MIN_COMMON
    parts = [f"{len(names)} {what} ({shortened(names, MAX_LISTED)})" for what, names in problems.items() if names]
    if parts:
        hint = "; the file seems to be of another network, or to name its tensors otherwise" if is_other else ""
        raise WeightsError(f"{prefix}: tensors {'; '.join(parts)}{hint}")
    module.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}, strict=False)


def _names_in_file(tensors: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Callable[[str], str]:
    """Return a function from our name of a tensor to its name in the file.

    The name of a missing tensor follows from those of its layer.
    """
    by_tensor = {id(tensor): name for name, tensor in theirs.items()}
    known = {ours: by_tensor[id(tensor)] for ours, tensor in tensors.items() if id(tensor) in by_tensor}
    layers = {ours.rpartition(".")[0]: name.rpartition(".")[0] for ours, name in known.items()}

    def in_file(ours: str) -> str:
        layer, dot, last = ours.rpartition(".")
        theirs = layers.get(layer)
        return known.get(ours) or (f"{theirs}.{last}" if theirs and dot else ours)

    return in_file


def save(module: nn.Module, card: Card, path: Path, *, half: bool = False) -> Path:
    """Write a network to a .safetensors file and its card to a .json file beside it, both atomically.

    half: store float32 tensors as float16. The sha256 of the weights is set on the card. Raises OutputError if a file
    cannot be written.
    """
    tensors = {n: t.detach().cpu().clone().contiguous() for n, t in module.state_dict().items()}
    beside = path.with_suffix(".json")
    with output_errors(path), atomic_rename(beside) as card_part, atomic_rename(path) as part:
        try:
            save_file({n: t.half() if half and t.dtype == torch.float32 else t for n, t in tensors.items()}, part)
        except SafetensorError as error:
            raise OutputError(f"{path} cannot be written: {error}") from error
        part.chmod(0o644)  # safetensors makes the file readable by its owner alone
        card = card.model_copy(update={"sha256": sha256(part)})
        text = json.dumps(card.model_dump(exclude_defaults=True), indent=2, ensure_ascii=False)
        card_part.write_text(text + "\n")
    return path


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@runtime_checkable
class ReadsPackage(Protocol):
    """A network whose constructor reads its weights from files of an installed package."""

    @classmethod
    def weight_paths(cls) -> tuple[Path, ...]:
        """Return the paths of these files. Raises MissingExtra or WeightsError if the package is not installed."""
        ...


def packaged_files(network: object) -> dict[str, str]:
    """Return the sha256 of the weight files of a network (a class) by their names; none unless it declares them."""
    return {path.name: sha256(path) for path in network.weight_paths()} if isinstance(network, ReadsPackage) else {}


def cache_folder() -> Path:
    """Return the user's cache: AVFER_CACHE if it is set, else ~/.cache/avfer. It need not exist.

    Raises WeightsError for a user without a home folder, as in a container that runs under a bare number.
    """
    try:
        return Path(os.environ.get("AVFER_CACHE") or "~/.cache/avfer").expanduser()
    except RuntimeError as error:
        raise WeightsError(f"there is no folder for the cache: {error}; set AVFER_CACHE to one") from error


def _download(url: str) -> Path:
    """Return the path in the cache of a URL with its sha256; download the file if it is not there."""
    address, _, digest = url.partition("#sha256=")
    digest = digest.strip().lower()
    if not SHA256.fullmatch(digest):
        raise WeightsError(f"{url}: a URL needs its sha256 of 64 hexadecimal digits, as in {address}#sha256=0123...")
    path = cache_folder() / digest / (Path(urlsplit(address).path).name or "weights")
    if path.exists():
        return path
    with atomic_rename(path, CACHE_HINT) as part:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, part.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = str(error).strip() or type(error).__name__
            raise WeightsError(f"{address} cannot be downloaded: {problem}") from error
        if (found := sha256(part)) != digest:
            size = f"a file of {part.stat().st_size:,} bytes was downloaded"
            problem = describe_other_file(part) or f"{size}, whose sha256 is {found}, not {digest}"
            raise WeightsError(f"{address}: {problem}; check the URL")
    return path
