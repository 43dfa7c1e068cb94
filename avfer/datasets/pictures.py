"""Read the pictures of a corpus, wherever it keeps them: in files, inside arrays, or as faces cut out of a picture."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from avfer.datasets.example import Corpus, CropsFaces, Example, HasPictures
from avfer.errors import DatasetError


def read_picture(corpus: Corpus, example: Example, step: int) -> np.ndarray | None:
    """Return the picture of a step, (H, W) or (H, W, 3) uint8 RGB; None if the corpus names no file for it.

    Raises DatasetError if the picture is missing or damaged.
    """
    if isinstance(corpus, CropsFaces):
        return corpus.face(example, step)
    if isinstance(corpus, HasPictures):
        return corpus.picture(example)
    path = example.pictures[step] if example.pictures else None
    return None if path is None else open_picture(path, path)


def open_picture(source: Path | bytes, where: Path | str) -> np.ndarray:
    """Decode a picture file: (H, W) uint8 if it is grey, else (H, W, 3) uint8 RGB.

    source: a path, or the bytes of a file. where: location for the error message.
    Raises DatasetError if the picture is missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # damaged chunk, absurd size in the header
        raise DatasetError(f"{where} is not a readable picture: {error}; get the file again") from error


def to_rgb(picture: np.ndarray) -> np.ndarray:
    """Return a picture with three channels.   (H, W) or (H, W, 3) uint8 -> (H, W, 3) uint8"""
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
