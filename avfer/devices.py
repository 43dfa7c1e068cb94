"""The devices that networks run on: which one a name means on this machine, and which errors make one unusable."""

import re

import torch

from avfer.errors import ConfigError
from avfer.option_types import check_device

# Texts of errors that torch raises as a RuntimeError, or as a class that only some of its versions have.
FAILED = re.compile(r"\bCUDA (error|out of memory)|\bc(uDNN|uda\w*) error|\bCUBLAS_|\bHIP |\bMPS backend|CPUAllocator")


def choose_device(device: str | torch.device) -> torch.device:
    """Return a device by its name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises ConfigError if the name is unknown or this machine lacks the device.
    """
    name, count = str(device), _device_counts()
    if name == "auto":
        return torch.device(next(kind for kind, number in count.items() if number))
    check_device(name)
    kind, _, index = name.partition(":")
    if int(index or 0) < count[kind]:
        return torch.device(kind if kind == "cpu" else name)
    known = " and ".join(f"'{kind}:{i}'" for i in range(count[kind]))
    advice = f"it has {known}" if count[kind] else "'auto' takes the best available one"
    raise ConfigError(f"this machine has no device '{name}'; {advice}")


def check_processes(kind: str, processes: int) -> None:
    """Raise ConfigError if this machine has fewer GPUs than processes that need one each.

    kind: "cuda", "mps" or "cpu", which any number of processes share.
    """
    found = _device_counts()[kind]
    if kind != "cpu" and processes > found:
        raise ConfigError(f"devices: must be <= {found}, the number of GPUs of this machine, got {processes}")


def _device_counts() -> dict[str, int]:
    """Return the number of devices of each kind, the preferred kind first."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"cuda": cuda, "mps": int(torch.backends.mps.is_available()), "cpu": 1}


def device_failed(error: Exception) -> bool:
    """Return whether an error says that a device has failed or that memory ran out.

    It need not be the fault of the clip: other programs share the memory, and after most errors of CUDA every later
    call in the same process fails.
    """
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(FAILED.search(str(error))))
