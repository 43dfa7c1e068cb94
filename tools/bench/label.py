"""Labelling a corpus: what a second worker gains, and what scheduling costs (python -m tools.bench.label).

The same clips are labelled in three ways, in turn, `--rounds` times: by the pipeline in a loop inside one process (what
`avfer run` does) and by `avfer label --workers 1`, both pinned to one core; then by `--workers 2` on two cores. Rates
are taken from the first finished clip of every worker to the last, so start-up counts for nobody, and ratios are made
within a round: other work on the machine disturbs them less. What lies between two clips of the one worker (its
answer, the next order) is measured apart, from the same markers: that is what scheduling can lose.
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
from pathlib import Path

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
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def corpus(folder: Path, clips: int, seconds: float) -> Path:
    """So many clips of one length."""
    clip = talking_720p(folder / f"avfer_bench_label_{seconds:g}s.mp4", seconds)
    place = folder / f"avfer_bench_corpus_{clips}x{seconds:g}s"
    place.mkdir(exist_ok=True)
    for number in range(clips):
        link = place / f"{number:03d}.mp4"
        if not link.exists():
            os.link(clip, link)
    return place


def pinned(command: Sequence[str], cores: set[int]) -> str:
    """The standard output of a command that may use these cores."""
    variables = os.environ | dict.fromkeys(POOLS, "1")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables)
    os.sched_setaffinity(process.pid, cores)  # before it has any thread or child
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} left with code {process.returncode}")
    return told


def rate(finished: list[float], workers: int) -> float:
    """Clips a minute, from when every worker has done its first one."""
    times = sorted(finished)
    return 60 * (len(times) - workers) / (times[-1] - times[workers - 1])


def looped(pipeline: str, clips: Path, cores: set[int]) -> float:
    """The rate of a loop inside one process."""
    with tempfile.TemporaryDirectory() as out:
        told = pinned([sys.executable, "-c", LOOP, pipeline, str(clips), out], cores)
    return rate([float(line) for line in told.split()], 1)


def labelled(pipeline: str, clips: Path, workers: int, cores: set[int]) -> tuple[float, float]:
    """The rate of `avfer label`, and the share of a lone worker's time that lies between clips."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "avfer", "label", pipeline, "--input", str(clips), "--output", out]
        pinned([*command, "--workers", str(workers), "--device", "cpu", "--quiet"], cores)
        markers = [json.loads(path.read_bytes()) for path in Path(out, "done").glob("*.json")]
    finished = [marker["finished"] for marker in markers]
    return rate(finished, workers), idle(sorted((marker["finished"], marker["seconds"]) for marker in markers))


def idle(clips: list[tuple[float, float]]) -> float:
    """Share of the time between the first clip's end and the last one's in which no clip is at work.

    clips: (end in s since 1970, seconds of work) of one worker, in order.
    """
    return 1 - sum(seconds for _, seconds in clips[1:]) / (clips[-1][0] - clips[0][0])


def told(values: list[float], digits: int) -> str:
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--clips", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    clips = corpus(Path(tempfile.gettempdir()), options.clips, options.seconds)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    loops, ones, twos, gaps = list[float](), list[float](), list[float](), list[float]()
    for number in range(options.rounds):
        begun = time.perf_counter()
        loops.append(looped(options.pipeline, clips, {first}))
        one, gap = labelled(options.pipeline, clips, 1, {first})
        two, _ = labelled(options.pipeline, clips, 2, {first, second})
        ones.append(one)
        twos.append(two)
        gaps.append(100 * gap)
        rates = f"{loops[-1]:.1f}, {ones[-1]:.1f}, {twos[-1]:.1f} clips/min"
        print(f"round {number + 1}: {rates}; {time.perf_counter() - begun:.0f} s", flush=True)
    print(f"\n{options.clips} clips of {options.seconds:g} s, 1280x720, {options.pipeline}: median (range) of rounds")
    print(f"| a loop in one process, one core | {told(loops, 1)} clips/min |")
    print(f"| --workers 1, one core | {told(ones, 1)} clips/min |")
    print(f"| --workers 2, two cores | {told(twos, 1)} clips/min |")
    gains = [two / one for one, two in zip(ones, twos, strict=True)]
    losses = [100 * (1 - one / loop) for loop, one in zip(loops, ones, strict=True)]
    print(f"| two workers over one | {told(gains, 2)} |")
    print(f"| lost against the loop | {told(losses, 1)} % |")
    print(f"| between clips | {told(gaps, 2)} % of the worker's time |")
    hours = [1000 / (two / 60 * options.seconds) for two in twos]  # 1000 h of media; media hours an hour
    print(f"| 1,000 hours of such video on two cores | {statistics.median(hours):.0f} hours |")


if __name__ == "__main__":
    main()
