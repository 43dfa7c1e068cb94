"""FEC (Vemulapalli and Agarwala, 2019): triplets of faces, of which one is the least alike in expression."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import numpy as np

from avfer.datasets.example import PARTITIONS, Example, Labels, Notes, Partition
from avfer.datasets.fec_rows import FACES, KINDS, read_triplets
from avfer.datasets.listing import check_root, find_folder, names, not_found, walk
from avfer.datasets.stills import open_picture
from avfer.errors import ConfigError, DatasetError

FILES: dict[Partition, str] = {
    "train": "faceexp-comparison-data-train-public.csv",
    "test": "faceexp-comparison-data-test-public.csv",
}
IMAGES = ("images", "pictures", "faces")
AGREED = 2 / 3  # four of six annotators
EDGES = ("x1", "y1", "x2", "y2")
SPLIT = "triplets whose annotators do not agree: kept, not valid"
ALL = np.ones(FACES, bool)
KIND = {kind: Labels(np.full(FACES, index, np.int64), ALL, KINDS) for index, kind in enumerate(KINDS)}
GONE = "faces whose picture is not there (many links are dead)"
BEYOND = "faces that reach beyond their picture: cut at its edge"
ALIKE = "faces at different addresses that end alike: one picture is read for both"
EMPTY = "faces without an extent: their box is not valid, and they have no picture"


class Fec:
    """Google FEC on disk: two CSV files, and a folder `images` of what you downloaded, named as their URLs end.

    agreement: the least share of annotators who must find the same face the least alike.
    """

    name = "fec"
    distribution = "CSV files as distributed"

    def __init__(self, root: Path | str, agreement: float = AGREED) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if not 0 < agreement <= 1:
            raise ConfigError(f"fec: agreement {agreement}; choose a share above 0, at most 1, such as 0.67")
        self._agreement = agreement
        places = list(walk(self.root, 1, lambda name: name.lower() in IMAGES))
        found = {p: place / file for p, file in FILES.items() for place in places if (place / file).is_file()}
        self._files: dict[Partition, Path] = {p: found[p] for p in PARTITIONS if p in found}
        if not self._files:
            raise not_found("FEC", self.root, FILES.values())
        images = find_folder(self.root, *IMAGES)
        # Faces come again and again: a path of each is kept once, which is much less than one for each triplet.
        self._shown = {name: images / name for name in names(images)} if images else dict[str, Path]()
        self._addresses: dict[str, str] = {}  # of each picture that is there, the first
        self.protocol = f"partitions as distributed; triplets on whose odd face {agreement:.0%} of the annotators agree"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a file."""
        return tuple(self._files)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One triplet at a time, of three steps, in the order of the file.

        Labels: "odd" (3,) float64, 1 for the face least like the others; "odd_votes" (3,) float64, of annotators;
        "kind" (3,) int64, of the triplet; "box" (3, 4) float64, the face in fractions of width and height.
        """
        for triplet in read_triplets(self._files[partition], self.notes):
            known_as = f"{partition}/{triplet.line}"
            box = self._box(triplet.bounds, known_as)
            labels = {
                "odd": self._odd(triplet.votes, known_as),
                "odd_votes": Labels(triplet.votes, ALL),
                "kind": KIND[triplet.kind],
                "box": box,
            }
            found = [self._picture_of(url, known_as) for url in triplet.urls]
            self.notes.add(GONE, known_as, found.count(None))
            whole: list[bool] = box.valid[:, 0].tolist()
            pictures = tuple(path if whole[step] else None for step, path in enumerate(found))
            yield Example(known_as, partition, labels, pictures=pictures)

    def face(self, example: Example, step: int) -> np.ndarray:
        """One face of a triplet, cut out of its picture.   -> (H, W) or (H, W, 3) uint8

        DatasetError where the picture is not there.
        """
        path = example.pictures[step]
        if path is None:
            raise DatasetError(f"{example.id}: face {step + 1} has no picture in {self.root}; leave the triplet out")
        picture = open_picture(path, path)
        height, width = picture.shape[:2]
        edges = example.labels["box"].values[step] * (width, height, width, height)
        left, top, right, bottom = edges.round().astype(int).tolist()
        left, top = min(left, width - 1), min(top, height - 1)  # a face has one pixel at least
        return picture[top : max(bottom, top + 1), left : max(right, left + 1)]

    def _odd(self, votes: np.ndarray, place: str) -> Labels:
        most, total = votes.max(), votes.sum()
        # A share of 2/3 is met by four of six, whatever its last bit is.
        agreed = total > 0 and most >= self._agreement * total - 1e-9 and (votes == most).sum() == 1
        if not agreed:
            self.notes.add(SPLIT, place)
        return Labels((votes == most).astype(np.float64), np.full(FACES, agreed))

    def _box(self, bounds: np.ndarray, place: str) -> Labels:
        within = bounds.clip(0, 1)
        self.notes.add(BEYOND, place, int((within != bounds).any(1).sum() - np.isnan(bounds).any(1).sum()))
        box = within[:, [0, 2, 1, 3]]  # left, right, top, bottom -> left, top, right, bottom
        valid = (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
        self.notes.add(EMPTY, place, int((~valid).sum()))
        return Labels(np.where(valid[:, None], box, np.nan), np.repeat(valid[:, None], len(EDGES), 1), EDGES)

    def _picture_of(self, url: str, place: str) -> Path | None:
        name = PurePosixPath(unquote(urlsplit(url).path)).name
        if name not in self._shown:
            return None
        if self._addresses.setdefault(name, url) != url:
            self.notes.add(ALIKE, f"{place}: {url}")
        return self._shown[name]
