"""SFEW 2.0 (Dhall et al., 2011): single frames of films, sorted into seven expressions."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import Example, Notes, Partition
from avfer.datasets.listing import PICTURES, check_root, files, natural, not_found, walk
from avfer.datasets.partitions import partition_folders, tell_lacking
from avfer.datasets.stills import BASIC, class_folders, one_class, sorted_by_class

FOLDERS: dict[Partition, tuple[str, ...]] = {
    "train": ("Train_Aligned_Faces",),
    "dev": ("Val_Aligned_Faces_new", "Val_Aligned_Faces"),
    "test": ("Test_Aligned_Faces",),
}
SCENES: dict[Partition, tuple[str, ...]] = {"train": ("Train",), "dev": ("Val",), "test": ("Test",)}


class Sfew:
    """SFEW 2.0 on disk: `Train_Aligned_Faces/Angry/*.png` and alike; without them whole scenes, `Train/Angry/*.png`."""

    name = "sfew"

    def __init__(self, root: Path | str) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        faces, scenes = partition_folders(self.root, FOLDERS), partition_folders(self.root, SCENES)
        self._places = next((found for found in (faces, scenes) if _labelled(found)), {})
        if not self._places:
            raise not_found("SFEW", self.root, ("Train_Aligned_Faces/Angry", "Val_Aligned_Faces/Angry"))
        sorted_out = "aligned faces or whole scenes" if faces else "whole scenes"
        self.distribution = f"2.0, {'aligned faces' if self._places is faces else sorted_out}"
        tell_lacking(self.root, FOLDERS if self._places is faces else SCENES, self._places, self.notes)
        self.protocol = "partitions as distributed"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a folder."""
        return tuple(self._places)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One picture at a time; those of test have no labels."""
        place = self._places[partition]
        if partition == "test" and not class_folders(place):
            shown = [path for folder in walk(place, 2) for path in files(folder, *PICTURES)]
            for path in sorted(shown, key=lambda path: natural(path.stem)):
                yield Example(path.stem, partition, {}, pictures=(path,))
            return
        found = sorted_by_class(place, BASIC, self.notes)
        for name, path in sorted(found, key=lambda pair: natural(pair[1].stem)):
            yield Example(path.stem, partition, {"expression": one_class(name, BASIC)}, pictures=(path,))


def _labelled(places: dict[Partition, Path]) -> bool:
    return any(class_folders(place) for place in places.values())
