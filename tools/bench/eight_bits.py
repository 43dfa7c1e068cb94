"""Compare `aver_lite` in 8 bits with float32: `python -m tools.bench.eight_bits ../shared/data/ferplus`.

Weights and activations are quantised for ONNX Runtime, each output channel on its own, with the ranges of 512 faces of
the validation split. Printed are CPU time on one core, accuracy of the network's own head on the test split (majority
mode of FER+, faces as distributed), and how far outputs differ. avfer itself runs float32 only.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from avfer.models.engine import load_face_predictor
from avfer.models.weights import cache_folder, locate
from tools.train.ferplus import load_faces, majority

BATCH = 32  # faces in one forward pass
CALIBRATION = 512  # faces
ROUNDS = 20


class Calibration(CalibrationDataReader):
    """Gives crops (N, 3, 48, 48) float32 in batches to the network that is quantised."""

    def __init__(self, name: str, crops: np.ndarray) -> None:
        self.batches: Iterator[dict[str, np.ndarray]] = ({name: batch} for batch in batches(crops))

    def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the next inputs of the network; None after the last."""
        return next(self.batches, None)


def batches(crops: np.ndarray) -> list[np.ndarray]:
    """Return crops in parts of at most BATCH."""
    return [crops[first : first + BATCH] for first in range(0, len(crops), BATCH)]


def crops_of(faces: np.ndarray) -> np.ndarray:
    """Return the inputs of the network: (N, 48, 48) uint8 -> (N, 3, 48, 48) float32."""
    return np.repeat((faces[:, None].astype(np.float32) / 255 - 0.5) / 0.25, 3, 1)


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a network that ONNX Runtime runs on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def outputs(network: onnxruntime.InferenceSession, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, F) and logits of expressions (N, 8)."""
    name = network.get_inputs()[0].name
    parts = [network.run(None, {name: batch}) for batch in batches(crops)]
    features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return features, logits


def milliseconds(network: onnxruntime.InferenceSession, crops: np.ndarray) -> float:
    """Return the CPU time for each face."""
    before = time.process_time()
    outputs(network, crops)
    return (time.process_time() - before) / len(crops) * 1e3


def main() -> None:
    """Print one line for each precision, and how far their outputs differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferplus", type=Path, help="folder with valid.npz and test.npz")
    root = parser.parse_args().ferplus
    path, card = locate("aver_lite", "builtin")
    load_face_predictor("aver_lite", path, card, "onnx", torch.device("cpu"))  # exports it into the cache
    exported = max((cache_folder() / "onnx").glob("aver_lite-*.onnx"), key=lambda file: file.stat().st_mtime)
    calibration = crops_of(load_faces(root, "valid")[0][:CALIBRATION])
    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder, "plain.onnx"), Path(folder, "quantised.onnx")
        quant_pre_process(exported, plain, skip_symbolic_shape=True)
        networks = {"float32": session(plain)}
        reader = Calibration(networks["float32"].get_inputs()[0].name, calibration)
        # Without reduce_range, sums of products of 8 bits overflow on processors without VNNI.
        quantize_static(
            plain,
            quantised,
            reader,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        networks["8 bits"] = session(quantised)
    faces, data = load_faces(root, "test")
    labels, keep = majority(data["votes"])
    crops = crops_of(faces)
    times = [{name: milliseconds(one, crops[:BATCH]) for name, one in networks.items()} for _ in range(ROUNDS)]
    found = {name: outputs(one, crops) for name, one in networks.items()}
    print("| precision | CPU ms a face | accuracy |", "|---|---|---|", sep="\n")
    for name, (_, logits) in found.items():
        accuracy = (logits.argmax(1) == labels)[keep].mean()
        print(f"| {name} | {statistics.median(time[name] for time in times):.2f} | {accuracy:.1%} |")
    (exact, one), (rounded, other) = found["float32"], found["8 bits"]
    print(f"Predictions agree for {(one.argmax(1) == other.argmax(1)).mean():.1%} of {len(faces)} faces;", end=" ")
    print(f"features differ by {np.abs(rounded - exact).mean() / np.abs(exact).mean():.1%} of their mean size.")


if __name__ == "__main__":
    main()
