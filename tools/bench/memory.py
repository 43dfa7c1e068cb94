"""Memory over a long clip (python -m tools.bench.memory --minutes 30): resident size at every minute of video."""

import argparse
import os
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from avfer.export.writer import TableWriter
from avfer.pipeline import load
from tools.bench.clips import repeated, talking_720p


def resident() -> float:
    """MB held by this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make(clip: Path, minutes: int) -> None:
    """A clip of so many minutes, 1280x720."""
    repeated(talking_720p(clip.with_name("avfer_bench_60s.mp4"), 60), clip, minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--pipeline", default="aver")
    options = parser.parse_args()
    folder = Path(tempfile.gettempdir())
    clip = folder / f"avfer_bench_{options.minutes}min.mp4"
    maker = get_context("spawn").Process(target=make, args=(clip, options.minutes))  # its memory is not ours
    maker.start()
    maker.join()
    pipeline, sizes, begun, frames = load(options.pipeline, device="cpu"), dict[int, float](), time.time(), 0
    with TableWriter(folder / "avfer_bench_memory.parquet") as table:
        for part in pipeline.stream(clip):
            table.append(part)
            frames += len(part.clock)
            now = int(part.clock.times[-1] // 60) if len(part.clock) else 0
            if now not in sizes:
                sizes[now] = resident()
                print(
                    f"minute {now:3d}: {sizes[now]:6.0f} MB, {frames / (time.time() - begun):5.1f} frames/s", flush=True
                )
    late = [size for minute, size in sizes.items() if minute >= 5]
    print(f"growth after minute 5: {max(late, default=0) - (late[0] if late else 0):.0f} MB")
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
