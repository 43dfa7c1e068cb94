"""Golden folders: `manifest.json` and `golden.npz`, what a published implementation computes from filled weights.

A manifest lists the tensors of the state dict (names and shapes; `fill` says how their values follow), and cases
with inputs and the outputs wanted of them. The tolerance of an output is one number: `atol` plus `rtol` times the
largest absolute value of what is stored.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avfer.errors import ConfigError
from avfer.goldens.fill import chirp, filled, sample


@dataclass(frozen=True, eq=False)
class Wanted:
    """One output of a case; `part` of the whole array of `shape` is stored."""

    name: str
    shape: tuple[int, ...]
    part: tuple[slice | int, ...]
    values: np.ndarray
    allowed: float

    def deviation(self, whole: np.ndarray) -> float:
        """The largest absolute difference; infinite where the shape differs or a value is not finite."""
        given = np.atleast_1d(whole).astype(np.float64)
        if given.shape != self.shape or not np.isfinite(given).all():
            return float("inf")
        return float(np.abs(given[self.part] - self.values.astype(np.float64)).max())


@dataclass(frozen=True, eq=False)
class Case:
    """Inputs and what is wanted of them."""

    name: str
    inputs: dict[str, np.ndarray]
    tensors: dict[str, np.ndarray]  # of a part that has a file of its own
    wanted: list[Wanted]
    needs: str  # the package it cannot do without; "" for none


@dataclass(frozen=True, eq=False)
class Golden:
    """A folder, read."""

    name: str
    tensors: dict[str, np.ndarray]
    constructed: frozenset[str]  # tensors that the constructor computes
    cases: list[Case]


def read(folder: Path) -> Golden:
    """A golden folder; ConfigError where it is none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        with np.load(folder / "golden.npz") as stored:
            arrays = {name: stored[name] for name in stored.files}
        patterns = manifest.get("fill", {}).get("constructed", [])
        names = [name for name, _, _ in manifest.get("state_dict", [])]
        kept = frozenset(name for name in names if any(re.fullmatch(p, name) for p in patterns))
        cases = [_case(entry, arrays) for entry in manifest["cases"]]
        return Golden(folder.resolve().name, _tensors(manifest, kept), kept, cases)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        what = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{folder} is no golden folder (manifest.json and golden.npz): {what}") from error


def _case(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> Case:
    inputs = {given["name"]: _input(given) for given in entry["inputs"]}
    wanted = [_wanted(output, arrays[output["array"]]) for output in entry["outputs"]]
    return Case(entry["name"], inputs, _tensors(entry, frozenset()), wanted, entry.get("needs") or "")


def _tensors(entry: dict[str, Any], without: frozenset[str]) -> dict[str, np.ndarray]:
    fill = entry.get("fill", {})
    listed = [(name, tuple(shape)) for name, shape, _ in entry.get("state_dict", []) if name not in without]
    return {name: _adjusted(name, filled(name, shape), fill) for name, shape in listed}


def _adjusted(name: str, values: np.ndarray, fill: dict[str, Any]) -> np.ndarray:
    for rule in fill.get("rescale", []):
        values = values * np.float32(rule["factor"]) if re.fullmatch(rule["match"], name) else values
    for rule in fill.get("add", []):
        values = values + np.asarray(rule["value"], np.float32) if re.fullmatch(rule["match"], name) else values
    return values


def _input(given: dict[str, Any]) -> np.ndarray:
    if "values" in given:
        return np.asarray(given["values"])
    key, shape, transform = given["key"], tuple(given["shape"]), given.get("transform")
    if transform is None:
        return sample(key, shape)
    if transform == "filled":
        return filled(key, shape)
    c = transform["chirp"]
    return chirp(sample(key, shape), c["rate"], c["amplitude"], c["f0"], c["f1"], c["noise"])


def _wanted(output: dict[str, Any], values: np.ndarray) -> Wanted:
    allowed = output["atol"] + output["rtol"] * float(np.abs(values.astype(np.float64)).max(initial=0))
    return Wanted(output["name"], tuple(output["shape"]), tuple(_part(output["slice"])), values, allowed)


def _part(text: str | None) -> Iterator[slice | int]:
    """'[:, ::4, 0]' as an index."""
    for axis in text.strip("[]").split(",") if text else []:
        numbers = [int(number) if number.strip() else None for number in axis.split(":")]
        yield slice(*numbers) if ":" in axis else int(axis)
