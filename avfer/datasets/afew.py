"""AFEW (Dhall et al., 2012; the EmotiW challenges): clips of films with one of seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.clips import middle
from avfer.datasets.example import PARTITIONS, Example, Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    VIDEOS,
    check_root,
    files,
    find_folder,
    folders,
    natural,
    not_found,
    search_folders,
)
from avfer.datasets.partitions import Wanted, partition_folders, tell_lacking
from avfer.datasets.stills import one_class

FOLDERS: Wanted = {
    "train": ("Train_AFEW", "Train"),
    "dev": ("Val_AFEW", "Val", "Validation"),
    "test": ("Test_AFEW", "Test"),
}
WORDS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
CLASSES = tuple(WORDS.values())
FACES = ("AlignedFaces_LBPTOP_Points", "AlignedFaces_LBPTOP_Points_Val", "AlignedFaces_LBPTOP_Points_Test")
NO_CLASS = "classes without a folder: is the copy complete?"
NO_FACES = "clips without a folder of aligned faces"
UNLABELLED = "clips outside a folder of a class: without a label"


class Afew:
    """AFEW on disk: `Train_AFEW/<Class>/*.avi`, `Val_AFEW/...`; one example a clip, one step, its label at the middle.

    Where the aligned faces are there, the one in the middle of a clip is its picture. The clips of test have no
    labels, and nothing tells who is seen.
    """

    name = "afew"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._places = partition_folders(self.root, FOLDERS)
        if not any(_holds_classes(place) for place in self._places.values()):
            raise not_found("AFEW", self.root, ("Train_AFEW/Angry/*.avi", "Val_AFEW/Angry/*.avi"))
        tell_lacking(self.root, FOLDERS, self._places, self.notes)
        self._faces = {part: list(search_folders(place, FACES, depth=1)) for part, place in self._places.items()}
        self.distribution = f"videos{' with aligned faces' if any(self._faces.values()) else ''}"
        self.protocol = "partitions as distributed; one label a clip"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a folder."""
        return tuple(partition for partition in PARTITIONS if partition in self._places)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """The clips of a partition, by the numbers that are their names."""
        clips = self._clips(partition)
        faces = {folder.name: folder for place in self._faces[partition] for folder in _face_folders(place)}
        for path, name in sorted(clips, key=lambda clip: natural(clip[0].stem)):
            labels = {} if partition == "test" and name is None else {"expression": one_class(name, CLASSES)}
            seen = files(faces[path.stem], *PICTURES) if path.stem in faces else []
            if faces and not seen:
                self.notes.add(NO_FACES, path)
            pictures = (seen[len(seen) // 2] if seen else None,) if faces else ()
            times = middle(path, self.notes)
            yield Example(path.stem, partition, labels, None, path, path, pictures, times=times)

    def _clips(self, partition: Partition) -> list[tuple[Path, str | None]]:
        """Each clip with its class."""
        place = self._places[partition]
        clips: list[tuple[Path, str | None]] = [(path, None) for path in files(place, *VIDEOS)]
        if partition != "test":
            self.notes.add(UNLABELLED, place, len(clips))
        for word, name in WORDS.items():
            folder = find_folder(place, word)
            if folder is not None:
                clips += [(path, name) for path in files(folder, *VIDEOS)]
            elif partition != "test":
                self.notes.add(NO_CLASS, place / word, fault=True)
        return clips


def _holds_classes(place: Path) -> bool:
    return any((folder := find_folder(place, word)) and files(folder, *VIDEOS) for word in WORDS)


def _face_folders(place: Path) -> list[Path]:
    """The folders of clips in one of `FACES`: in `Faces`, in a folder of the same name, or there."""
    return folders(find_folder(place, "Faces", place.name) or place)
