"""Where the distributions of RECOLA keep what; they are told apart by the names of folders."""

import re
from dataclasses import dataclass
from pathlib import Path

from avfer.datasets.example import Notes
from avfer.datasets.gold_standard import Procedure
from avfer.datasets.listing import files, find_folder, folders, not_found, plain, search_folders
from avfer.errors import DatasetError

Recordings = dict[str, Path]  # by id: train_1, P16
DIMENSIONS = ("valence", "arousal")
GOLD = "ratings_gold_standard"
INDIVIDUAL = ("ratings_individual", "ratings_individual_centred", "ratings_individual_centered")
FIRST_EDITION = ("emotional_behaviour", "emotional_behavior")
LATER_EDITION = ("Ratings_affective_behaviour_CCC_centred", "Ratings_affective_behaviour_CCC_centered")
BY_NAME = re.compile(r"(train|dev|test)(?:ing|el|elopment)?[-_ ]?0*([0-9]+)", re.IGNORECASE)
BY_SUBJECT = re.compile(r"p[-_ ]?0*([0-9]+)", re.IGNORECASE)
NO_NAME = "files without the name of a recording: ignored"
TWO_FILES = "further files of one recording: the first is read"


@dataclass(frozen=True)
class Layout:
    """One distribution on disk."""

    distribution: str
    root: Path
    golds: dict[str, Path]  # gold standards that lie there, by name: folders of arousal/ and valence/
    ratings: Path | None  # of the raters, likewise
    by_name: bool  # recordings are called train_1, dev_1, test_1; else by subject, P16
    procedure: Procedure = "avec"  # makes a gold standard where none lies there

    @property
    def centred(self) -> bool:
        """Whether the ratings were moved to one level before they were distributed."""
        return self.ratings is not None and "cent" in self.ratings.name.casefold()

    def identify(self, stem: str) -> str | None:
        """The id of a recording from a file's name, `train_1` or `P16`; None where it names none."""
        match = (BY_NAME if self.by_name else BY_SUBJECT).fullmatch(stem.strip())
        if match is None:
            return None
        return f"{match[1].lower()}_{int(match[2])}" if self.by_name else f"P{int(match[1])}"

    def labels(self, folder: Path | None, suffix: str, notes: Notes) -> dict[str, Recordings]:
        """For valence and arousal the files of a folder of labels, as far as they are there."""
        there = {d: find_folder(folder, d) for d in DIMENSIONS} if folder else {}
        return {d: self.recordings([inside], (suffix,), notes) for d, inside in there.items() if inside}

    def recordings(self, places: list[Path], suffixes: tuple[str, ...], notes: Notes) -> Recordings:
        """The files of some folders by the recording that they name."""
        found: Recordings = {}
        for path in (path for folder in places for path in files(folder, *suffixes)):
            name = self.identify(path.stem)
            if name is None:
                notes.add(NO_NAME, path)
            elif name in found:
                notes.add(TWO_FILES, path)
            else:
                found[name] = path
        return found

    def media(self, kind: str) -> list[Path]:
        """Folders of recordings, however they are spelled: `recordings_video`, `RECOLA-Video-recordings`."""
        near = [self.root, *folders(self.root)]
        inside = [folder for place in near for folder in folders(place)]
        return [folder for folder in inside if kind in plain(folder.name) and "recording" in plain(folder.name)]


def find_layout(root: Path, notes: Notes) -> Layout:
    """The distribution at or below a root. DatasetError where there is none, or more than one."""
    found = [*_avec_2016(root, notes), *_avec_2018(root), *_original(root)]
    if len(found) > 1:
        told = ", ".join(layout.distribution for layout in found)
        raise DatasetError(f"several distributions of RECOLA in '{root}': {told}; give the folder of one")
    if not found:
        looked_for = (GOLD, INDIVIDUAL[0], "labels/NAME/{arousal,valence}", FIRST_EDITION[0], LATER_EDITION[0])
        raise not_found("RECOLA", root, looked_for)
    return found[0]


def _avec_2016(root: Path, notes: Notes) -> list[Layout]:
    found = [folder for folder in search_folders(root, (GOLD, *INDIVIDUAL)) if folder != root]
    layouts: list[Layout] = []
    for place in dict.fromkeys(folder.parent for folder in found):
        gold = find_folder(place, GOLD)
        individual = [folder for name in INDIVIDUAL if (folder := find_folder(place, name))]
        if len(individual) > 1:
            notes.add(f"further folders of ratings: {individual[0].name} is read", individual[1])
        golds = {"distributed": gold} if gold else {}
        layouts.append(Layout("AVEC 2015 and 2016", place, golds, next(iter(individual), None), by_name=True))
    return layouts


def _avec_2018(root: Path) -> list[Layout]:
    layouts: list[Layout] = []
    for labels in search_folders(root, ("labels",)):
        named = {folder.name: folder for folder in folders(labels) if _has_dimensions(folder)}
        ratings = next((named.pop(name) for name in list(named) if plain(name) == "individual"), None)
        if named or ratings:
            layouts.append(Layout("AVEC 2018, gold-standard challenge", labels.parent, named, ratings, by_name=True))
    return layouts


def _original(root: Path) -> list[Layout]:
    editions = {"original release": FIRST_EDITION, "original release, later edition": LATER_EDITION}
    return [
        Layout(told, _above(folder, root), {}, folder, by_name=False, procedure="mean")
        for told, names in editions.items()
        for folder in search_folders(root, names, depth=4)
        if _has_dimensions(folder)
    ]


def _above(ratings: Path, root: Path) -> Path:
    """The folder in which the annotations lie beside the recordings; never above the root."""
    place = ratings.parent.parent if plain(ratings.parent.name) == "recolaannotation" else ratings.parent
    return place if place.is_relative_to(root) else root


def _has_dimensions(folder: Path) -> bool:
    return any(find_folder(folder, dimension) for dimension in DIMENSIONS)
