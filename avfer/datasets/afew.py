"""AFEW (Dhall et al., 2012; the EmotiW challenges): clips of films with one of seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Corpus, Example, Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    VIDEOS,
    PartitionNames,
    check_root,
    find_folder,
    list_files,
    list_folders,
    natural,
    not_found,
    note_missing_partitions,
    partition_folders,
    search_folders,
)
from avfer.datasets.single_label import NO_FOLDER, middle_time, one_class

FOLDERS: PartitionNames = {
    "train": ("Train_AFEW", "Train"),
    "dev": ("Val_AFEW", "Val", "Validation"),
    "test": ("Test_AFEW", "Test"),
}
WORDS = {  # name of a folder -> class
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
NO_FACES = "clips without a folder of aligned faces"
UNLABELLED = "clips outside a folder of a class: without a label"


class Afew(Corpus):
    """AFEW on disk: `Train_AFEW/<Class>/*.avi`, `Val_AFEW/...`; one example a clip, with a label for its whole length.

    Train_AFEW/Angry/000123456.avi                                      a folder for each of 7 classes
    Val_AFEW/Angry/...                                                  dev
    Val_AFEW/AlignedFaces_LBPTOP_Points_Val/Faces/000123456/001.jpg     aligned faces of a clip

    Label of each clip: "expression" (1,). Clips of test have no labels; no subjects are known.
    If aligned faces are on disk, the one in the middle of a clip is its picture.

    root: folder of the corpus.
    """

    name = "afew"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._folders = partition_folders(self.root, FOLDERS)
        if not any(_has_classes(folder) for folder in self._folders.values()):
            raise not_found("AFEW", self.root, ("Train_AFEW/Angry/*.avi", "Val_AFEW/Angry/*.avi"))
        note_missing_partitions(self.root, FOLDERS, self._folders, self.notes)
        self._faces = {part: list(search_folders(folder, FACES, depth=1)) for part, folder in self._folders.items()}
        self.distribution = f"videos{' with aligned faces' if any(self._faces.values()) else ''}"
        self.protocol = "partitions as distributed; one label a clip"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a folder."""
        return tuple(partition for partition in PARTITIONS if partition in self._folders)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the clips of a partition in order of the numbers that name them."""
        clips = self._clips(partition)
        faces = {folder.name: folder for place in self._faces[partition] for folder in _face_folders(place)}
        for path, name in sorted(clips, key=lambda clip: natural(clip[0].stem)):
            labels = {} if partition == "test" and name is None else {"expression": one_class(name, CLASSES)}
            aligned = list_files(faces[path.stem], *PICTURES) if path.stem in faces else []
            if faces and not aligned:
                self.notes.add(NO_FACES, path)
            pictures = (aligned[len(aligned) // 2] if aligned else None,) if faces else ()
            times = middle_time(path, self.notes)
            yield Example(path.stem, partition, labels, None, path, path, pictures, times=times, whole_clip=True)

    def _clips(self, partition: Partition) -> list[tuple[Path, str | None]]:
        """Return each clip of a partition with its class, None for a clip outside the folders of classes."""
        home = self._folders[partition]
        clips: list[tuple[Path, str | None]] = [(path, None) for path in list_files(home, *VIDEOS)]
        if partition != "test":
            self.notes.add(UNLABELLED, home, len(clips))
        for word, name in WORDS.items():
            folder = find_folder(home, word)
            if folder is not None:
                clips += [(path, name) for path in list_files(folder, *VIDEOS)]
            elif partition != "test":
                self.notes.add(NO_FOLDER, home / word, fault=True)
        return clips


def _has_classes(home: Path) -> bool:
    """Return whether a folder contains clips in a folder of a class."""
    return any((folder := find_folder(home, word)) and list_files(folder, *VIDEOS) for word in WORDS)


def _face_folders(place: Path) -> list[Path]:
    """Return the folders of clips in a folder of `FACES`: in it, or in `Faces`; both may be in a folder of its name."""
    place = find_folder(place, place.name) or place
    return list_folders(find_folder(place, "Faces") or place)
