"""Read checkpoint files of others without running code in them, and rename their tensors.

A `.pth` is a pickle, and a pickle may call any function. This reader calls only the functions that rebuild tensors and
arrays. Objects of unknown classes (of a training script, for example) become inert and empty; a file that calls
anything else is refused.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avfer.errors import WeightsError

TABLES = ("state_dict", "model_state_dict", "model")  # keys under which training scripts put the tensors
PREFIX = "module."  # of names saved by a data-parallel wrapper
COMPILED = "_orig_mod."  # in names saved from a network, or a part of it, that torch.compile wrapped
CALLED = {  # functions that a pickle may call, and classes that it may use as a value
    "_codecs": {"encode"},
    "builtins": {"set", "frozenset", "bytearray", "complex", "slice", "range", "list", "dict", "tuple"}
    | {"int", "float", "bool", "str", "bytes"},
    "collections": {"OrderedDict", "defaultdict", "Counter"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "pathlib": {"Path", "PosixPath", "PurePosixPath"},
    "torch": {"Size", "Tensor", "device"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch.nn.parameter": {"Parameter"},
}


class _Refused(pickle.UnpicklingError):
    """The file calls a function that is not in the list."""


class _Inert(type):
    """The class of an object that stays empty; it cannot be called."""

    def __call__(cls, *arguments: object, **named: object) -> Any:
        raise _Refused(f"{cls.__module__}.{cls.__qualname__}")


def _ignore(*_: object) -> None:
    """Do nothing: the method of an inert object."""


def _inert(module: str, name: str) -> _Inert:
    methods = dict.fromkeys(("__setstate__", "__setitem__", "append", "extend", "update", "add"), _ignore)
    return _Inert(name, (), {"__module__": module, "__new__": lambda cls, *_, **__: object.__new__(cls), **methods})


def _revived(kind: type, *_: object) -> object:
    """Act as `copyreg._reconstructor` of old pickles, for inert classes alone."""
    if not isinstance(kind, _Inert):
        raise _Refused(f"copyreg._reconstructor of {kind.__name__}")
    return object.__new__(kind)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name in {"copyreg", "copy_reg"} and global_name == "_reconstructor":
            return _revived
        module_name = {"__builtin__": "builtins"}.get(module_name, module_name)
        known = global_name in CALLED.get(module_name, ())
        if known or (module_name == "torch" and isinstance(getattr(torch, global_name, None), torch.dtype)):
            return super().find_class(module_name, global_name)
        if module_name in {"torch", "torch.storage"} and global_name.endswith("Storage") and "." not in global_name:
            return super().find_class(module_name, global_name)
        return _inert(module_name, global_name)


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


_PICKLE = SimpleNamespace(Unpickler=_Unpickler, UnpicklingError=pickle.UnpicklingError, load=_load, __name__="avfer")


def describe_other_file(path: Path) -> str:
    """Return what a file is that people often have in place of weights; "" for any other file.

    A page of a web site is what a browser saves, or a script downloads, where a link leads to a page about the file.
    """
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if not start:
        return "the file is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "the file is a web page, not weights"
    if start.startswith(b"version https://git-lfs"):
        return "the file is a pointer of Git LFS, not the weights (`git lfs pull` fetches them)"
    return ""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors`, an `.npz`, or any checkpoint that torch.save wrote.

    -> name -> tensor of any shape, float or int64, as stored. Nested tables (`state_dict` and alike) are opened, and
    the parts of names that data-parallel wrappers and torch.compile add are removed. Raises WeightsError if the file
    cannot be read, is damaged, holds no tensors, or calls code.
    """
    try:
        problem = describe_other_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    if problem:
        raise WeightsError(f"{path}: damaged weight file: {problem}; download it again")
    content = READERS.get(path.suffix, _unpickled)(path)
    while isinstance(content, dict) and (inner := next((k for k in TABLES if isinstance(content.get(k), dict)), None)):
        content = content[inner]
    if not isinstance(content, dict) or not content:
        kind = f"{type(content).__module__}.{type(content).__qualname__}"
        found = "an empty one" if isinstance(content, dict) else f"an object of {kind}"
        raise WeightsError(
            f"{path}: the file holds no table of tensors, but {found}; save the state_dict() of the network instead"
        )
    tensors = {str(name).replace(COMPILED, ""): _tensor(path, name, value) for name, value in content.items()}
    wrapped = all(name.startswith(PREFIX) for name in tensors)
    return {name.removeprefix(PREFIX if wrapped else ""): tensor for name, tensor in tensors.items()}


