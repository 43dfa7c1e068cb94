"""CAER-S (Lee et al., 2019): frames of television with people in their surroundings, sorted into seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import Example, Notes, Partition
from avfer.datasets.listing import check_root, find_folder, natural, not_found
from avfer.datasets.partitions import Wanted, partition_folders, tell_lacking
from avfer.datasets.stills import BASIC, class_folders, one_class, sorted_by_class

FOLDERS: Wanted = {"train": ("train",), "test": ("test",)}


class CaerS:
    """CAER-S on disk: `train/Anger/*.png` and alike, in a folder `CAER-S` or not. A picture is a scene, not a face."""

    name = "caer_s"
    distribution = "as distributed"
    protocol = "partitions as distributed; pictures are whole scenes, not faces"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        home = find_folder(self.root, "CAER-S") or self.root
        found = partition_folders(home, FOLDERS)
        self._places: dict[Partition, Path] = {p: place for p, place in found.items() if class_folders(place)}
        if not self._places:
            raise not_found("CAER-S", self.root, ("CAER-S/train/Anger", "CAER-S/test/Anger"))
        tell_lacking(home, FOLDERS, self._places, self.notes)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Train and test; there is no dev."""
        return tuple(self._places)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One picture at a time. Names of files begin anew in each class, so a class is part of an id."""
        found = [
            (f"{partition}/{path.parent.name}/{path.stem}", name, path)
            for name, path in sorted_by_class(self._places[partition], BASIC, self.notes)
        ]
        for known_as, name, path in sorted(found, key=lambda row: natural(row[0])):
            yield Example(known_as, partition, {"expression": one_class(name, BASIC)}, pictures=(path,))
