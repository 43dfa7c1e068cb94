"""Names of devices on this machine and on pretended ones, and errors that make a device unusable."""

import pytest
import torch

from avfer.devices import check_processes, choose_device, device_failed
from avfer.errors import ConfigError, OutputError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [("cpuu", "did you mean 'cpu'"), ("tpu", "unknown device"), ("mps", "no device 'mps'; 'auto' takes the best")],
)
def test_a_device_that_this_machine_lacks_is_refused(name: str, message: str) -> None:
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has MPS")
    with pytest.raises(ConfigError, match=message):
        choose_device(name)


def test_a_cpu_has_no_number() -> None:
    assert [choose_device(name) for name in ("cpu", "cpu:0")] == [torch.device("cpu")] * 2
    with pytest.raises(ConfigError, match="no device 'cpu:1'; it has 'cpu:0'"):
        choose_device("cpu:1")


@pytest.mark.usefixtures("two_gpus")
def test_only_a_gpu_that_exists_is_chosen() -> None:
    assert [str(choose_device(name)) for name in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    with pytest.raises(ConfigError, match="no device 'cuda:3'; it has 'cuda:0' and 'cuda:1'"):
        choose_device("cuda:3")


@pytest.mark.usefixtures("two_gpus")
def test_each_process_needs_a_gpu_of_its_own() -> None:
    check_processes("cuda", 2)
    check_processes("cpu", 4)
    with pytest.raises(ConfigError, match="devices: must be <= 2, the number of GPUs of this machine, got 4"):
        check_processes("cuda", 4)


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (MemoryError(), True),
        (RuntimeError("Expected all tensors to be on the same device, but found at least two, cuda:0 and cpu!"), False),
        (NotImplementedError("Could not run 'torchvision::nms' with arguments from the 'CUDA' backend."), False),
        (OutputError("a.parquet cannot be written"), False),
    ],
)
def test_errors_of_a_device_and_of_memory_are_recognized(error: Exception, failed: bool) -> None:
    assert device_failed(error) is failed