def _tensor(path: Path, name: object, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.array(value))
    raise WeightsError(
        f"{path}: the file holds no table of tensors: '{name}' is of type {type(value).__name__}; save the state_dict()"
        f" of the network alone, or below one of the keys {', '.join(TABLES)}"
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: damaged safetensors file ({error}); download it again") from error


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise WeightsError(f"{path}: damaged .npz, or not of plain arrays ({error}); download it again") from error


def _unpickled(path: Path) -> Any:
    if _is_program(path):
        raise WeightsError(f"{path} is refused: it is a TorchScript program; use a file of the weights alone")
    try:
        with warnings.catch_warnings(action="ignore"):  # of old formats
            return torch.load(path, map_location="cpu", pickle_module=_PICKLE, weights_only=False)
    except _Refused as error:
        raise WeightsError(f"{path} is refused: it would run code ({error}); nothing was run") from error
    except Exception as error:  # a damaged file can raise anything
        reason = str(error).split("\n")[0] or type(error).__name__
        raise WeightsError(f"{path}: damaged weight file ({reason}); download it again") from error


READERS: dict[str, Callable[[Path], Any]] = {".safetensors": _safetensors, ".npz": _arrays}  # others are pickles


def _is_program(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


TENSORFLOW_ENDINGS = (
    (r"(.*)/(?:weights|kernel)$", r"\1.weight"),
    (r"(.*)/biases$", r"\1.bias"),
    (r"(.*)/bias$", r"\1.bias"),
    (r"(.*)/gamma$", r"\1.weight"),
    (r"(.*)/beta$", r"\1.bias"),
    (r"(.*)/moving_mean$", r"\1.running_mean"),
    (r"(.*)/moving_variance$", r"\1.running_var"),
)
MEAN, COUNT = ".running_mean", ".num_batches_tracked"  # PyTorch counts batches beside the means, TensorFlow does not


def rename_tensors(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return the tensors with every (pattern, replacement) of a table applied to their names, in order.

    tensors: name -> tensor of any shape, float or int64. A pattern is a regular expression, replaced wherever it
    matches. A name that no pattern matches stays, so that a table whose patterns match no name of ours leaves our own
    files alone: `rename_tensors({"body.0.w": t}, [(r"^body\\.", "trunk.")])` returns `{"trunk.0.w": t}`.
    """
    rows = [(re.compile(pattern), replacement) for pattern, replacement in table]
    return {_renamed(name, rows): tensor for name, tensor in tensors.items()}


def count_numbered(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many different numbers follow a prefix: 2 for `heads.0.x`, `heads.3.y` and the prefix `heads.`.

    tensors: name -> tensor of any shape, float or int64, which is not read.
    """
    found = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in tensors)
    return len({match[1] for match in found if match})


def from_tensorflow(variables: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return variables of TensorFlow under our names and in PyTorch's layout.

    variables: name -> tensor; names with slashes are TensorFlow's, names without are ours and stay. `table` is one of
    `rename_tensors` for the part before the endings. Kernels (H, W, in, out) become (out, in, H, W), matrices (in, out)
    become (out, in).
    """
    ours = {name: tensor for name, tensor in variables.items() if "/" not in name}
    theirs = {name: _torch_layout(tensor) for name, tensor in variables.items() if "/" in name}
    converted = rename_tensors(theirs, [*TENSORFLOW_ENDINGS, *table])
    counts = {name.removesuffix(MEAN) + COUNT: torch.tensor(0) for name in converted if name.endswith(MEAN)}
    return ours | converted | counts


def _renamed(name: str, rows: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rows:
        name = pattern.sub(replacement, name)
    return name


def _torch_layout(variable: Tensor) -> Tensor:
    """(H, W, in, out) -> (out, in, H, W); (in, out) -> (out, in); others stay."""
    if variable.ndim == 4:
        return variable.permute(3, 2, 0, 1).contiguous()
    return variable.T.contiguous() if variable.ndim == 2 else variable
