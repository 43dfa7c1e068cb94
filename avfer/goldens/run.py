"""Run a golden on a network of the catalog: how far is it from the published implementation?

Each network that has goldens has a file here, named like it, with
`CASES`       case name -> what gives its outputs by name, from the network and the inputs by name (tensors of a
              part with a file of its own are inputs too),
`TAPS`        name of an intermediate -> path of the module whose output it is ("<path": whose first input it is);
              names that are not listed are such paths,
`TRANSFORM`   name of an intermediate -> what brings it to the golden's layout (optional),
`build`       the network from the tensors, where the catalog's way does not fit (optional).
"""

import importlib
import importlib.util
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.goldens.read import Case, Golden, Wanted
from avfer.models.factory import from_tensors

TAP = "tap:"
Run = Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]]


class Deviation(NamedTuple):
    """Of one output of one case."""

    case: str
    output: str
    found: float  # the largest absolute difference; infinite where shape or finiteness fails; NaN where left out
    allowed: float
    left_out: str = ""  # why the case was not run

    @property
    def fine(self) -> bool:
        """Within the tolerance, or left out for a stated reason."""
        return bool(self.left_out) or self.found <= self.allowed


def verify(name: str, golden: Golden) -> list[Deviation]:
    """Every output of every case of a golden, as the network `name` computes it."""
    if importlib.util.find_spec(f"avfer.goldens.{name}") is None:
        raise ConfigError(f"{name} has no way to run goldens; write avfer/goldens/{name}.py")
    ways = importlib.import_module(f"avfer.goldens.{name}")
    tensors = {key: torch.from_numpy(values) for key, values in golden.tensors.items()}
    network = (ways.build(tensors) if hasattr(ways, "build") else _built(name, golden, tensors)).eval()
    return [deviation for case in golden.cases for deviation in _run(network, ways, case)]


def _built(name: str, golden: Golden, tensors: dict[str, Tensor]) -> nn.Module:
    return from_tensors(name, tensors, f"golden {golden.name}", constructed=golden.constructed)


def _run(network: nn.Module, ways: ModuleType, case: Case) -> Iterator[Deviation]:
    package = case.needs.split(" ")[0]
    if package and importlib.util.find_spec(package) is None:
        for wanted in case.wanted:
            yield Deviation(case.name, wanted.name, float("nan"), wanted.allowed, f"needs {case.needs}")
        return
    cases: dict[str, Run] = ways.CASES
    if case.name not in cases:
        raise ConfigError(f"{ways.__name__} does not know the case '{case.name}'; it knows {', '.join(cases)}")
    inputs = {key: torch.from_numpy(values) for key, values in {**case.inputs, **case.tensors}.items()}
    with torch.inference_mode(), taps(network, ways, case.wanted) as tapped:
        given = {**cases[case.name](network, inputs)}
    outputs = {**tapped, **given}
    for wanted in case.wanted:
        found = wanted.deviation(outputs[wanted.name].numpy()) if wanted.name in outputs else float("inf")
        yield Deviation(case.name, wanted.name, found, wanted.allowed)


@contextmanager
def taps(network: nn.Module, ways: ModuleType, wanted: list[Wanted]) -> Generator[dict[str, Tensor]]:
    """While open, intermediates that pass through the network's modules are kept under their names."""
    paths: Mapping[str, str] = getattr(ways, "TAPS", {})
    changes: Mapping[str, Callable[[Tensor], Tensor]] = getattr(ways, "TRANSFORM", {})
    modules, kept = dict(network.named_modules()), dict[str, Tensor]()

    def keep(name: str, value: Any) -> None:
        tensor = (value if isinstance(value, Tensor) else value[0]).clone()
        kept.setdefault(TAP + name, changes[name](tensor) if name in changes else tensor)

    with ExitStack() as stack:
        for name in {w.name.removeprefix(TAP) for w in wanted if w.name.startswith(TAP)}:
            path = paths.get(name, name)
            module = modules.get(path.removeprefix("<"))
            if module is None:
                continue
            if path.startswith("<"):
                hook = module.register_forward_pre_hook(_told(keep, name))
            else:
                hook = module.register_forward_hook(_told(keep, name))
            stack.callback(hook.remove)
        yield kept


def _told(keep: Callable[[str, Any], None], name: str) -> Callable[..., None]:
    """A hook that keeps the last thing it is told: the inputs of a module, or its output."""
    return lambda *told: keep(name, told[-1])
