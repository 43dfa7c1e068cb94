"""SFEW 2.0 (Dhall et al., 2011): single frames of films, sorted into seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import Corpus, Example, Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    PartitionNames,
    check_root,
    list_files,
    natural,
    not_found,
    note_missing_partitions,
    partition_folders,
    walk,
)
from avfer.datasets.single_label import BASIC, class_folders, one_class, sorted_by_class

FACES: PartitionNames = {
    "train": ("Train_Aligned_Faces",),
    "dev": ("Val_Aligned_Faces_new", "Val_Aligned_Faces"),
    "test": ("Test_Aligned_Faces",),
}
SCENES: PartitionNames = {"train": ("Train",), "dev": ("Val",), "test": ("Test",)}


class Sfew(Corpus):
    """SFEW 2.0 on disk: `Train_Aligned_Faces/Angry/*.png` and so on, else whole scenes, `Train/Angry/*.png`.

    Train_Aligned_Faces/Angry/Film_0001_1.png    a folder for each of 7 classes; names are film, start and frame
    Val_Aligned_Faces_new/Angry/...              dev; `Val_Aligned_Faces` in some copies
    Test_Aligned_Faces/Film_0002_1.png           test, without labels

    Label of each picture: "expression" (1,). No subjects are known.
    root: folder of the corpus.
    """

    name = "sfew"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        faces, scenes = partition_folders(self.root, FACES), partition_folders(self.root, SCENES)
        self._folders = next((found for found in (faces, scenes) if _has_classes(found)), {})
        if not self._folders:
            raise not_found("SFEW", self.root, ("Train_Aligned_Faces/Angry", "Val_Aligned_Faces/Angry"))
        scenes_kind = "aligned faces or whole scenes" if faces else "whole scenes"
        self.distribution = f"2.0, {'aligned faces' if self._folders is faces else scenes_kind}"
        wanted = FACES if self._folders is faces else SCENES
        note_missing_partitions(self.root, wanted, self._folders, self.notes)
        self.protocol = "partitions as distributed"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a folder."""
        return tuple(self._folders)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one picture at a time; those of test have no labels."""
        folder = self._folders[partition]
        if partition == "test" and not class_folders(folder):
            pictures = [path for inside in walk(folder, 2) for path in list_files(inside, *PICTURES)]
            for path in sorted(pictures, key=lambda path: natural(path.stem)):
                yield Example(path.stem, partition, {}, pictures=(path,))
            return
        found = sorted_by_class(folder, BASIC, self.notes)
        for name, path in sorted(found, key=lambda row: natural(row[1].stem)):
            yield Example(path.stem, partition, {"expression": one_class(name, BASIC)}, pictures=(path,))


def _has_classes(folders: dict[Partition, Path]) -> bool:
    """Return whether any of the folders contains folders of classes."""
    return any(class_folders(folder) for folder in folders.values())
