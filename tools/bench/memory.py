"""Measure the resident memory over a clip: `python -m tools.bench.memory --clip 4k --seconds 60`.

The clips are one face at 1280x720 with sound (`720p`), one face at 3840x2160 (`4k`) and twenty faces at 1920x1080
(`faces`). Single samples vary with the number of chunks in flight, so mean and range of each twentieth of the clip are
printed, then the growth between the second and the last tenth and the peak. Exit code 1 if the peak exceeds --limit.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

from avfer.export.table_writer import TableWriter
from avfer.pipeline import load
from tools.bench.clips import one_face_4k, repeated, talking_720p, twenty_faces_1080p

PARTS = 20  # of a clip for which a line is printed
LIMIT_MB = 1500  # that no clip may exceed


def talking_face(path: Path, seconds: float) -> Path:
    """Write a clip of 1280x720 with one talking face, unless it exists; its minute is encoded once and repeated."""
    minute = min(60.0, seconds)
    once = talking_720p(path.with_name(f"avfer_bench_{minute:.0f}s.mp4"), minute)
    return repeated(once, path, max(1, round(seconds / minute)))


CLIPS: dict[str, Callable[[Path, float], Path]] = {
    "720p": talking_face,
    "4k": one_face_4k,
    "faces": twenty_faces_1080p,
}


def resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(clip: Path, seconds: float, name: str) -> list[tuple[float, float]]:
    """Run a pipeline over a clip; return time in the clip (s) and memory (MB) after each part, and print both."""
    pipeline, start, frames = load(name, device="cpu"), time.time(), 0
    samples: list[tuple[float, float]] = []
    printed = 0
    with TableWriter(Path(tempfile.gettempdir()) / "avfer_bench_memory.parquet") as writer:
        for part in pipeline.stream(clip):
            writer.append(part.to_table())
            if not len(part.clock):
                continue
            frames += len(part.clock)
            samples.append((float(part.clock.times[-1]), resident()))
            now = int(samples[-1][0] / seconds * PARTS)
            if now > printed:
                sizes = [size for at, size in samples if printed <= at / seconds * PARTS < now]
                span = f"{mean(sizes):5.0f} MB ({min(sizes):.0f} to {max(sizes):.0f})" if sizes else "no frame"
                print(f"{samples[-1][0]:6.1f} s: {span}, {frames / (time.time() - start):.1f} frames/s", flush=True)
                printed = now
    return samples


def growth(samples: list[tuple[float, float]]) -> float:
    """Return how much more memory (MB) the last tenth of a clip needs than the second one, in the mean."""
    end = samples[-1][0]
    second = [size for at, size in samples if 0.1 * end <= at < 0.2 * end]
    last = [size for at, size in samples if at >= 0.9 * end]
    return mean(last) - mean(second)


def main() -> None:
    """Make the clip in another process, whose memory does not count, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", choices=CLIPS, default="720p")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--pipeline", default="aver")
    parser.add_argument("--limit", type=float, default=LIMIT_MB, help="MB")
    options = parser.parse_args()
    clip = Path(tempfile.gettempdir()) / f"avfer_bench_{options.clip}_{options.seconds:.0f}.mp4"
    maker = get_context("spawn").Process(target=CLIPS[options.clip], args=(clip, options.seconds))
    maker.start()
    maker.join()
    samples = measure(clip, options.seconds, options.pipeline)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"growth from the second to the last tenth, means: {growth(samples):+.0f} MB")
    print(f"peak: {peak:.0f} MB")
    sys.exit(peak > options.limit)


if __name__ == "__main__":
    main()
