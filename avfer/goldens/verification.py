"""Run a golden on a network of the catalog, and measure the deviation from the published implementation.

`avfer models verify NAME FOLDER` prints the result; the tests run every golden of the repository.
"""

import importlib.util
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.goldens.golden_files import ExpectedOutput, Golden, GoldenCase
from avfer.models.factory import from_tensors

TAP = "tap:"  # before the name of an intermediate among the outputs of a case
Tensors = Mapping[str, Tensor]
RunCase = Callable[[Any, Tensors], dict[str, Tensor]]  # network, inputs by name -> outputs by name


@dataclass(frozen=True)
class GoldenAdapter:
    """How one network runs its goldens.

    A golden of the network that needs neither taps nor special weights is `GoldenAdapter({"whole": run})`.
    """

    cases: Mapping[str, RunCase]  # tensors of a part with a file of its own are inputs too
    # Intermediate -> path of the module whose output it is ("<path": whose first input it is); a name that is not
    # listed is such a path itself.
    taps: Mapping[str, str] = field(default_factory=dict[str, str])
    # Intermediate -> function that brings our tensor to the layout of the golden.
    transforms: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict[str, Callable[[Tensor], Tensor]])
    build: Callable[[dict[str, Tensor]], nn.Module] | None = None  # the network from the tensors; None: from_tensors


class Deviation(NamedTuple):
    """How far one output of one case is from the stored values."""

    case: str
    output: str
    found: float  # the largest absolute difference; infinite if shape or finiteness fails; NaN if the case did not run
    allowed: float  # the tolerance
    left_out: str = ""  # why the case did not run; "" if it did
    precision: str = "float32"  # of the network; float64 where the rounding of this machine exceeded the tolerance

    @property
    def fine(self) -> bool:
        """Whether the output is within its tolerance, or was left out for a stated reason."""
        return bool(self.left_out) or self.found <= self.allowed


def deviations(name: str, adapter: GoldenAdapter, golden: Golden) -> list[Deviation]:
    """Return the deviation of every output of every case of a golden, as a network with an adapter computes it.

    The stored outputs are float32, and so are ours. Rounding differs between processors and numbers of threads, and a
    few intermediates amplify it (PSR's spatial transformer, for one). A case with an output outside its tolerance is
    therefore run again in float64: a network that computes the same function is then within the same tolerance, one
    that computes another function is not.

    name: of the network in the catalog. Raises ConfigError if the adapter lacks a case, WeightsError if the tensors of
    the golden do not fit the network.
    """
    tensors = {key: torch.from_numpy(values) for key, values in golden.tensors.items()}
    if adapter.build is not None:
        network = adapter.build(tensors)
    else:
        network = from_tensors(name, tensors, f"golden {golden.name}", constructed=golden.constructed)
    network.eval()
    results: list[Deviation] = []
    for case in golden.cases:
        rows = list(_run(name, network, adapter, case))
        if not case.tensors and not all(row.fine for row in rows):  # an adapter builds networks of tensors in float32
            exact = _run(name, network.double(), adapter, case, torch.float64)
            rows = [row if row.fine else again for row, again in zip(rows, exact, strict=True)]
            network.float()
        results += rows
    return results


def _run(
    name: str, network: nn.Module, adapter: GoldenAdapter, case: GoldenCase, dtype: torch.dtype = torch.float32
) -> Iterator[Deviation]:
    package = case.needs.split(" ")[0]
    if package and importlib.util.find_spec(package) is None:
        for expected in case.expected:
            yield Deviation(case.name, expected.name, float("nan"), expected.allowed, f"needs {case.needs}")
        return
    if case.name not in adapter.cases:
        raise ConfigError(f"{name}: no adapter for the case '{case.name}'; there are {', '.join(adapter.cases)}")
    given = {key: torch.from_numpy(values) for key, values in {**case.inputs, **case.tensors}.items()}
    inputs = {key: value.to(dtype) if value.dtype == torch.float32 else value for key, value in given.items()}
    with torch.inference_mode(), recorded_taps(network, adapter, case.expected) as taps:
        computed = dict(adapter.cases[case.name](network, inputs))
    outputs = {**taps, **computed}
    for expected in case.expected:
        found = expected.deviation(outputs[expected.name].numpy()) if expected.name in outputs else float("inf")
        yield Deviation(case.name, expected.name, found, expected.allowed, precision=str(dtype).removeprefix("torch."))


@contextmanager
def recorded_taps(
    network: nn.Module, adapter: GoldenAdapter, expected: list[ExpectedOutput]
) -> Generator[dict[str, Tensor]]:
    """Record intermediate values of the network's modules while the context is open.

    The dictionary maps "tap:NAME" to a tensor (N, ...); a module that runs several times keeps its first value.
    """
    modules, taps = dict(network.named_modules()), dict[str, Tensor]()

    def record(name: str, value: Any) -> None:
        tensor = (value if isinstance(value, Tensor) else value[0]).clone()
        change = adapter.transforms.get(name)
        taps.setdefault(TAP + name, change(tensor) if change else tensor)

    with ExitStack() as stack:
        for name in {output.name.removeprefix(TAP) for output in expected if output.name.startswith(TAP)}:
            path = adapter.taps.get(name, name)
            module = modules.get(path.removeprefix("<"))
            if module is None:
                continue
            if path.startswith("<"):
                hook = module.register_forward_pre_hook(_last_argument_to(record, name))
            else:
                hook = module.register_forward_hook(_last_argument_to(record, name))
            stack.callback(hook.remove)
        yield taps


def _last_argument_to(record: Callable[[str, Any], None], name: str) -> Callable[..., None]:
    """Return a hook that records its last argument: the inputs of a module, or its output."""
    return lambda *arguments: record(name, arguments[-1])
