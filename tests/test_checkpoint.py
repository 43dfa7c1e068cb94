"""Checkpoints of others: every layout is read, and no code in a file is run."""

import argparse
import functools
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from avfer.errors import WeightsError
from avfer.models.tensor_files import read_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.steps": torch.tensor(4)}


class Recorder:
    """As a training script defines it in its own file."""

    def __init__(self) -> None:
        self.losses = np.ones(3)


class Calls:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("zipped", [True, False], ids=["new", "old"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("table", ["state_dict", "model_state_dict", "model", None])
def test_nested_tables_and_prefixes_are_removed(tmp_path, table, prefix, zipped):
    tensors = OrderedDict((prefix + name, tensor) for name, tensor in TENSORS.items())
    content = tensors if table is None else {"epoch": 3, table: tensors, "best_acc": torch.tensor(92.2)}
    torch.save(content, tmp_path / "f.pth.tar", _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(tmp_path / "f.pth.tar"))


@pytest.mark.parametrize("form", ["_orig_mod.{}", "module._orig_mod.{}", "_orig_mod.module.{}"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_names_of_a_compiled_network_are_those_of_the_network(tmp_path, suffix, form):
    tensors = {form.format(name): tensor for name, tensor in TENSORS.items()}
    save = save_file if suffix == "safetensors" else torch.save
    save(tensors, tmp_path / f"f.{suffix}")
    assert same(read_tensors(tmp_path / f"f.{suffix}"))


def test_names_of_a_compiled_part_are_those_of_the_network(tmp_path):
    torch.save({"trunk._orig_mod.0.weight": torch.ones(2), "head.bias": torch.ones(1)}, tmp_path / "f.pth")
    assert read_tensors(tmp_path / "f.pth").keys() == {"trunk.0.weight", "head.bias"}


@pytest.mark.parametrize("zipped", [True, False], ids=["new", "old"])
def test_objects_of_a_training_script_become_inert(tmp_path, zipped):
    script = {"recorder": Recorder(), "args": argparse.Namespace(out=Path("runs"), lr=0.1), "best": np.float64(0.9)}
    torch.save(script | {"state_dict": TENSORS}, tmp_path / "f.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(tmp_path / "f.pth"))


def test_parameters_and_arrays_are_tensors_too(tmp_path):
    torch.save({"a": torch.nn.Parameter(torch.ones(2)), "b": np.ones(3)}, tmp_path / "f.pth")
    found = read_tensors(tmp_path / "f.pth")
    assert torch.equal(found["a"], torch.ones(2)) and torch.equal(found["b"], torch.ones(3, dtype=torch.float64))
    assert not found["a"].requires_grad


def test_arrays_of_an_npz_are_read(tmp_path):
    np.savez(tmp_path / "f.npz", **{name: tensor.numpy() for name, tensor in TENSORS.items()})
    assert same(read_tensors(tmp_path / "f.npz"))


@pytest.mark.parametrize("how", ["new", "old", "bare pickle"])
@pytest.mark.parametrize(
    "payload",
    [
        Calls(os.system, "touch went_off"),
        Calls(exec, "open('went_off', 'w')"),
        Calls(eval, "open('went_off', 'w')"),
        Calls(functools.partial, os.system, "touch went_off"),
        Calls(os.makedirs, "went_off"),
        Calls(torch.load, "went_off"),
    ],
    ids=lambda payload: payload.call[0].__name__,
)
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path, monkeypatch, payload, how):
    monkeypatch.chdir(tmp_path)
    path, content = tmp_path / "evil.pth", {"state_dict": TENSORS, "z": payload}
    if how == "bare pickle":
        path.write_bytes(pickle.dumps(content["z"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "new")
    with pytest.raises(WeightsError, match=r"evil\.pth is refused: it would run code \(.*\); nothing was run"):
        read_tensors(path)
    assert not Path("went_off").exists()


def test_an_array_of_objects_in_an_npz_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("f.npz", a=np.array([Calls(os.system, "touch went_off")], dtype=object))
    with pytest.raises(WeightsError, match=r"f\.npz: damaged \.npz, or not of plain arrays"):
        read_tensors(Path("f.npz"))
    assert not Path("went_off").exists()


def test_a_program_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "f.pt")
    with pytest.raises(WeightsError, match="it is a TorchScript program"):
        read_tensors(tmp_path / "f.pt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["f.pth", "f.safetensors", "f.npz", "old.pth"])
def test_a_truncated_file_raises_an_error(tmp_path, name, share):
    path, big = tmp_path / name, {"w": torch.randn(100, 100)}
    if name.endswith(".pth"):
        torch.save(big, path, _use_new_zipfile_serialization=name == "f.pth")
    elif name == "f.npz":
        np.savez(path, **{key: value.numpy() for key, value in big.items()})
    else:
        from safetensors.torch import save_file

        save_file(big, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WeightsError, match=rf"{name}: damaged"):
        read_tensors(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": "text"}, {"state_dict": {"a": 3}}, Recorder(), torch.ones(3)])
def test_a_file_without_a_table_of_tensors_raises_an_error(tmp_path, content):
    torch.save(content, tmp_path / "f.pth")
    with pytest.raises(WeightsError, match="holds no table of tensors"):
        read_tensors(tmp_path / "f.pth")
