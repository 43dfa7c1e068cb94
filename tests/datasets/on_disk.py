"""Write small copies of corpora to disk, in their formats, and look into what is read of them."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from avfer.datasets.example import Corpus, Example, Partition

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
RATED = np.arange(18).reshape(3, 6) / 20 - 0.4  # (T, R)

# Folders of SFEW and AFEW, and their classes
FOLDERS = {"Angry": "anger", "Disgust": "disgust", "Fear": "fear", "Happy": "happiness", "Neutral": "neutral",
           "Sad": "sadness", "Surprise": "surprise"}  # fmt: skip


def text(path: Path, *lines: str, end: str = "\n", mark: str = "") -> Path:
    """Write a text file and return its path; `mark` comes before the first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((mark + "".join(line + end for line in lines)).encode())
    return path


def empty(*paths: Path) -> None:
    """Create files without content, for media that are not opened."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def damaged_picture(kind: str) -> bytes:
    """Return a picture with an unnamed chunk ("PNG"), or with a giant size in its header ("BMP")."""
    noise, file = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8), io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    content = bytearray(file.getvalue())
    if kind == "PNG":
        content[content.rindex(b"IDAT")] = 0
    else:
        content[18:26] = (60_000).to_bytes(4, "little") * 2
    return bytes(content)


def arff(path: Path, values: Sequence[float | str], start: float = 0.0, quote: str = "", remarks: int = 0) -> Path:
    """Write a gold standard of AVEC, a row every 40 ms."""
    header = ["@relation gold", "@attribute name string", "@ATTRIBUTE frameTime numeric", "@attribute gold numeric"]
    name = f"{quote}{path.stem}{quote}"
    rows = [f"{name},{start + 0.04 * step:.2f},{value}" for step, value in enumerate(values)]
    return text(path, *["% a remark", ""][:remarks], *header, *[""] * max(remarks - 2, 0), "@data", *rows)


def ratings(path: Path, values: np.ndarray, header: str = "time;" + ";".join(RATERS), **how: str) -> Path:
    """Write ratings of RECOLA, a row every 40 ms.   values: (T, R)"""
    rows = [";".join([f"{0.04 * step:.2f}", *map(str, row)]) for step, row in enumerate(values.tolist())]
    return text(path, *([header] if header else []), *rows, **how)


def original(root: Path, subjects: tuple[int, ...] = (45, 28, 16), later: bool = False) -> Path:
    """Write the original release of RECOLA, in the first edition or the later one."""
    folder = "Ratings_affective_behaviour_CCC_centred" if later else "RECOLA-Annotation/emotional_behaviour"
    videos = "Video_recordings_MP4" if later else "RECOLA-Video-recordings"
    for subject in subjects:
        for dimension in ("arousal", "valence"):
            ratings(root / folder / dimension / f"P{subject}.csv", RATED)
        empty(root / videos / f"P{subject}.mp4", root / "RECOLA-Audio-recordings" / f"P{subject}.wav")
    return root


def only(corpus: Corpus, partition: Partition = "train") -> Example:
    """Return the one example of a partition."""
    (example,) = corpus.examples(partition)
    return example


def expression(example: Example) -> str | None:
    """Return the class of an example of one step, None if it is not valid."""
    labels = example.labels["expression"]
    assert labels.values.shape == labels.valid.shape == (1,)
    return labels.names[labels.values[0]] if labels.valid[0] else None


def expressions(corpus: Corpus, *partitions: Partition) -> dict[str, str | None]:
    """Return the classes of all examples by id, in the order in which they are read."""
    return {e.id: expression(e) for p in partitions or corpus.partitions for e in corpus.examples(p)}


def count_notes(corpus: Corpus, words: str) -> int:
    """Return the sum of the counts of all notes that contain some words."""
    return sum(count for note, count in corpus.notes.counts.items() if words in note)
