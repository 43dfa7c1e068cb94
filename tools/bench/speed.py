"""Measure speed by stage, end to end, and against pipelines of public parts: `python -m tools.bench.speed`.

The other pipelines are what a user would assemble: PyAV frames, facenet-pytorch's MTCNN on every frame at full size,
and a network on each face. One has MTCNN's defaults (faces from 20 px) and timm's tf_efficientnet_b0 at 224 px (random
weights, which do not change the speed), one faces from 40 px, and one also the network and the crop size of avfer. All
run in turn in one process, `--rounds` times; each ratio is the median of the rounds'. CPU milliseconds count all
threads.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from avfer import stage
from avfer.models.factory import create
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


@dataclass(frozen=True)
class Cost:
    """What a run over frames of a clip took."""

    seconds: float
    cpu_seconds: float  # of all threads
    frames: int

    @property
    def fps(self) -> float:
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds for each frame."""
        return self.cpu_seconds / self.frames * 1e3


def measured(count_frames: Callable[[], int]) -> Cost:
    """Return what a function took that processes frames and returns their number."""
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    frames = count_frames()
    return Cost(time.perf_counter() - seconds, time.process_time() - cpu_seconds, frames)


def run_avfer(pipeline: Pipeline, clip: Path) -> int:
    """Run a pipeline over a clip and return the number of frames."""
    return sum(len(part.clock) for part in pipeline.stream(clip))


class Assembled:
    """A pipeline that a user would assemble from public parts.

    min_size: px, smallest face; same_network: use aver_lite at 48 px, not tf_efficientnet_b0 at 224 px.
    """

    def __init__(self, min_size: int, same_network: bool = False) -> None:
        import timm
        from facenet_pytorch import MTCNN

        self.detector = MTCNN(keep_all=True, min_face_size=min_size)
        self.side = 48 if same_network else 224
        same = create("aver_lite", weights="builtin") if same_network else None
        self.network = same or timm.create_model("tf_efficientnet_b0", num_classes=8).eval()

    @torch.inference_mode()
    def run(self, clip: Path, max_frames: int) -> int:
        """Process the first `max_frames` frames of a clip and return their number."""
        frames = 0
        with av.open(str(clip)) as source:
            for frame in source.decode(video=0):
                picture = frame.to_ndarray(format="rgb24")
                boxes, _ = self.detector.detect(picture)
                for left, top, right, bottom in [] if boxes is None else np.maximum(boxes, 0).astype(int):
                    crop = torch.from_numpy(picture[top:bottom, left:right]).permute(2, 0, 1)[None].float() / 255
                    crop = torch.nn.functional.interpolate(crop, (self.side,) * 2, mode="bilinear", antialias=True)
                    self.network((crop - 0.5) / 0.5).softmax(1)
                frames += 1
                if frames == max_frames:
                    break
        return frames


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
    parser.add_argument("--frames", type=int, default=60, help="frames per round of the assembled pipelines")
    parser.add_argument("--engine", choices=("torch", "onnx"), default="torch")
    parser.add_argument("--stop", type=float, help="seconds of the clip that avfer reads; default: all")
    options = parser.parse_args()
    clip = options.clip or talking_720p(Path(tempfile.gettempdir()) / "avfer_bench_720p.mp4", 20)

    part = {} if options.stop is None else {"stop": options.stop}
    pipeline = load(options.pipeline, device="cpu", engine=options.engine, **part)
    networks = f"{options.pipeline}: MTCNN, aver_lite 48 px, face_lite 96 px; {options.engine}, one thread each"
    efficientnet = "MTCNN, tf_efficientnet_b0 224 px; torch, all cores"
    parts = [Assembled(20), Assembled(40), Assembled(40, same_network=True)]
    rows = {
        "avfer": (networks, 40),
        "assembled": (efficientnet, 20),
        "assembled, 40 px": (efficientnet, 40),
        "assembled, same network": ("MTCNN, aver_lite 48 px; torch, all cores", 40),
    }
    costs: dict[str, list[Cost]] = defaultdict(list)
    for turn in range(options.rounds + 1):  # the first round is a warm-up
        runs = [measured(lambda: run_avfer(pipeline, clip))]
        runs += [measured(lambda other=other: other.run(clip, options.frames)) for other in parts]
        for name, cost in zip(rows, runs, strict=True):
            if turn:
                costs[name].append(cost)
    spent: dict[str, float] = defaultdict(float)
    whole = measured(lambda: run_avfer(timed(pipeline, spent), clip))

    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        rate, cores = float(video.average_rate or 0), torch.get_num_threads()
        print(f"{clip.name}: {video.width}x{video.height}, {rate:.0f} frames/s; {cores} cores")
    print(f"\n| {COLUMNS[0]} | {COLUMNS[1]} |\n|---|---|")
    for name, value in spent.items():
        print(f"| {name} | {value / whole.frames * 1e3:.2f} |")
    print(
        "\n| pipeline | networks | smallest face | frames/s: median (range) | CPU ms a frame | ratio: frames/s, CPU |"
    )
    print("|---|---|---|---|---|---|")
    for name, (text, smallest) in rows.items():
        fps, cpu = [cost.fps for cost in costs[name]], [cost.cpu_ms for cost in costs[name]]
        pairs = list(zip(costs["avfer"], costs[name], strict=True))
        ratio = statistics.median(ours.fps / theirs.fps for ours, theirs in pairs)
        cpu_ratio = statistics.median(theirs.cpu_ms / ours.cpu_ms for ours, theirs in pairs)
        rates = f"{statistics.median(fps):.1f} ({min(fps):.1f} to {max(fps):.1f})"
        ratios = f"{ratio:.1f}, {cpu_ratio:.1f}"
        print(f"| {name} | {text} | {smallest} px | {rates} | {statistics.median(cpu):.1f} | {ratios} |")
    print(f"\nreal-time factor {rate / statistics.median(cost.fps for cost in costs['avfer']):.3f}")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:.0f} MB")
    for name, seconds in start_up():
        print(f"{name}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
