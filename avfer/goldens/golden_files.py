"""Golden folders: `manifest.json` and `golden.npz`, the outputs of a published implementation under filled weights.

A golden needs no checkpoint: every weight and every input follows from a name and a shape alone (`fill_tensor`,
`sample_input`). The manifest lists the tensors of the state dict (names and shapes; `fill` adds rules) and the cases,
each with its inputs and expected outputs. The tolerance of an output is one number: `atol` plus `rtol` times the
largest absolute stored value.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from avfer.errors import ConfigError

MAX_VALUES = 2**31  # of one tensor
DAMAGE = (  # what a manifest of other contents, or a damaged archive, can raise
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, RecursionError,
    NotImplementedError, re.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ExpectedOutput:
    """One output of a case; the golden may store only a part of it."""

    name: str  # as the manifest states it
    shape: tuple[int, ...]  # of the whole output
    part: tuple[slice | int, ...]  # index of the stored part
    values: np.ndarray  # the stored part
    allowed: float  # largest absolute difference that is accepted

    def deviation(self, computed: np.ndarray) -> float:
        """Return the largest absolute difference of an output (N, ...) from the stored values, as a float.

        It is infinite if the shape differs or a value is non-finite.
        """
        array = np.atleast_1d(computed).astype(np.float64)
        if array.shape != self.shape or not np.isfinite(array).all():
            return float("inf")
        return float(np.abs(array[self.part] - self.values.astype(np.float64)).max())


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """Inputs, and the outputs that a network must compute from them."""

    name: str  # as the manifest states it
    inputs: dict[str, np.ndarray]  # name -> array of the shape in the manifest
    tensors: dict[str, np.ndarray]  # weights of a part that is published as a file of its own
    expected: list[ExpectedOutput]  # in the order of the manifest
    needs: str  # the package that the case cannot run without, and its version; "" for none


@dataclass(frozen=True, eq=False)
class Golden:
    """The content of a golden folder."""

    name: str  # of the folder
    tensors: dict[str, np.ndarray]  # weights under the names of the published implementation
    constructed: frozenset[str]  # names of tensors that the constructor computes
    cases: list[GoldenCase]  # in the order of the manifest


def read_golden(folder: Path) -> Golden:
    """Return the golden in a folder. Raises ConfigError if manifest.json or golden.npz is missing or damaged."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: not a golden folder: there is no folder; check the path")
    try:
        manifest = read_golden_manifest(folder)
        with np.load(folder / "golden.npz") as stored:
            arrays = {name: stored[name] for name in stored.files}
        patterns = manifest.get("fill", {}).get("constructed", [])
        names = [name for name, _, _ in manifest.get("state_dict", [])]
        constructed = frozenset(name for name in names if any(re.fullmatch(p, name) for p in patterns))
        cases = [_case(entry, arrays) for entry in manifest["cases"]]
        return Golden(folder.resolve().name, _weights(manifest, constructed), constructed, cases)
    except DAMAGE as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{folder}: not a golden folder (manifest.json and golden.npz): {reason}") from error


def read_golden_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of manifest.json in a golden folder. Raises OSError or ValueError if it cannot be read."""
    return json.loads((folder / "manifest.json").read_text())


def fill_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values of a state-dict tensor (*shape): float32, or int64 zeros for a batch counter.

    They are NumPy's PCG64 normal numbers with the CRC-32 of the name as seed, scaled by the tensor's role: matrices and
    kernels by 1 / sqrt(fan-in), weights of norms and running variances around 1.
    """
    role = name.rpartition(".")[2]
    if role == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    normal = _normal(name, shape)
    if role == "running_var":
        return 1.0 + 0.1 * np.abs(normal)
    if role == "running_mean" or role.endswith("bias"):
        return 0.1 * normal
    if len(shape) > 1:
        return normal / np.float32(max(1, prod(shape[1:])) ** 0.5)
    return 1.0 + 0.1 * normal


def sample_input(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return an input (*shape) of standard-normal float32 numbers, seeded by its key."""
    return _normal(f"input:{key}", shape)


def chirp(noise: np.ndarray, rate: float, amplitude: float, f0: float, f1: float, share: float) -> np.ndarray:
    """Return a sweep from `f0` to `f1` Hz over the whole length plus a share of noise.

    noise: (S,) samples at `rate` Hz -> (S,) float64.
    """
    seconds = len(noise) / rate
    t = np.arange(len(noise)) / rate
    return amplitude * np.sin(2 * np.pi * (f0 * t + (f1 - f0) * t * t / (2 * seconds))) + share * noise.astype(float)


def _normal(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if prod(shape) > MAX_VALUES:
        raise ValueError(f"{key} of shape {shape} has more than {MAX_VALUES} values")
    seed = zlib.crc32(key.encode())
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


def _case(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> GoldenCase:
    inputs = {item["name"]: _input(item) for item in entry["inputs"]}
    expected = [_expected(output, arrays[output["array"]]) for output in entry["outputs"]]
    return GoldenCase(entry["name"], inputs, _weights(entry, frozenset()), expected, entry.get("needs") or "")


def _weights(entry: dict[str, Any], without: frozenset[str]) -> dict[str, np.ndarray]:
    rules = entry.get("fill", {})
    listed = [(name, tuple(shape)) for name, shape, _ in entry.get("state_dict", []) if name not in without]
    return {name: _adjusted(name, fill_tensor(name, shape), rules) for name, shape in listed}


def _adjusted(name: str, values: np.ndarray, rules: dict[str, Any]) -> np.ndarray:
    for rule in rules.get("rescale", []):
        values = values * np.float32(rule["factor"]) if re.fullmatch(rule["match"], name) else values
    for rule in rules.get("add", []):
        values = values + np.asarray(rule["value"], np.float32) if re.fullmatch(rule["match"], name) else values
    return values


def _input(item: dict[str, Any]) -> np.ndarray:
    if "values" in item:
        return np.asarray(item["values"])
    key, shape, transform = item["key"], tuple(item["shape"]), item.get("transform")
    if transform is None:
        return sample_input(key, shape)
    if transform == "filled":
        return fill_tensor(key, shape)
    c = transform["chirp"]
    return chirp(sample_input(key, shape), c["rate"], c["amplitude"], c["f0"], c["f1"], c["noise"])


def _expected(output: dict[str, Any], values: np.ndarray) -> ExpectedOutput:
    allowed = output["atol"] + output["rtol"] * float(np.abs(values.astype(np.float64)).max(initial=0))
    return ExpectedOutput(output["name"], tuple(output["shape"]), tuple(_part(output["slice"])), values, allowed)


def _part(text: str | None) -> Iterator[slice | int]:
    """Parse '[:, ::4, 0]' as an index."""
    for axis in text.strip("[]").split(",") if text else []:
        numbers = [int(number) if number.strip() else None for number in axis.split(":")]
        yield slice(*numbers) if ":" in axis else int(axis)
