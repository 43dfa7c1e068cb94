"""AffectNet as cut out in 2021: `train_set` and `val_set`, a picture and four small arrays for each face."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.affectnet_lists import Told
from avfer.datasets.example import Notes, Partition
from avfer.datasets.listing import PICTURES, find_folder, names, natural
from avfer.datasets.partitions import Wanted, partition_folders
from avfer.datasets.stills import ABSENT, UNNAMED
from avfer.datasets.text import integer, number
from avfer.errors import DatasetError

SETS: Wanted = {"train": ("train_set",), "dev": ("val_set",)}
CLASS, VALENCE, AROUSAL = "_exp.npy", "_val.npy", "_aro.npy"


class Cut:
    """The two folders."""

    distribution = "2021 cut, 8 labels"

    def __init__(self, root: Path) -> None:
        # No deeper, for a full release has its pictures in a thousand folders there.
        self._places = partition_folders(root, SETS, depth=1)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a folder."""
        return tuple(self._places)

    def told(self, partition: Partition, notes: Notes) -> Iterator[Told]:
        """One face at a time, in natural order; its arrays are read when it is asked for.

        Both sets count their pictures from the beginning, so that a set is part of an id.
        """
        place = self._places[partition]
        notes_of, images = find_folder(place, "annotations"), find_folder(place, "images")
        if notes_of is None:
            raise DatasetError(f"{place} has no folder 'annotations'; copy it again")
        known = [name.removesuffix(CLASS) for name in names(notes_of) if name.endswith(CLASS)]
        shown = {Path(name).stem: name for name in names(images) if name.lower().endswith(PICTURES)} if images else {}
        further = set(shown) - set(known)
        notes.add(UNNAMED, f"{images}, {min(further, default='')}", len(further))
        for stem in sorted(known, key=natural):
            picture = images / shown[stem] if images and stem in shown else None
            if picture is None:
                notes.add(ABSENT, f"{place}, {stem}", fault=True)
            paths = [notes_of / f"{stem}{ending}" for ending in (CLASS, VALENCE, AROUSAL)]
            code, valence, arousal = (_text(path) for path in paths)
            yield Told(
                f"{place.name}/{stem}",
                integer(code, str(paths[0])),
                number(valence, str(paths[1])),
                number(arousal, str(paths[2])),
                picture,
            )


def _text(path: Path) -> str:
    """The one value of an array, which is text in some copies and a number in others."""
    try:
        array = np.load(path, allow_pickle=False)
        value = array.item()
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}; it holds one value; copy it again") from error
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
