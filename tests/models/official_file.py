"""Checkpoints as the authors' scripts write them, with the names of a golden and values that need no memory."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from avfer.goldens.golden_files import read_golden_manifest

GOLDEN = Path(__file__).parents[1] / "golden"


def official(golden: str) -> dict[str, torch.Tensor]:
    """Return tensors with the names, shapes and dtypes of a golden's state dict, each a single number expanded."""
    listed = read_golden_manifest(GOLDEN / golden)["state_dict"]
    return {name: torch.ones((), dtype=getattr(torch, kind)).expand(shape) for name, shape, kind in listed}


def write(path: Path, golden: str, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Write the tensors of a golden under `module.`, in the table that `wrap` returns."""
    torch.save(wrap({f"module.{name}": tensor for name, tensor in official(golden).items()}), path)
    return path


class Recorder:
    """Replacement of a class of a training script."""


def script_class(name: str) -> type:
    """Return a new class of the module `__main__`, as a pickle names it; `forget` removes it."""
    kind = type(name, (Recorder,), {"__module__": "__main__"})
    setattr(sys.modules["__main__"], name, kind)
    return kind


def forget(name: str) -> None:
    """Remove a class, so that a plain load of the file fails."""
    delattr(sys.modules["__main__"], name)
