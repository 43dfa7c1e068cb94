"""Run networks by ONNX Runtime in place of torch: faster on a CPU, the same values within 1e-4.

A network is exported to ONNX once. The file lies in the user's cache under a hash of the network's tensors and of the
versions of torch and ONNX Runtime. Whenever it is loaded, its outputs are compared with those of torch; a file that
differs, because it is damaged or the network's code has changed, is made again.
"""

import hashlib
import warnings
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.atomic import atomic_rename, output_errors
from avfer.errors import MissingExtra, WeightsError
from avfer.models.batch_norms import fold_batch_norms
from avfer.models.card import Card
from avfer.models.network import FaceNetwork, construct
from avfer.models.prediction import HEADS, Prediction
from avfer.models.weights import cache_folder, load_into

Engine = Literal["torch", "onnx"]
Outputs = dict[str, Tensor]  # outputs of a network by name
FacePredictor = tuple[Callable[[Tensor], Prediction], Engine]
RUNTIMES: dict[str, str] = {"torch": "torch", "onnx": "onnxruntime"}  # engine -> package that runs networks
PACKAGES = ("onnxruntime", "onnx")  # onnx only for the export
OPSET = 18
TOLERANCE = 1e-4  # largest difference from torch, of outputs whose scale is 1
INPUT = "input"
HINT = "set AVFER_CACHE to a folder that can be written, or set engine: torch"


@runtime_checkable
class RunsOnnx(Protocol):
    """A detector, or a network that measures faces, that can run its networks by ONNX Runtime."""

    def use_onnx(self) -> None:
        """Run the networks by ONNX Runtime from now on. Raises MissingExtra if it is not installed."""
        ...


def choose_engine(network: object, engine: Engine, device: torch.device) -> Engine:
    """Let a detector or measurer run by an engine if it can and is on the CPU; return the engine that it uses."""
    if engine == "onnx" and device.type == "cpu" and isinstance(network, RunsOnnx):
        network.use_onnx()
        return "onnx"
    return "torch"


class OnnxNetwork:
    """A network that ONNX Runtime runs on the CPU, with as many threads as torch has when it is loaded.

    path: of an ONNX file with one input. Equal inputs of equal shape give equal bytes.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other stages need the cores
        self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names: list[str] = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Tensor) -> Outputs:
        """Return all outputs by name. inputs: float32 of the CPU -> float32 each."""
        arrays = self._session.run(None, {INPUT: inputs.contiguous().numpy()})
        return {name: torch.from_numpy(array) for name, array in zip(self._names, arrays, strict=True)}


def onnx_network(
    name: str,
    network: nn.Module,
    call: Callable[[Any, Tensor], Outputs],
    shape: tuple[int, ...],
    free: tuple[int, ...] = (0,),
) -> OnnxNetwork:
    """Return a network that ONNX Runtime runs; it is exported unless the cache has it.

    name: of the file in the cache. network: in evaluation mode, on the CPU. call: computes the outputs of the network,
    its first argument. shape: of possible inputs. free: axes of the inputs and outputs whose length may vary.

    Raises MissingExtra if ONNX Runtime or the package onnx is not installed, WeightsError if the network cannot be
    exported or the exported one does not compute the same, and OutputError if the cache cannot be written.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("engine 'onnx'", package, "onnx")
    path = cache_folder() / "onnx" / f"{name}-{_digest(network, free)}.onnx"
    example = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = call(network, example)
    if path.exists() and (found := _load_equal(path, example, wanted)):
        return found
    with atomic_rename(path, HINT) as part:
        try:
            with output_errors(path, HINT):
                _export(network, call, example, list(wanted), free, part)
        except RuntimeError as error:
            problem = str(error).partition("\n")[0]
            raise WeightsError(f"{name} cannot be exported to ONNX: {problem}; set engine: torch") from error
    if found := _load_equal(path, example, wanted):
        return found
    raise WeightsError(f"{name}: ONNX Runtime does not compute the same as torch; set engine: torch")


