"""Measure the resident memory in every minute of a long clip: `python -m tools.bench.memory --minutes 30`.

Single samples vary with the number of chunks in flight, so mean and range of each minute are printed.
"""

import argparse
import os
import resource
import tempfile
import time
from collections import defaultdict
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

from avfer.export.table_writer import TableWriter
from avfer.pipeline import load
from tools.bench.clips import repeated, talking_720p


def resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make(clip: Path, minutes: int) -> None:
    """Write a clip of 1280x720 with a length in minutes."""
    repeated(talking_720p(clip.with_name("avfer_bench_60s.mp4"), 60), clip, minutes)


def main() -> None:
    """Print a line for each minute, then growth and peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--pipeline", default="aver")
    options = parser.parse_args()
    folder = Path(tempfile.gettempdir())
    clip = folder / f"avfer_bench_{options.minutes}min.mp4"
    # The clip is made in another process, whose memory does not count.
    maker = get_context("spawn").Process(target=make, args=(clip, options.minutes))
    maker.start()
    maker.join()
    pipeline, start, frames = load(options.pipeline, device="cpu"), time.time(), 0
    sizes: dict[int, list[float]] = defaultdict(list)
    with TableWriter(folder / "avfer_bench_memory.parquet") as writer:
        for part in pipeline.stream(clip):
            writer.append(part.to_table())
            frames += len(part.clock)
            minute = int(part.clock.times[-1] // 60) if len(part.clock) else 0
            if minute not in sizes and minute:
                samples, rate = sizes[minute - 1], frames / (time.time() - start)
                span = f"({min(samples):.0f} to {max(samples):.0f})"
                print(f"minute {minute:2d}: {mean(samples):5.0f} MB {span}, {rate:.0f} frames/s", flush=True)
            sizes[minute].append(resident())
    last = max(minute for minute, samples in sizes.items() if len(samples) > 20)
    print(f"growth from minute 5 to minute {last + 1}, means of a minute: {mean(sizes[last]) - mean(sizes[4]):+.0f} MB")
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
