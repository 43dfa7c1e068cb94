"""Faces of an example step by step, read from disk when they are asked for: memory holds one stretch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from avfer.errors import DatasetError


class Shots(Protocol):
    """T crops."""

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """(t, S, S, 3) uint8 RGB; 0 where no face is."""
        ...


@dataclass(frozen=True, eq=False)
class StoredShots:
    """Crops of a recording that were cut out once: the bytes of (N, S, S, 3) uint8, one face after another."""

    path: Path
    size: int  # px
    rows: np.ndarray  # (T,) int64, the crop of each step; -1 for none

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """(t, S, S, 3) uint8 RGB; 0 where no face is."""
        rows = self.rows[part]
        shown = np.zeros((len(rows), self.size, self.size, 3), np.uint8)
        if (there := rows >= 0).any():
            # Opened each time: a map that is handed to another process would take all of its file along.
            stored = np.memmap(self.path, np.uint8, "r").reshape(-1, self.size, self.size, 3)
            shown[there] = stored[rows[there]]
        return shown


@dataclass(frozen=True, eq=False)
class PictureShots:
    """Crops that come with a corpus, one file a step."""

    paths: tuple[Path | None, ...]
    size: int  # px

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """(t, S, S, 3) uint8 RGB, scaled; 0 where there is no file. DatasetError where one cannot be read."""
        paths = self.paths[part]
        shown = np.zeros((len(paths), self.size, self.size, 3), np.uint8)
        for place, path in zip(shown, paths, strict=True):
            if path is not None:
                place[:] = _read(path, self.size)
        return shown


def _read(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except OSError as error:
        raise DatasetError(f"{path} is no readable picture: {error}; get the file again") from error
