"""Files of made-up corpora, written as the formats say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
RATED = np.arange(18).reshape(3, 6) / 20 - 0.4  # (T, R)


def text(path: Path, *lines: str, end: str = "\n", mark: str = "") -> Path:
    """A text file; `mark` stands before its first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((mark + "".join(line + end for line in lines)).encode())
    return path


def empty(*paths: Path) -> None:
    """Files without any content, such as pictures that nobody opens."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def arff(path: Path, values: Sequence[float | str], start: float = 0.0, quote: str = "", remarks: int = 0) -> Path:
    """A gold standard of AVEC, a row every 40 ms."""
    header = ["@relation gold", "@attribute name string", "@ATTRIBUTE frameTime numeric", "@attribute gold numeric"]
    name = f"{quote}{path.stem}{quote}"
    rows = [f"{name},{start + 0.04 * step:.2f},{value}" for step, value in enumerate(values)]
    return text(path, *["% a remark", ""][:remarks], *header, *[""] * max(remarks - 2, 0), "@data", *rows)


def ratings(path: Path, values: np.ndarray, header: str = "time;" + ";".join(RATERS), **how: str) -> Path:
    """Ratings of RECOLA, a row every 40 ms.   values: (T, R)"""
    rows = [";".join([f"{0.04 * step:.2f}", *map(str, row)]) for step, row in enumerate(values.tolist())]
    return text(path, *([header] if header else []), *rows, **how)


def original(root: Path, subjects: tuple[int, ...] = (45, 28, 16), later: bool = False) -> Path:
    """RECOLA as its authors give it, in the first edition or the later one."""
    folder = "Ratings_affective_behaviour_CCC_centred" if later else "RECOLA-Annotation/emotional_behaviour"
    videos = "Video_recordings_MP4" if later else "RECOLA-Video-recordings"
    for subject in subjects:
        for dimension in ("arousal", "valence"):
            ratings(root / folder / dimension / f"P{subject}.csv", RATED)
        empty(root / videos / f"P{subject}.mp4", root / "RECOLA-Audio-recordings" / f"P{subject}.wav")
    return root
