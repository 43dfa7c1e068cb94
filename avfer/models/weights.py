"""Weights and their cards: found, checked against the card, loaded strictly.

A weight file that avfer wrote is a safetensors file with a card of the same name beside it
(`aver_lite.safetensors`, `aver_lite.json`). `weights:` in a pipeline is `builtin` (in the wheel), a path, or a URL
with its sha256 (`https://.../f.safetensors#sha256=...`, kept in the cache, so that it works offline afterwards).
A path may also name a checkpoint of the network's authors: its card is then made from what the file shows.
"""

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from avfer.errors import OutputError, WeightsError
from avfer.models.card import Card
from avfer.models.class_orders import assume
from avfer.models.network import Network, find_network
from avfer.models.tensor_files import read_tensors

BUILTIN = Path(__file__).parents[1] / "builtin"
URLS = ("https://", "http://", "file://")
MOST_NAMES = 40  # of tensors that a message lists
UNTRAINED: dict[str, Any] = {  # what a card does not tell of a network that has learned nothing yet
    "description": "",
    "head": None,
    "classes": [],
    "action_units": [],
    "valence_arousal": False,
    "data": "",
    "licence_weights": "",
    "metrics": [],
    "sha256": None,
}


@cache
def builtin_card(name: str) -> Card:
    """The card of a model whose weights come in the wheel."""
    return read_card(BUILTIN / f"{name}.json")


def read_card(path: Path) -> Card:
    """A card from its JSON file; WeightsError where it is absent or no card."""
    try:
        return Card.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise WeightsError(f"no readable card at {path}: {error}") from error


def card_of(name: str, **options: Any) -> Card:
    """What is known of a model without a weight file; embedded weights tell more. ConfigError for an unknown name."""
    builtin = (BUILTIN / f"{name}.json").exists()
    if not options and builtin:
        return builtin_card(name)
    if (card := find_network(name, Network).card(**options)) is not None:
        return card
    if builtin:
        return builtin_card(name).model_copy(update={**UNTRAINED, "options": options})
    return Card(name=name, task="", description="", options=options)


def locate(name: str, weights: str) -> tuple[Path, Card]:
    """The file behind `weights` for the model `name`, and its card. WeightsError where there is none."""
    if weights == "builtin":
        path = BUILTIN / f"{name}.safetensors"
        if not path.exists():
            raise WeightsError(f"{name} has no weights in this package; give a path: weights: FILE.safetensors")
        return path, builtin_card(name)
    path = _fetched(weights) if weights.startswith(URLS) else Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f"no weight file at {path}; check the path behind weights:")
    beside = path.with_suffix(".json")
    ours = path.suffix == ".safetensors" and beside.exists()
    card = read_card(beside) if ours else deduced_card(name, read_tensors(path))
    if card.name != name:
        raise WeightsError(f"{path} holds weights of {card.name}, not of {name}")
    return path, card


def deduced_card(name: str, tensors: dict[str, Any]) -> Card:
    """The card of a checkpoint without one, as names and shapes of its tensors tell."""
    options, _ = official(name, tensors)
    return assume(card_of(name, **options).model_copy(update={"sha256": None, "metrics": [], "head": None}))


def official(name: str, tensors: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the constructor and tensors under avfer's names, from the authors' names."""
    return find_network(name, Network).from_official(tensors)


def load_into(module: Any, path: Path, card: Card) -> None:
    """Put the tensors of a file into a torch module; every name and shape must agree."""
    if card.sha256 and sha256(path) != card.sha256:
        raise WeightsError(f"{path} is damaged: its sha256 is not the one on its card; get the file again")
    tensors = read_tensors(path)
    fill(module, official(card.name, tensors)[1], f"{path} does not fit {card.name}", theirs=tensors)


def fill(
    module: Any,
    tensors: dict[str, Any],
    fault: str,
    constructed: frozenset[str] = frozenset(),
    theirs: Mapping[str, Any] | None = None,
) -> None:
    """Load tensors strictly, apart from those that the constructor computes; a WeightsError begins with `fault`.

    `theirs` are the tensors under the names of the file, by which the error calls them.
    """
    called = _names_in_file(tensors, theirs or {})
    wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    common = wanted.keys() & found.keys()
    told = {
        "missing": sorted(map(called, wanted.keys() - found.keys() - constructed)),
        "not known": sorted(map(called, found.keys() - wanted.keys())),
        "of another shape": sorted(f"{called(n)} {found[n]} for {wanted[n]}" for n in common if found[n] != wanted[n]),
    }
    parts = [f"{len(names)} {what} ({_listed(names)})" for what, names in told.items() if names]
    if parts:
        raise WeightsError(f"{fault}: tensors {'; '.join(parts)}")
    module.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}, strict=False)


def _names_in_file(tensors: Mapping[str, Any], theirs: Mapping[str, Any]) -> Callable[[str], str]:
    """From our name of a tensor to that of the file; the name of a missing one follows from those beside it."""
    by_tensor = {id(tensor): name for name, tensor in theirs.items()}
    known = {ours: by_tensor[id(tensor)] for ours, tensor in tensors.items() if id(tensor) in by_tensor}
    places = {ours.rpartition(".")[0]: name.rpartition(".")[0] for ours, name in known.items()}

    def called(ours: str) -> str:
        place, dot, last = ours.rpartition(".")
        beside = places.get(place)
        return known.get(ours) or (f"{beside}.{last}" if beside and dot else ours)

    return called


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (f", and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else "")


def save(module: Any, card: Card, path: Path, *, half: bool = False) -> Path:
    """Write a .safetensors (in half precision if asked) and its card as .json beside it; both appear whole or not.

    OutputError where the disk is full.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part, told = path.with_suffix(".part"), path.with_suffix(".json.part")
    tensors = {n: t.detach().cpu().clone().contiguous() for n, t in module.state_dict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({n: t.half() if half and t.dtype == torch.float32 else t for n, t in tensors.items()}, part)
        part.chmod(0o644)  # safetensors leaves it to the owner alone
        card = card.model_copy(update={"sha256": sha256(part)})
        told.write_text(json.dumps(card.model_dump(exclude_defaults=True), indent=2, ensure_ascii=False) + "\n")
        part.replace(path)
        told.replace(path.with_suffix(".json"))
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        told.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error}") from error
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(url: str) -> Path:
    address, _, digest = url.partition("#sha256=")
    if not digest:
        raise WeightsError(f"{url}: a URL needs its sha256, as in {address}#sha256=0123...")
    home = Path(os.environ.get("AVFER_CACHE") or Path.home() / ".cache" / "avfer")
    path = home / digest / Path(address).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            urllib.request.urlretrieve(address, part)
        except (urllib.error.URLError, OSError) as error:
            raise WeightsError(f"{address} cannot be fetched: {error}") from error
        if sha256(part) != digest:
            part.unlink()
            raise WeightsError(f"{address} is not the file expected: its sha256 is not {digest}")
        part.replace(path)
    return path
