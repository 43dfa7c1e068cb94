"""Examples of one step: pictures, and clips with one label for their whole length.

A clip with one label is an example of one step, at the middle of the clip, and `Example.whole_clip` is set: the mean
of its predictions is scored, and a model over time learns the label at every row of its pipeline (`spread`). Pictures
are often sorted into folders that are named by a class.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from avfer.datasets.example import Example, Labels, Notes
from avfer.datasets.listing import PICTURES, list_files, list_folders, plain
from avfer.errors import MediaError
from avfer.models.class_orders import SYNONYMS

BASIC = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
REPEATED_CLIP = "further files of one clip: the first is read"
UNREADABLE = "clips that cannot be opened"
MISSING_PICTURE = "pictures named by the labels that are missing"
NO_FOLDER = "classes without a folder: is the copy complete?"
OTHER_FOLDER = "folders that are not named by a class: left out"
UNLABELLED_PICTURE = "pictures without a row of labels: left out"
REPEATED_PICTURE = "rows that repeat a picture: the first is kept"

ClassOfFolder = Callable[[str], str | None]  # name of a folder -> its class, None if it names no class


def one_class(name: str | None, names: tuple[str, ...]) -> Labels:
    """Return an expression of one step, (1,) int64 index into `names`; not valid if `name` is not one of them."""
    index = names.index(name) if name in names else -1
    return Labels(np.array([index], np.int64), np.array([index >= 0]), names)


def one_value(value: float, valid: bool = True) -> Labels:
    """Return valence or arousal of one step, (1,) float64; NaN and not valid outside [-1, 1] or if `valid` is False."""
    valid = valid and -1 <= value <= 1
    return Labels(np.array([value if valid else np.nan]), np.array([valid]))


def middle_time(path: Path, notes: Notes) -> np.ndarray:
    """Return the time at the middle of a clip, (1,) float64 s, from its header: nothing is decoded.

    A clip that cannot be opened is noted and gives 0 s, as one without a duration in its header does.
    """
    import av

    from avfer.container import open_container

    try:
        with open_container(path) as container:
            duration = container.duration
    except MediaError as error:
        notes.add(UNREADABLE, str(error))
        return np.zeros(1)
    return np.array([(duration or 0) / av.time_base / 2])


def spread(example: Example, times: np.ndarray) -> Example:
    """Return a clip with a label for its whole length as T steps with this label, without its picture.

    times: (T,) float64 s. Other examples are returned as they are.
    """
    if not example.whole_clip:
        return example
    labels = {
        kind: replace(one, values=one.values[:1].repeat(len(times), 0), valid=one.valid[:1].repeat(len(times), 0))
        for kind, one in example.labels.items()
    }
    return replace(example, labels=labels, times=times, pictures=())


def class_of(word: str) -> str | None:
    """Return avfer's name of a basic class; None for any other word.

    >>> class_of("Happy"), class_of("boredom")
    ('happiness', None)
    """
    name = SYNONYMS.get(plain(word), plain(word))
    return name if name in BASIC else None


def class_folders(folder: Path, class_of_folder: ClassOfFolder = class_of) -> dict[Path, str]:
    """Return the folders inside a folder that are named by a class, with that class, in natural order."""
    named = {inside: class_of_folder(inside.name) for inside in list_folders(folder)}
    return {inside: name for inside, name in named.items() if name is not None}


def sorted_by_class(
    folder: Path, names: tuple[str, ...], notes: Notes, class_of_folder: ClassOfFolder = class_of
) -> Iterator[tuple[str, Path]]:
    """Yield (class, file) for all pictures in folders named by a class, in natural order of folder and file.

    Other folders are noted; a class of `names` without a folder is noted as a fault.
    """
    found = class_folders(folder, class_of_folder)
    for inside in (inside for inside in list_folders(folder) if inside not in found):
        notes.add(OTHER_FOLDER, inside)
    for name in names:
        if name not in found.values():
            notes.add(NO_FOLDER, f"{folder}, {name}", fault=True)
    for inside, name in found.items():
        for path in list_files(inside, *PICTURES):
            yield name, path
