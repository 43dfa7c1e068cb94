"""What corpora of single pictures share: labels of one step, pictures that are opened, folders named by a class."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from avfer.datasets.example import Labels, Notes
from avfer.datasets.listing import PICTURES, files, folders, plain
from avfer.errors import DatasetError
from avfer.models.class_orders import SAME

BASIC = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
ABSENT = "pictures that the labels name and that are not there"
NO_FOLDER = "classes without a folder: is the copy complete?"
STRANGE = "folders that name no class: left out"
UNNAMED = "pictures that no row names: left out"
AGAIN = "rows that repeat a picture: the first is kept"

Namer = Callable[[str], str | None]  # the name of a folder -> its class, or None where it has none


def one_class(name: str | None, names: tuple[str, ...]) -> Labels:
    """The expression of a picture or whole clip, (1,); not valid where it has none of the names."""
    index = names.index(name) if name in names else -1
    return Labels(np.array([index], np.int64), np.array([index >= 0]), names)


def one_value(value: float, valid: bool = True) -> Labels:
    """Valence or arousal of a picture, (1,); not valid outside [-1, 1]."""
    valid = valid and -1 <= value <= 1
    return Labels(np.array([value if valid else np.nan]), np.array([valid]))


def open_picture(source: Path | bytes, place: Path | str) -> np.ndarray:
    """(H, W) uint8 of a grey picture, else (H, W, 3) RGB. DatasetError, which names the place, where it is damaged."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # of a chunk, of a header's size
        raise DatasetError(f"{place} is no readable picture: {error}; get the file again") from error


def class_of(word: str) -> str | None:
    """The name that avfer has for one of the basic classes, `happiness` for `Happy`; None for another word."""
    name = SAME.get(plain(word), plain(word))
    return name if name in BASIC else None


def class_folders(folder: Path, name_of: Namer = class_of) -> dict[Path, str]:
    """The folders in a folder that name a class, in natural order; nothing goes by their order."""
    named = {place: name_of(place.name) for place in folders(folder)}
    return {place: name for place, name in named.items() if name is not None}


def sorted_by_class(
    folder: Path, names: tuple[str, ...], notes: Notes, name_of: Namer = class_of
) -> Iterator[tuple[str, Path]]:
    """All pictures in folders named by a class, as (class, file), in natural order of folder and file."""
    found = class_folders(folder, name_of)
    for place in (place for place in folders(folder) if place not in found):
        notes.add(STRANGE, place)
    for name in names:
        if name not in found.values():
            notes.add(NO_FOLDER, f"{folder}, {name}", fault=True)
    for place, name in found.items():
        for path in files(place, *PICTURES):
            yield name, path
