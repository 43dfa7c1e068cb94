"""Folders of the distributions of RECOLA; the names of the folders identify the distribution.

Archives may have been unpacked into folders of their own names: `ratings_gold_standard/ratings_gold_standard/arousal`.
`find_layout` searches the root and a few levels below it, and returns where gold standards, ratings and recordings
are. `avfer.datasets.recola` reads them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from avfer.datasets.example import DIMENSIONS, Notes
from avfer.datasets.gold_standard import Procedure
from avfer.datasets.listing import (
    NO_RECORDING,
    REPEATED_RECORDING,
    find_folder,
    identified,
    list_files,
    list_folders,
    not_found,
    plain,
    search_folders,
    walk,
)
from avfer.errors import DatasetError

Recordings = dict[str, Path]  # id of a recording (train_1, P16) -> file
GOLD = "ratings_gold_standard"
INDIVIDUAL = ("ratings_individual", "ratings_individual_centred", "ratings_individual_centered")
FIRST_EDITION = ("emotional_behaviour", "emotional_behavior")
LATER_EDITION = ("Ratings_affective_behaviour_CCC_centred", "Ratings_affective_behaviour_CCC_centered")
BY_NAME = re.compile(r"(train|dev|test)(?:ing|el|elopment)?[-_ ]?0*([0-9]+)", re.IGNORECASE)
BY_SUBJECT = re.compile(r"p[-_ ]?0*([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class RecolaLayout:
    """One distribution of RECOLA on disk.

    Recordings are identified by the names of their files, which copies spell in several ways: `Train-01.wav` and
    `train_1.arff` belong to the recording "train_1", `p16.csv` and `P16.mp4` to "P16".
    """

    distribution: str
    root: Path  # folder with labels and recordings
    golds: dict[str, Path]  # gold standards on disk: name -> folder with arousal/ and valence/
    ratings: Path | None  # folder of the raters, with arousal/ and valence/
    by_name: bool  # ids are train_1, dev_1, test_1 (True) or subjects, P16 (False)
    procedure: Procedure = "avec"  # computes the gold standard if none is on disk

    @property
    def centred(self) -> bool:
        """Return whether the ratings were moved to a common level before they were distributed."""
        return self.ratings is not None and "cent" in self.ratings.name.casefold()

    def identify(self, stem: str) -> str | None:
        """Return the id of a recording from the name of a file: "train_1" or "P16"; None for any other name."""
        match = (BY_NAME if self.by_name else BY_SUBJECT).fullmatch(stem.strip())
        if match is None:
            return None
        return f"{match[1].lower()}_{int(match[2])}" if self.by_name else f"P{int(match[1])}"

    def labels(self, folder: Path | None, suffix: str, notes: Notes) -> dict[str, Recordings]:
        """Return the files of valence and of arousal in a folder of labels; a missing dimension is left out.

        folder: None gives an empty result. suffix: ".arff" for gold standards, ".csv" for ratings.
        """
        inside = {d: find_folder(folder, d) for d in DIMENSIONS} if folder else {}
        return {d: self.recordings([place], (suffix,), notes) for d, place in inside.items() if place}

    def recordings(self, places: list[Path], suffixes: tuple[str, ...], notes: Notes) -> Recordings:
        """Return the files in some folders by recording; note other files and repeated recordings."""
        paths = (path for folder in places for path in list_files(folder, *suffixes))
        return identified(
            paths, lambda path: self.identify(path.stem), notes, other=NO_RECORDING, repeated=REPEATED_RECORDING
        )

    def media(self, kind: str) -> list[Path]:
        """Return the folders of recordings, up to three levels below the layout's root.

        kind: "video" or "audio"; it is part of the name: `recordings_video`, `RECOLA-Video-recordings`, or
        `recordings/video`, as in AVEC 2018.
        """
        inside = [folder for folder in walk(self.root, 3) if folder != self.root and kind in plain(folder.name)]
        return [folder for folder in inside if "recording" in plain(f"{folder.parent.name} {folder.name}")]


def find_layout(root: Path, notes: Notes) -> RecolaLayout:
    """Return the distribution at or below a root. Raises DatasetError if there is none or more than one."""
    found = [*_avec_2016(root, notes), *_avec_2018(root), *_original(root)]
    if len(found) > 1:
        listed = ", ".join(layout.distribution for layout in found)
        raise DatasetError(f"several distributions of RECOLA in '{root}': {listed}; give the folder of one of them")
    if not found:
        looked_for = (GOLD, INDIVIDUAL[0], "labels/NAME/{arousal,valence}", FIRST_EDITION[0], LATER_EDITION[0])
        raise not_found("RECOLA", root, looked_for)
    return found[0]


def _avec_2016(root: Path, notes: Notes) -> list[RecolaLayout]:
    """Return the layouts with a folder of gold standards or of ratings, as in AVEC 2015 and 2016."""
    found = [folder for inside in list_folders(root) for folder in search_folders(inside, (GOLD, *INDIVIDUAL), depth=2)]
    layouts: list[RecolaLayout] = []
    for place in dict.fromkeys(folder.parent for folder in found):
        gold = find_folder(place, f"{GOLD}/{GOLD}", GOLD)
        individual = [folder for name in INDIVIDUAL if (folder := find_folder(place, f"{name}/{name}", name))]
        if len(individual) > 1:
            notes.add(f"further folders of ratings: {individual[0].name} is read", individual[1])
        golds = {"distributed": gold} if gold else {}
        layouts.append(RecolaLayout("AVEC 2015 and 2016", place, golds, next(iter(individual), None), by_name=True))
    return layouts


def _avec_2018(root: Path) -> list[RecolaLayout]:
    """Return the layouts with `labels/NAME/{arousal,valence}`; NAME is a gold standard, or `individual`."""
    layouts: list[RecolaLayout] = []
    for labels in search_folders(root, ("labels",)):
        inner = find_folder(labels, "labels") or labels
        named = {folder.name: folder for folder in list_folders(inner) if _has_dimensions(folder)}
        ratings = next((named.pop(name) for name in list(named) if plain(name) == "individual"), None)
        if named or ratings:
            layouts.append(
                RecolaLayout("AVEC 2018, gold-standard challenge", labels.parent, named, ratings, by_name=True)
            )
    return layouts


def _original(root: Path) -> list[RecolaLayout]:
    """Return the layouts of the original release, which has ratings and no gold standard."""
    editions = {"original release": FIRST_EDITION, "original release, later edition": LATER_EDITION}
    return [
        RecolaLayout(edition, _home(folder, root), {}, folder, by_name=False, procedure="mean")
        for edition, names in editions.items()
        for folder in search_folders(root, names, depth=4)
        if _has_dimensions(folder)
    ]


def _home(ratings: Path, root: Path) -> Path:
    """Return the folder that contains annotations and recordings, never one above the root."""
    folder = ratings.parent
    while plain(folder.name) == "recolaannotation":
        folder = folder.parent
    return folder if folder.is_relative_to(root) else root


def _has_dimensions(folder: Path) -> bool:
    return any(find_folder(folder, dimension) for dimension in DIMENSIONS)
