"""Measure speed by stage, end to end, and against a pipeline of public parts: `python -m tools.bench.speed`.

The other pipeline is what a user would assemble: PyAV frames, facenet-pytorch's MTCNN with its defaults on every frame
at full size, and timm's tf_efficientnet_b0 (random weights, which do not change the speed) on each face at 224 px. Both
run in turn in one process, `--rounds` times; the ratio is that of the medians.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from avfer import stage
from avfer.pipeline import Pipeline, load
from tools.bench.clips import talking_720p

COLUMNS = "stage", "ms per frame (CPU of its thread)"


@dataclass
class Timed:
    """A stage of any kind that adds the CPU time of its thread to `spent`."""

    stage: Any
    spent: dict[str, float]  # stage -> s, updated by every step
    name: str

    def start(self) -> Any:
        """Return the first state of the stage, None if it is stateless."""
        return stage.start(self.stage)

    def step(self, state: Any, *inputs: Any) -> tuple[Any, Any]:
        """Run the stage and return (state, output)."""
        before = time.thread_time()
        result = stage.run(self.stage, state, list(inputs))
        self.spent[self.name] += time.thread_time() - before
        return result


def timed(pipeline: Pipeline, spent: dict[str, float]) -> Pipeline:
    """Replace every stage of a pipeline by a timed one; return the pipeline.   spent: stage -> s, is updated"""
    pipeline.steps = tuple(replace(step, stage=Timed(step.stage, spent, step.name)) for step in pipeline.steps)
    return pipeline


def run_avfer(pipeline: Pipeline, clip: Path) -> tuple[float, int]:
    """Run a pipeline over a clip and return the seconds and the number of frames."""
    start, frames = time.perf_counter(), 0
    for part in pipeline.stream(clip):
        frames += len(part.clock)
    return time.perf_counter() - start, frames


class Assembled:
    """The pipeline that a user would assemble from public parts."""

    def __init__(self) -> None:
        import timm
        from facenet_pytorch import MTCNN

        self.detector = MTCNN(keep_all=True)
        self.network = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()

    @torch.inference_mode()
    def run(self, clip: Path, max_frames: int) -> tuple[float, int]:
        """Process the first `max_frames` frames of a clip and return the seconds and the number of frames."""
        start, frames = time.perf_counter(), 0
        with av.open(str(clip)) as source:
            for frame in source.decode(video=0):
                picture = frame.to_ndarray(format="rgb24")
                boxes, _ = self.detector.detect(picture)
                for left, top, right, bottom in [] if boxes is None else np.maximum(boxes, 0).astype(int):
                    crop = torch.from_numpy(picture[top:bottom, left:right]).permute(2, 0, 1)[None].float() / 255
                    crop = torch.nn.functional.interpolate(crop, (224, 224), mode="bilinear", antialias=True)
                    self.network((crop - 0.5) / 0.5).softmax(1)
                frames += 1
                if frames == max_frames:
                    break
        return time.perf_counter() - start, frames


def start_up() -> list[tuple[str, float]]:
    """Return the wall time of fresh processes: (name, median s of three)."""
    results = []
    for name, arguments in {
        "import avfer": ["-c", "import avfer"],
        "avfer --help": ["-m", "avfer", "--help"],
        "load aver": ["-c", "import avfer; avfer.load('aver', device='cpu')"],
    }.items():
        runs = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            runs.append(time.perf_counter() - start)
        results.append((name, statistics.median(runs)))
    return results


def main() -> None:
    """Run the rounds and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="default: 20 s of 1280x720 made from the demo clip")
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=60, help="frames per round of the assembled pipeline")
    options = parser.parse_args()
    clip = options.clip or talking_720p(Path(tempfile.gettempdir()) / "avfer_bench_720p.mp4", 20)

    pipeline, assembled = load(options.pipeline, device="cpu"), Assembled()
    rates: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):  # the first round is a warm-up
        for name, (seconds, frames) in (
            ("avfer", run_avfer(pipeline, clip)),
            ("assembled", assembled.run(clip, options.frames)),
        ):
            if turn:
                rates[name].append(frames / seconds)
    fps = {name: statistics.median(values) for name, values in rates.items()}
    spent: dict[str, float] = defaultdict(float)
    seconds, frames = run_avfer(timed(pipeline, spent), clip)

    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        print(
            f"{clip.name}: {video.width}x{video.height}, {float(video.average_rate or 0):.0f} frames/s;"
            f" {torch.get_num_threads()} cores"
        )
    print(f"\n| {COLUMNS[0]} | {COLUMNS[1]} |\n|---|---|")
    for name, value in spent.items():
        print(f"| {name} | {value / frames * 1e3:.2f} |")
    print("\n| pipeline | networks, smallest face | frames/s: median (min to max) |\n|---|---|---|")
    networks = {
        "avfer": f"{options.pipeline}: MTCNN, aver_lite 48 px; 40 px",
        "assembled": "MTCNN, tf_efficientnet_b0 224 px; 20 px",
    }
    for name, values in rates.items():
        print(f"| {name} | {networks[name]} | {fps[name]:.1f} ({min(values):.1f} to {max(values):.1f}) |")
    print(f"\nratio {fps['avfer'] / fps['assembled']:.1f}; real-time factor {30 / fps['avfer']:.3f}")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:.0f} MB")
    for name, seconds in start_up():
        print(f"{name}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
