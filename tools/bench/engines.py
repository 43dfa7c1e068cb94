"""Time the embedded face networks alone with each engine, on one core: `python -m tools.bench.engines`.

`aver_lite` and `face_lite` run on 32 faces at once with torch and ONNX Runtime, and with OpenVINO where its package is
installed, which avfer does not use. The engines take turns; each time is the median of the rounds'.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from avfer.models.engine import load_face_predictor
from avfer.models.weights import cache_folder, locate

FACES = 32  # in one forward pass
SIDES = {"aver_lite": 48, "face_lite": 96}  # network -> px of its crops
Run = Callable[[Tensor], Any]


def engines(name: str) -> dict[str, Run]:
    """Return a network by engine: each a function of crops (N, 3, S, S) float32."""
    path, card = locate(name, "builtin")
    runs: dict[str, Run] = {}
    for engine in ("torch", "onnx"):
        runs[engine], used = load_face_predictor(name, path, card, engine, torch.device("cpu"))
        assert used == engine, f"{name} runs by {used}"
    if find_spec("openvino") is not None:
        runs["openvino"] = openvino(name)
    return runs


def openvino(name: str) -> Run:
    """Return a network that OpenVINO runs on one core, read from the newest file of ONNX in the cache."""
    import openvino as ov  # pyright: ignore[reportMissingImports]

    path = max((cache_folder() / "onnx").glob(f"{name}-*.onnx"), key=lambda file: file.stat().st_mtime)
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    request = ov.Core().compile_model(path, "CPU", options).create_infer_request()
    return lambda crops: request.infer({0: crops.numpy()})


def milliseconds(run: Run, crops: Tensor) -> float:
    """Return the CPU time of one forward pass for each face."""
    before = time.process_time()
    with torch.inference_mode():
        run(crops)
    return (time.process_time() - before) / len(crops) * 1e3


def main() -> None:
    """Print the time of each network with each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| network | engine | CPU ms a face |", "|---|---|---|", sep="\n")
    for name, side in SIDES.items():
        crops = torch.randn(FACES, 3, side, side, generator=torch.Generator().manual_seed(0))
        runs = engines(name)
        for run in runs.values():  # the first pass of an engine plans its work
            milliseconds(run, crops)
        times = [{engine: milliseconds(run, crops) for engine, run in runs.items()} for _ in range(rounds)]
        for engine in runs:
            print(f"| {name} | {engine} | {statistics.median(time[engine] for time in times):.2f} |")


if __name__ == "__main__":
    main()
