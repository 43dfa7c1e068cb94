"""FEC (Vemulapalli and Agarwala, 2019): Google's triplets of faces, one of which has a different expression."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np

from avfer.datasets.example import PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import check_root, find_folder, list_names, not_found, walk
from avfer.datasets.pictures import open_picture
from avfer.datasets.text_files import NUMBER, TableRow, parse_integer, parse_number, read_rows, without_empty_end
from avfer.errors import ConfigError, DatasetError
from avfer.option_types import Number

FILES: dict[Partition, str] = {
    "train": "faceexp-comparison-data-train-public.csv",
    "test": "faceexp-comparison-data-test-public.csv",
}
IMAGES = ("images", "pictures", "faces")  # names that the folder of pictures may have
KINDS = ("ONE_CLASS_TRIPLET", "TWO_CLASS_TRIPLET", "THREE_CLASS_TRIPLET")  # number of expressions in a triplet
FACES, BOUNDS = 3, 4  # faces of a triplet; bounds of a face
WIDTH = FACES * (1 + BOUNDS)  # cells before the kind: URL and bounds of each face
AGREEMENT = 2 / 3  # four of six annotators
EDGES = ("x1", "y1", "x2", "y2")
VALID = np.ones(FACES, bool)
KIND_LABELS = {kind: Labels(np.full(FACES, index, np.int64), VALID, KINDS) for index, kind in enumerate(KINDS)}
DISAGREEMENT = "triplets whose annotators do not agree: kept, not valid"
NO_PICTURE = "faces without a picture on disk (many links are dead)"
BEYOND = "faces that reach beyond their picture: cut at its edge"
SAME_NAME = "faces at different addresses with the same file name: one picture is read for both"
EMPTY_BOX = "faces with an empty box: not valid, and without a picture"
COMMA = "rows with a comma in a URL that has no quotes: joined again"


class Triplet(NamedTuple):
    """One row of a file."""

    line: int
    urls: tuple[str, ...]  # of the 3 pictures
    bounds: np.ndarray  # (3, 4) float64 left, right, top, bottom of the face, fractions of width and height
    kind: str  # one of KINDS
    votes: np.ndarray  # (3,) float64, number of annotators who find this face least like the other two


class Fec(Corpus):
    """Google FEC on disk: two CSV files, and a folder `images` of downloaded pictures, named by the end of their URL.

    Rows have no header: URL, left, right, top, bottom of each of three faces, the kind of the triplet, then pairs of
    an annotator and the face (1 to 3) that he or she finds least like the other two. Pictures are not distributed;
    faces are read with `face`, which cuts them out of their pictures.
    agreement: smallest share of annotators, in (0, 1], who must choose the same face as least like the other two.
    root: folder with the CSV files and `images`, or the folder above it.
    """

    name = "fec"
    distribution = "CSV files as distributed"

    def __init__(self, root: Path | str, agreement: Number = AGREEMENT) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if not 0 < agreement <= 1:
            raise ConfigError(f"fec: agreement must be a share above 0 and at most 1, such as 0.67, got {agreement}")
        self._agreement = agreement
        places = list(walk(self.root, 2, lambda name: name.lower() in IMAGES))
        # Of several copies of a file the nearest is read.
        found = {p: place / file for p, file in FILES.items() for place in reversed(places) if (place / file).is_file()}
        self._files: dict[Partition, Path] = {p: found[p] for p in PARTITIONS if p in found}
        if not self._files:
            raise not_found("FEC", self.root, FILES.values())
        homes = (self.root, *(path.parent for path in self._files.values()))
        images = next((folder for home in homes if (folder := find_folder(home, *IMAGES))), None)
        # Triplets share faces: one path object for each picture needs far less memory than one for each triplet.
        self._pictures = {name: images / name for name in list_names(images)} if images else dict[str, Path]()
        self._addresses: dict[str, str] = {}  # name of a picture on disk -> its first URL
        self.protocol = f"partitions as distributed; triplets on whose odd face {agreement:.0%} of the annotators agree"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a file."""
        return tuple(self._files)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one triplet at a time, an example of three steps, in the order of the file.

        Labels: "odd" (3,) float64, 1 for the face least like the others; "odd_votes" (3,) float64, annotators;
        "kind" (3,) int64, of the triplet; "box" (3, 4) float64 xyxy, the face as fractions of width and height.
        Raises DatasetError, which names the line, for a damaged row.
        """
        for triplet in read_triplets(self._files[partition], self.notes):
            triplet_id = f"{partition}/{triplet.line}"
            box = self._box(triplet.bounds, triplet_id)
            labels = {
                "odd": self._odd(triplet.votes, triplet_id),
                "odd_votes": Labels(triplet.votes, VALID),
                "kind": KIND_LABELS[triplet.kind],
                "box": box,
            }
            found = [self._picture_of(url, triplet_id) for url in triplet.urls]
            self.notes.add(NO_PICTURE, triplet_id, found.count(None))
            has_box: list[bool] = box.valid[:, 0].tolist()
            pictures = tuple(path if has_box[step] else None for step, path in enumerate(found))
            yield Example(triplet_id, partition, labels, pictures=pictures)

    def face(self, example: Example, step: int) -> np.ndarray:
        """Return one face of a triplet, cut out of its picture.   step: 0 to 2 -> (H, W) or (H, W, 3) uint8

        Raises DatasetError if the picture is missing or damaged.
        """
        path = example.pictures[step]
        if path is None:
            raise DatasetError(f"{example.id}: face {step + 1} has no picture in {self.root}; leave the triplet out")
        picture = open_picture(path, path)
        height, width = picture.shape[:2]
        edges = example.labels["box"].values[step] * (width, height, width, height)
        left, top, right, bottom = edges.round().astype(int).tolist()
        left, top = min(left, width - 1), min(top, height - 1)  # a face has at least one pixel
        return picture[top : max(bottom, top + 1), left : max(right, left + 1)]

    def _odd(self, votes: np.ndarray, triplet_id: str) -> Labels:
        """Return 1 for the face with most votes, valid if enough annotators agree.   votes: (3,)"""
        most, total = votes.max(), votes.sum()
        # The tolerance lets four of six votes meet a share of 2/3 despite rounding.
        agreed = total > 0 and most >= self._agreement * total - 1e-9 and (votes == most).sum() == 1
        if not agreed:
            self.notes.add(DISAGREEMENT, triplet_id)
        return Labels((votes == most).astype(np.float64), np.full(FACES, agreed))

    def _box(self, bounds: np.ndarray, triplet_id: str) -> Labels:
        """Return xyxy boxes clipped to their pictures, NaN and not valid if empty.   bounds: (3, 4)"""
        within = bounds.clip(0, 1)
        self.notes.add(BEYOND, triplet_id, int((within != bounds).any(1).sum() - np.isnan(bounds).any(1).sum()))
        box = within[:, [0, 2, 1, 3]]  # left, right, top, bottom -> left, top, right, bottom
        valid = (box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1])
        self.notes.add(EMPTY_BOX, triplet_id, int((~valid).sum()))
        return Labels(np.where(valid[:, None], box, np.nan), np.repeat(valid[:, None], len(EDGES), 1), EDGES)

    def _picture_of(self, url: str, triplet_id: str) -> Path | None:
        """Return the picture named by the end of a URL, None if it is missing; note two URLs with the same end."""
        path = url
        with suppress(ValueError):  # a damaged address, such as http://[a/b.jpg, has a name at its end as well
            path = urlsplit(url).path
        name = PurePosixPath(unquote(path)).name
        if name not in self._pictures:
            return None
        if self._addresses.setdefault(name, url) != url:
            self.notes.add(SAME_NAME, f"{triplet_id}: {url}")
        return self._pictures[name]


def read_triplets(path: Path, notes: Notes) -> Iterator[Triplet]:
    """Yield the triplets of a file without a header, one at a time; see `Triplet` for shapes.

    A row: URL, left, right, top, bottom of each of three faces, the kind, then pairs of an annotator and a choice.
    Raises DatasetError, which names the line, for a damaged row.
    """
    for row in read_rows(path):
        where = f"{path}, line {row.line}"
        kind = next((at for at, cell in enumerate(row.cells) if cell in KINDS), None)
        if kind is None:
            raise DatasetError(f"{where}: no {', '.join(KINDS)} in the row; give the file as Google distributes it")
        faces = row.cells[:kind]
        if kind != WIDTH:
            faces = _join_urls(row, kind, where)
            notes.add(COMMA, where)
        urls = tuple(faces[:: 1 + BOUNDS])
        cells = [cell for at, cell in enumerate(faces) if at % (1 + BOUNDS)]
        bounds = np.array([parse_number(cell, where) for cell in cells]).reshape(FACES, BOUNDS)
        yield Triplet(row.line, urls, bounds, row.cells[kind], _count_votes(row.cells[kind + 1 :], where))


def _join_urls(row: TableRow, kind: int, where: str) -> list[str]:
    """Return the 15 cells of three faces with each URL in one: it begins with `http` and four numbers follow it.

    kind: column of the kind of the triplet. Raises DatasetError if the cells do not form three faces.
    """
    cells = row.cells[:kind]
    starts = [at for at, cell in enumerate(cells) if cell.lower().startswith("http")]
    found: list[str] = []
    for start, stop in zip(starts, [*starts[1:], kind], strict=True):
        bounds = cells[stop - BOUNDS : stop]
        if stop - start <= BOUNDS or not all(NUMBER.fullmatch(cell) for cell in bounds):
            break
        found += [",".join(cells[start : stop - BOUNDS]), *bounds]
    if len(found) != WIDTH or starts[0]:
        raise DatasetError(
            f"{where}: the kind of the triplet must be cell {WIDTH + 1}, found at cell {kind + 1}; "
            "cells are missing or surplus, copy the file again"
        )
    return found


def _count_votes(cells: list[str], where: str) -> np.ndarray:
    """Return the votes for each face, (3,) float64, from pairs of an annotator and a choice of 1 to 3."""
    cells = without_empty_end(cells)
    if len(cells) % 2:
        raise DatasetError(f"{where}: the last annotator has no choice; the row is truncated, copy the file again")
    choices = [parse_integer(cell, where) for cell in cells[1::2]]
    if wrong := [choice for choice in choices if not 1 <= choice <= FACES]:
        raise DatasetError(f"{where}: choice must be 1, 2 or 3, got {wrong[0]}; copy the file again")
    return np.bincount([choice - 1 for choice in choices], minlength=FACES).astype(np.float64)
