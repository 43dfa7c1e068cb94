"""Compare the speed of this checkout with that of others: `python -m tools.bench.versions CHECKOUT...`.

Each CHECKOUT is a folder with another version, such as `git archive COMMIT | tar -x -C CHECKOUT` makes. In every round
each version runs a pipeline twice over one clip in a fresh process; the second run counts. Prints frames per second,
CPU milliseconds a frame, and the medians of the rounds' ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench.clips import talking_720p

HERE = Path(__file__).parents[2]
SECOND_RUN = """
import sys, time, avfer
pipeline = avfer.load(sys.argv[1], device="cpu")
for _ in range(2):
    begun, used = time.perf_counter(), time.process_time()
    frames = sum(len(part.clock) for part in pipeline.stream(sys.argv[2]))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
print(frames / seconds, cpu / frames * 1e3)
"""


def measure(checkout: Path, pipeline: str, clip: Path) -> tuple[float, float]:
    """Return frames per second and CPU ms a frame of a version, from a process of its own."""
    command = [sys.executable, "-c", SECOND_RUN, pipeline, str(clip)]
    with tempfile.TemporaryDirectory() as folder:  # empty: Python looks for modules there first
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
            check=True,
        )
    fps, cpu = map(float, done.stdout.split()[-2:])
    return fps, cpu


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("--clip", type=Path, help="default: 20 s of 1280x720 made from the demo clip")
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    clip = options.clip or talking_720p(Path(tempfile.gettempdir()) / "avfer_bench_720p.mp4", 20)
    versions = [HERE, *(checkout.resolve() for checkout in options.checkouts)]
    rounds = [[measure(v, options.pipeline, clip.resolve()) for v in versions] for _ in range(options.rounds)]
    print("| version | frames/s: median (range) | CPU ms a frame | frames/s of this one over it |\n|---|---|---|---|")
    for i, version in enumerate(versions):
        fps, cpu = zip(*[costs[i] for costs in rounds], strict=True)
        ratio = statistics.median(costs[0][0] / costs[i][0] for costs in rounds)
        rates = f"{statistics.median(fps):.1f} ({min(fps):.1f} to {max(fps):.1f})"
        print(f"| {version} | {rates} | {statistics.median(cpu):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
