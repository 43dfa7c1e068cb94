"""Measure how cost grows with faces, pixels, length and threads: `python -m tools.bench.scaling --output DIR`.

Each row of the table is a run in a process of its own, so its peak memory is its own. CPU milliseconds count all
threads, memory what the process needs beyond `import torch`; start-up is not counted. The faces lie in the cells of a
grid. DIR/scaling.md holds the table and DIR/scaling.png a plot of the CPU time, both of this run alone.
`--groups faces,size,length,sound,engine,threads` chooses rows; `--seconds` is the length of a clip, and the group
`length` has clips of it, of 5 times and of `--longest` seconds.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from avfer.cores import available_cores

FACES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (4, 2), 20: (5, 4)}  # faces -> columns and rows
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
GROUPS = ("faces", "size", "length", "sound", "engine", "threads")
COLUMNS = "clip", "faces", "pipeline, engine", "threads", "smallest face", "frames/s", "CPU ms a frame", "memory"
FOLDER = Path(tempfile.gettempdir())


@dataclass(frozen=True)
class Run:
    """A run of a pipeline over a clip."""

    group: str
    clip: str  # path
    text: str  # of the clip in the table
    position: float  # on the axis of the group's plot
    faces: int = 1
    pipeline: str = "aver"
    engine: str = "torch"
    threads: int = 0  # 0: as many as there are cores
    smallest: float = 40  # px, side of a face


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    fps: float
    cpu_ms: float  # for each frame
    memory: float  # MB beyond `import torch`, at the peak


def runs(groups: list[str], seconds: float, longest: float) -> Iterator[Run]:
    """Yield the runs of some groups; clips that do not exist are made."""
    from tools.bench.clips import faces_in_cells, repeated, talking_720p  # the process of a run shall not load these

    talking = str(talking_720p(FOLDER / f"avfer_bench_{seconds:g}s.mp4", seconds))
    if "faces" in groups:
        for count, cells in FACES.items():
            path = FOLDER / f"avfer_bench_{count}_faces_{seconds:g}s.mp4"
            clip = faces_in_cells(path, seconds, SIZES["1080p"], *cells)
            yield Run("faces", str(clip), f"1080p, {seconds:g} s, silent", count, faces=count)
    if "size" in groups:
        for name, size in SIZES.items():
            clip = faces_in_cells(FOLDER / f"avfer_bench_{name}_{seconds:g}s.mp4", seconds, size, 1, 1)
            yield Run("size", str(clip), f"{name}, {seconds:g} s, silent", size[0] * size[1] / 1e6)
    if "length" in groups:
        for length in sorted({seconds, 5 * seconds, max(longest, seconds)}):
            times = round(length / seconds)
            clip = repeated(Path(talking), FOLDER / f"avfer_bench_{seconds:g}s_{times}_times.mp4", times)
            yield Run("length", str(clip), f"720p, {length:g} s, speech", length)
    if "sound" in groups:
        yield Run("sound", talking, f"720p, {seconds:g} s, speech", 1)
        yield Run("sound", talking, f"720p, {seconds:g} s, sound not read", 0, pipeline="vision")
    for engine in ("torch", "onnx") if "engine" in groups else ():
        yield Run("engine", talking, f"720p, {seconds:g} s, speech", engine == "onnx", engine=engine)
    for threads in range(1, 1 + min(3, available_cores())) if "threads" in groups else ():
        yield Run("threads", talking, f"720p, {seconds:g} s, speech", threads, threads=threads)


def measure(run: Run) -> Cost:
    """Return what a run takes in this process, which must not have loaded torch before."""
    import torch  # noqa: F401  # before the memory is read

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from avfer.pipeline import load
    from tools.bench.speed import measured, run_avfer

    options = {"engine": run.engine, "boxes.min_size": run.smallest}
    pipeline = load(run.pipeline, device="cpu", max_threads=run.threads or None, **options)
    cost = measured(lambda: run_avfer(pipeline, Path(run.clip)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(cost.fps, cost.cpu_ms, (peak - before) * 1024 / 1e6)


def measure_apart(run: Run) -> Cost:
    """Return what a run takes in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.scaling", "--run", json.dumps(asdict(run))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout))


def row(run: Run, costs: list[Cost]) -> str:
    """Return the line of a run in the table; costs: of all rounds."""
    fps, cpu = [cost.fps for cost in costs], [cost.cpu_ms for cost in costs]
    cells = (
        run.text,
        str(run.faces),
        f"{run.pipeline}, {run.engine}",
        str(run.threads or available_cores()),
        f"{run.smallest:g} px",
        f"{statistics.median(fps):.1f} ({min(fps):.1f} to {max(fps):.1f})",
        f"{statistics.median(cpu):.1f} ({min(cpu):.1f} to {max(cpu):.1f})",
        f"{max(cost.memory for cost in costs):.0f} MB",
    )
    return f"| {' | '.join(cells)} |"


def plot(costs: dict[Run, list[Cost]], path: Path) -> None:
    """Draw the median CPU time of a frame over faces, megapixels and seconds, for the groups that were measured."""
    from matplotlib.figure import Figure

    axes_of = {"faces": "faces", "size": "megapixels", "length": "length (s)"}
    shown = [group for group in axes_of if any(run.group == group for run in costs)]
    figure = Figure(figsize=(4 * max(1, len(shown)), 3), layout="constrained")
    for number, group in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), number)
        points = {run.position: statistics.median(c.cpu_ms for c in costs[run]) for run in costs if run.group == group}
        axes.plot(list(points), list(points.values()), "o-")
        axes.set(xlabel=axes_of[group], ylabel="CPU ms a frame", xlim=(0, None), ylim=(0, None))
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run all rounds and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("avfer_scaling"), metavar="DIR")
    parser.add_argument("--groups", default=",".join(GROUPS))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--longest", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", help=argparse.SUPPRESS)  # measure this run in this process
    options = parser.parse_args()
    if options.run:
        print(json.dumps(asdict(measure(Run(**json.loads(options.run))))))
        return
    chosen = list(runs(options.groups.split(","), options.seconds, options.longest))
    costs: dict[Run, list[Cost]] = {run: [] for run in chosen}
    for _ in range(options.rounds):  # in turn, so that other work on the machine slows all rows alike
        for run in chosen:
            costs[run].append(measure_apart(run))
    head = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    table = "\n".join([*head, *(row(run, found) for run, found in costs.items())])
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "scaling.md").write_text(f"{table}\n")
    plot(costs, options.output / "scaling.png")
    print(table)


if __name__ == "__main__":
    main()
