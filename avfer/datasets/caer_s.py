"""CAER-S (Lee et al., 2019): frames of television with people in their surroundings, sorted into seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import Corpus, Example, Notes, Partition
from avfer.datasets.listing import (
    PartitionNames,
    check_root,
    find_folder,
    natural,
    not_found,
    note_missing_partitions,
    partition_folders,
)
from avfer.datasets.single_label import BASIC, class_folders, one_class, sorted_by_class

FOLDERS: PartitionNames = {"train": ("train",), "test": ("test",)}


class CaerS(Corpus):
    """CAER-S on disk: `train/Anger/*.png` and alike, in a folder `CAER-S` or not. A picture is a scene, not a face.

    train/Anger/1.png, test/Anger/1.png    a folder for each of 7 classes: Anger, Disgust, Fear, Happy, Neutral, ...

    Label of each picture: "expression" (1,). 48 995 pictures in train, 20 987 in test. No subjects are known.
    root: folder of the corpus.
    """

    name = "caer_s"
    distribution = "as distributed"
    protocol = "partitions as distributed; pictures are whole scenes, not faces"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        home = find_folder(self.root, "CAER-S") or self.root
        found = partition_folders(home, FOLDERS)
        self._folders: dict[Partition, Path] = {p: folder for p, folder in found.items() if class_folders(folder)}
        if not self._folders:
            raise not_found("CAER-S", self.root, ("CAER-S/train/Anger", "CAER-S/test/Anger"))
        note_missing_partitions(home, FOLDERS, self._folders, self.notes)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return train and test, as far as they are on disk; there is no dev."""
        return tuple(self._folders)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one picture at a time. Each class numbers its files from 1, so an id contains the class."""
        found = [
            (f"{partition}/{path.parent.name}/{path.stem}", name, path)
            for name, path in sorted_by_class(self._folders[partition], BASIC, self.notes)
        ]
        for picture_id, name, path in sorted(found, key=lambda row: natural(row[0])):
            yield Example(picture_id, partition, {"expression": one_class(name, BASIC)}, pictures=(path,))
