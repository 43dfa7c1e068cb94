"""Read a golden folder: weights, inputs, expected outputs, and how far a result is from them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.fill import filled, sample

__all__ = ["Case", "cases", "deviation", "manifest", "state_dict"]


@dataclass
class Case:
    name: str
    inputs: dict[str, np.ndarray]
    outputs: list[dict[str, Any]]  # as in the manifest, plus "want": the stored array
    notes: dict[str, Any]  # the case as listed in the manifest


def manifest(folder: str | Path) -> dict[str, Any]:
    return json.loads((Path(folder) / "manifest.json").read_text())


def state_dict(notes: dict[str, Any]) -> dict[str, np.ndarray]:
    """The weights that a manifest (or a case with tensors of its own) lists, without the constructed ones."""
    fill, state = notes.get("fill", {}), {}
    for name, shape, _ in notes.get("state_dict", []):
        if any(re.fullmatch(pattern, name) for pattern in fill.get("constructed", [])):
            continue
        value = filled(name, tuple(shape))
        for rule in fill.get("rescale", []):
            if re.fullmatch(rule["match"], name):
                value = value * np.float32(rule["factor"])
        for rule in fill.get("add", []):
            if re.fullmatch(rule["match"], name):
                value = value + np.asarray(rule["value"], np.float32)
        state[name] = value
    return state


def cases(folder: str | Path) -> list[Case]:
    with np.load(Path(folder) / "golden.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    return [
        Case(
            case["name"],
            {x["name"]: _input(x) for x in case["inputs"]},
            [y | {"want": arrays[y["array"]]} for y in case["outputs"]],
            case,
        )
        for case in manifest(folder)["cases"]
    ]


def deviation(case: Case, outputs: dict[str, np.ndarray]) -> list[tuple[str, float, float]]:
    """(name, largest absolute difference, allowed) per output; a missing tap is left out, other faults are infinite."""
    rows = []
    for y in case.outputs:
        name, want = y["name"], y["want"].astype(np.float64)
        if name not in outputs and name.startswith("tap:"):
            continue
        got, worst = np.atleast_1d(np.asarray(outputs.get(name, np.nan), np.float64)), float("inf")
        if list(got.shape) == y["shape"] and np.isfinite(got).all():
            worst = float(np.abs(got[_slices(y["slice"])] - want).max())
        rows.append((name, worst, y["atol"] + y["rtol"] * float(np.abs(want).max())))
    return rows


def _input(x: dict[str, Any]) -> np.ndarray:
    if "values" in x:
        return np.asarray(x["values"])
    transform = x.get("transform")
    if transform == "filled":
        return filled(x["key"], tuple(x["shape"]))
    value = sample(x["key"], tuple(x["shape"]))
    if transform is None:
        return value
    c = transform["chirp"]
    t, seconds = np.arange(len(value)) / c["rate"], len(value) / c["rate"]
    phase = 2 * np.pi * (c["f0"] * t + (c["f1"] - c["f0"]) * t * t / (2 * seconds))
    return c["amplitude"] * np.sin(phase) + c["noise"] * value.astype(np.float64)


def _slices(text: str | None) -> tuple[slice | int, ...]:
    """'[:, ::4, 0]' as an index."""
    parts = text.strip("[]").split(",") if text else []
    return tuple(slice(*(int(n) if n.strip() else None for n in p.split(":"))) if ":" in p else int(p) for p in parts)
