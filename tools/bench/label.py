"""Measure what a second worker gains in labelling, and what scheduling costs: `python -m tools.bench.label`.

In each of `--rounds` rounds the same clips are labelled in three ways: by the pipeline in a loop inside one process (as
`avfer run` does) and by `avfer label --workers 1`, both pinned to one core, then by `--workers 2` on two cores. Rates
exclude start-up: they count from the moment at which every worker has finished its first clip. Ratios are computed
within a round, which reduces the influence of other processes. The time between two clips of a single worker, which
scheduling costs at most, is measured from the completion markers, and so is the share of the whole run that goes into
starting, switching and ending: `--clips 1000 --seconds 2 --rounds 1` for many short clips.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avfer.executors.local import worker_environment
from tools.bench.clips import talking_720p

LOOP = """
import sys, time
from pathlib import Path
from avfer.pipeline import load
from avfer.jobs import plan_job, run_job
pipeline = load(sys.argv[1], device="cpu")
for clip in sorted(Path(sys.argv[2]).iterdir()):
    outcome = run_job(plan_job(clip, Path(sys.argv[3]), ("parquet",)), pipeline, False)
    assert outcome.error is None, outcome.error
    print(time.time())
"""


def corpus(folder: Path, clips: int, seconds: float) -> Path:
    """Make a folder of clips of one length (hard links to one file) below `folder` and return it."""
    clip = talking_720p(folder / f"avfer_bench_label_{seconds:g}s.mp4", seconds)
    path = folder / f"avfer_bench_corpus_{clips}x{seconds:g}s"
    path.mkdir(exist_ok=True)
    for number in range(clips):
        link = path / f"{number:03d}.mp4"
        if not link.exists():
            os.link(clip, link)
    return path


def run_pinned(command: Sequence[str], cores: set[int]) -> str:
    """Run a command on some CPU cores, one thread per library, and return its standard output."""
    variables = worker_environment(threads=1)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables)
    os.sched_setaffinity(process.pid, cores)  # before the process starts threads or children
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with code {process.returncode}")
    return output


def rate(finished: list[float], workers: int) -> float:
    """Return clips per minute since every worker had finished its first one.   finished: times in s"""
    times = sorted(finished)
    return 60 * (len(times) - workers) / (times[-1] - times[workers - 1])


def loop_rate(pipeline: str, clips: Path, cores: set[int]) -> float:
    """Return the clips per minute of a loop inside one process."""
    with tempfile.TemporaryDirectory() as out:
        output = run_pinned([sys.executable, "-c", LOOP, pipeline, str(clips), out], cores)
    return rate([float(line) for line in output.split()], 1)


@dataclass(frozen=True)
class Labelling:
    """How long `avfer label` took."""

    clips_per_minute: float  # since every worker had finished its first clip
    idle: float  # share of a single worker's time between clips
    lost: float  # share of the whole run, from the command to its end, in which the workers process no clip


def run_label(pipeline: str, clips: Path, workers: int, cores: set[int]) -> Labelling:
    """Run `avfer label` over the clips and return how long it took."""
    start = time.time()
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "avfer", "label", pipeline, "--input", str(clips), "--output", out]
        run_pinned([*command, "--workers", str(workers), "--device", "cpu", "--quiet"], cores)
        seconds = time.time() - start
        markers = [json.loads(path.read_bytes()) for path in Path(out, "done").glob("*.json")]
    ends = sorted((marker["finished"], marker["seconds"]) for marker in markers)
    lost = 1 - sum(work for _, work in ends) / (workers * seconds)
    return Labelling(rate([end for end, _ in ends], workers), idle(ends), lost)


def idle(clips: list[tuple[float, float]]) -> float:
    """Return the share of time, from the end of the first clip to that of the last, in which no clip is processed.

    clips: (end in s since 1970, seconds of work) of one worker, in order.
    """
    return 1 - sum(seconds for _, seconds in clips[1:]) / (clips[-1][0] - clips[0][0])


def median_and_range(values: list[float], digits: int) -> str:
    """Return `median (min to max)`."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--clips", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each clip")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    clips = corpus(Path(tempfile.gettempdir()), options.clips, options.seconds)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    loops, ones, twos, gaps, lost = (list[float]() for _ in range(5))
    for number in range(options.rounds):
        start = time.perf_counter()
        loops.append(loop_rate(options.pipeline, clips, {first}))
        one = run_label(options.pipeline, clips, 1, {first})
        two = run_label(options.pipeline, clips, 2, {first, second})
        ones.append(one.clips_per_minute)
        twos.append(two.clips_per_minute)
        gaps.append(100 * one.idle)
        lost.append(100 * two.lost)
        rates = f"{loops[-1]:.1f}, {ones[-1]:.1f}, {twos[-1]:.1f} clips/min"
        print(f"round {number + 1}: {rates}; {time.perf_counter() - start:.0f} s", flush=True)
    print(f"\n{options.clips} clips of {options.seconds:g} s, 1280x720, {options.pipeline}: median (range) of rounds")
    print(f"| a loop in one process, one core | {median_and_range(loops, 1)} clips/min |")
    print(f"| --workers 1, one core | {median_and_range(ones, 1)} clips/min |")
    print(f"| --workers 2, two cores | {median_and_range(twos, 1)} clips/min |")
    gains = [two / one for one, two in zip(ones, twos, strict=True)]
    losses = [100 * (1 - one / loop) for loop, one in zip(loops, ones, strict=True)]
    print(f"| two workers compared with one | {median_and_range(gains, 2)} |")
    print(f"| cost of scheduling, compared with the loop | {median_and_range(losses, 1)} % |")
    print(f"| starting, switching and ending, two workers | {median_and_range(lost, 1)} % of their time |")
    print(f"| time between clips | {median_and_range(gaps, 2)} % of a worker's time |")
    hours = [1000 / (two / 60 * options.seconds) for two in twos]  # for 1000 h of media
    print(f"| 1,000 hours of such video on two cores | {statistics.median(hours):.0f} hours |")


if __name__ == "__main__":
    main()
