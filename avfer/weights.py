"""Weights and their cards: found, checked against the card, loaded strictly.

A weight file is a safetensors file with a card of the same name beside it (`aver_lite.safetensors`,
`aver_lite.json`). `weights:` in a pipeline is `builtin` (in the wheel), a path, or a URL with its sha256
(`https://.../f.safetensors#sha256=...`, kept in the cache, so that it works offline afterwards).
"""

import hashlib
import json
import os
import pickle
import urllib.error
import urllib.request
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from avfer.errors import WeightsError

BUILTIN = Path(__file__).parent / "builtin"
URLS = ("https://", "http://", "file://")


class Metric(BaseModel):
    """A measured number and how it was measured."""

    name: str
    value: float
    protocol: str


class Card(BaseModel):
    """What a user must know of a weight file, and what the stages read to use it."""

    model_config = ConfigDict(extra="forbid")

    name: str  # of the model in the catalog
    task: str
    description: str
    options: dict[str, Any] = {}  # of the model's constructor
    inputs: dict[str, int] = {}  # features an affect model reads: {"face": 256, "voice": 128}
    features: int | None = None  # width of the embedding
    classes: list[str] = []  # expressions, in the order of the logits
    action_units: list[str] = []  # in the order of the logits
    size: int | None = None  # px, side of the crop
    mean: list[float] = []  # per channel, RGB, of pixels in [0, 1]
    std: list[float] = []
    template: list[tuple[float, float]] = []  # five landmarks in the crop, as shares of its side
    data: str = ""
    licence_code: str = "Apache-2.0"
    licence_weights: str = ""
    sources: list[str] = []
    metrics: list[Metric] = []
    sha256: str | None = None


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
    card = read_card(beside) if beside.exists() else builtin_card(name).model_copy(update={"sha256": None})
    if card.name != name:
        raise WeightsError(f"{path} holds weights of {card.name}, not of {name}")
    return path, card


def load_into(module: Any, path: Path, card: Card) -> None:
    """Put the tensors of a file into a torch module; every name and shape must agree."""
    if card.sha256 and sha256(path) != card.sha256:
        raise WeightsError(f"{path} is damaged: its sha256 is not the one on its card; get the file again")
    wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    tensors = read_tensors(path)
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if found != wanted:
        missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        shapes = sorted(
            f"{n} {found[n]} for {wanted[n]}" for n in wanted.keys() & found.keys() if found[n] != wanted[n]
        )
        told = {"missing": missing, "not known": extra, "of another shape": shapes}
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
            for what, names in told.items()
            if names
        ]
        raise WeightsError(f"{path} does not fit {card.name}: tensors {'; '.join(parts)}")
    module.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    )


def read_tensors(path: Path) -> dict[str, Any]:
    """Name to tensor, from a safetensors file or a .pth that holds tensors alone; code in a file is refused."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path} is no whole safetensors file ({error}); get the file again") from error
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles in other protocols, which are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path} is refused: it asks to run code, or is no weight file") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is no readable weight file ({error})") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds no table of tensors")
    return content


def save(module: Any, card: Card, folder: Path, *, half: bool = True) -> Path:
    """Write NAME.safetensors (half precision by default) and NAME.json with the sha256; returns the former."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.name}.safetensors"
    tensors = {n: t.detach().cpu().contiguous() for n, t in module.state_dict().items()}
    save_file({n: t.half() if half and t.dtype == torch.float32 else t for n, t in tensors.items()}, path)
    path.chmod(0o644)  # safetensors leaves it to the owner alone
    told = card.model_copy(update={"sha256": sha256(path)}).model_dump(exclude_defaults=True)
    path.with_suffix(".json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
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