def _load_equal(path: Path, example: Tensor, wanted: Outputs) -> OnnxNetwork | None:
    """Return the network of a file, None if the file is damaged or the outputs differ from those that are wanted."""
    try:
        network = OnnxNetwork(path)
        found = network(example)
    except Exception:  # ONNX Runtime has a type of its own for each fault of a file
        return None
    if found.keys() != wanted.keys() or any(found[name].shape != wanted[name].shape for name in wanted):
        return None
    scale = {name: max(1.0, float(values.abs().max())) for name, values in wanted.items()}
    equal = all(torch.allclose(found[name], wanted[name], rtol=0, atol=TOLERANCE * scale[name]) for name in wanted)
    return network if equal else None


def package_version(package: str) -> str:
    """Return the version of an installed package by the name of its module.

    ONNX Runtime is also published as onnxruntime-gpu and under other names, all with the module onnxruntime.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


def _digest(network: nn.Module, free: tuple[int, ...]) -> str:
    """Return a hash of everything that an exported file depends on, except the code of the network."""
    versions = [package_version(package) for package in ("torch", *PACKAGES)]
    digest = hashlib.sha256(repr((versions, OPSET, free)).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.hexdigest()[:32]


class _Exported(nn.Module):
    """A network whose forward method returns the outputs of `call` as a tuple."""

    def __init__(self, network: nn.Module, call: Callable[[Any, Tensor], Outputs]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of their names."""
        return tuple(self.call(self.network, inputs).values())


class _SplitPrelu(nn.Module):
    """PReLU as a x + (1 - a) relu(x), because ONNX Runtime has no kernel for PReLU in the layout of its convolutions.

    Both factors are convolutions of one pixel, which have such a kernel.
    """

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes.detach().reshape(-1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W), or (N, C) of a dense layer -> the same shape."""
        slopes, channels = self.get_buffer("slopes"), x.shape[1]
        if x.ndim == 2:
            return F.prelu(x, slopes.flatten())
        return F.conv2d(F.relu(x), 1 - slopes, groups=channels) + F.conv2d(x, slopes, groups=channels)


def _export(
    network: nn.Module,
    call: Callable[[Any, Tensor], Outputs],
    example: Tensor,
    names: list[str],
    free: tuple[int, ...],
    path: Path,
) -> None:
    """Write a network to an ONNX file."""
    network = deepcopy(network)
    for module in list(network.modules()):
        for child, layer in list(module.named_children()):
            if isinstance(layer, nn.PReLU):
                setattr(module, child, _SplitPrelu(layer.weight))
    axes = {axis: f"axis{axis}" for axis in free}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter by tracing is deprecated; the other one takes ten times as long
        torch.onnx.export(
            _Exported(network, call).eval(),
            (example,),
            str(path),
            input_names=[INPUT],
            output_names=names,
            dynamic_axes=dict.fromkeys([INPUT, *names], axes),
            opset_version=OPSET,
            dynamo=False,
        )


def load_face_predictor(name: str, path: Path, card: Card, engine: Engine, device: torch.device) -> FacePredictor:
    """Build a face network on a device, load its weights, and return its `face_predictor`.

    name: of the network; path, card: of its weights. Raises WeightsError if they do not fit, and what `onnx_network`
    raises.
    """
    network = construct(name, FaceNetwork, card.options)
    load_into(network, path, card)
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return face_predictor(name, network, card.size or 0, engine, device)


def face_predictor(name: str, network: FaceNetwork, side: int, engine: Engine, device: torch.device) -> FacePredictor:
    """Return the function that computes the outputs of a face network, and the engine that runs it.

    name: of the network; network: in evaluation mode on the device; side: px of its crops. ONNX Runtime runs networks
    that declare it (`runs_onnx`) on a CPU, without extra outputs; torch runs all others. Batch norms are folded into
    the convolutions of `network`.
    """
    fold_batch_norms(network)
    if engine == "torch" or device.type != "cpu" or not network.runs_onnx:
        return network.predict, "torch"
    run = onnx_network(name, network, _heads, (2, 3, side, side))
    return lambda crops: Prediction.of(run(crops)), "onnx"


def _heads(network: FaceNetwork, crops: Tensor) -> Outputs:
    """Return the outputs of a face network that are no extras.   crops: (N, 3, S, S)"""
    return {name: value for name, value in network.predict(crops).tensors().items() if name in HEADS}
