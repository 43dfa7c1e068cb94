"""Speed: per stage, end to end, and against a pipeline assembled from parts (python -m tools.bench.speed).

The other side is what a user would write today: PyAV frames, facenet-pytorch's MTCNN with its defaults on every
frame at full size, timm's tf_efficientnet_b0 (random weights; their values do not change its speed) on each
face at 224 px. Both sides run in one process, in turn, `--rounds` times; the ratio is of the medians.
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

from avfer.pipeline import Pipeline, load
from tools.bench.clips import talking_720p

COLUMNS = "stage", "ms per frame (CPU of its thread)"


@dataclass
class Timed:
    """A stage that notes the CPU time of its thread."""

    stage: Any
    spent: dict[str, float]
    name: str

    def start(self) -> Any:
        return self.stage.start() if hasattr(self.stage, "start") else None

    def step(self, state: Any, *inputs: Any) -> tuple[Any, Any]:
        begun = time.thread_time()
        result = self.stage.step(state, *inputs) if hasattr(self.stage, "step") else (state, self.stage(*inputs))
        self.spent[self.name] += time.thread_time() - begun
        return result


def timed(pipeline: Pipeline, spent: dict[str, float]) -> Pipeline:
    """The same pipeline with every stage timed."""
    pipeline.steps = tuple(replace(step, stage=Timed(step.stage, spent, step.name)) for step in pipeline.steps)
    return pipeline


def ours(pipeline: Pipeline, clip: Path) -> tuple[float, int]:
    """Seconds and frames of one run."""
    begun, frames = time.perf_counter(), 0
    for part in pipeline.stream(clip):
        frames += len(part.clock)
    return time.perf_counter() - begun, frames


class Assembled:
    """The pipeline a user would put together."""

    def __init__(self) -> None:
        import timm
        from facenet_pytorch import MTCNN

        self.detector = MTCNN(keep_all=True)
        self.network = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()

    @torch.inference_mode()
    def run(self, clip: Path, most: int) -> tuple[float, int]:
        """Seconds and frames of the first `most` frames."""
        begun, frames = time.perf_counter(), 0
        with av.open(str(clip)) as source:
            for frame in source.decode(video=0):
                picture = frame.to_ndarray(format="rgb24")
                boxes, _ = self.detector.detect(picture)
                for left, top, right, bottom in [] if boxes is None else np.maximum(boxes, 0).astype(int):
                    crop = torch.from_numpy(picture[top:bottom, left:right]).permute(2, 0, 1)[None].float() / 255
                    crop = torch.nn.functional.interpolate(crop, (224, 224), mode="bilinear", antialias=True)
                    self.network((crop - 0.5) / 0.5).softmax(1)
                frames += 1
                if frames == most:
                    break
        return time.perf_counter() - begun, frames


def start_up() -> list[tuple[str, float]]:
    """Wall seconds of fresh processes."""
    done = []
    for what, arguments in {
        "import avfer": ["-c", "import avfer"],
        "avfer --help": ["-m", "avfer", "--help"],
        "load aver": ["-c", "import avfer; avfer.load('aver', device='cpu')"],
    }.items():
        runs = []
        for _ in range(3):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            runs.append(time.perf_counter() - begun)
        done.append((what, statistics.median(runs)))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="default: 20 s of 1280x720 made from the demo clip")
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=60, help="frames of the assembled pipeline in a round")
    options = parser.parse_args()
    clip = options.clip or talking_720p(Path(tempfile.gettempdir()) / "avfer_bench_720p.mp4", 20)

    pipeline, assembled = load(options.pipeline, device="cpu"), Assembled()
    rates: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):  # the first round warms up
        for name, (seconds, frames) in (
            ("avfer", ours(pipeline, clip)),
            ("assembled", assembled.run(clip, options.frames)),
        ):
            if turn:
                rates[name].append(frames / seconds)
    fps = {name: statistics.median(values) for name, values in rates.items()}
    spent: dict[str, float] = defaultdict(float)
    seconds, frames = ours(timed(pipeline, spent), clip)

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
    told = {
        "avfer": f"{options.pipeline}: MTCNN, aver_lite 48 px; 40 px",
        "assembled": "MTCNN, tf_efficientnet_b0 224 px; 20 px",
    }
    for name, values in rates.items():
        print(f"| {name} | {told[name]} | {fps[name]:.1f} ({min(values):.1f} to {max(values):.1f}) |")
    print(f"\nratio {fps['avfer'] / fps['assembled']:.1f}; real-time factor {30 / fps['avfer']:.3f}")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:.0f} MB")
    for what, seconds in start_up():
        print(f"{what}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
