"""Pair tables of predictions with human codings of the same clips, and read both at the times of the tables.

A coding belongs to the clip whose name, without folder and ending, is that of its media file, of its observation, or
of its own file; of several clips of this name, to the one in the folder of the same name. A single coding and a single
clip belong together whatever their names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import pandas as pd

from avfer.codings import coding_suffixes, read_codings
from avfer.codings.coding import Coding
from avfer.codings.columns import EXPRESSION, CodedColumn, check_mapping, column_of
from avfer.codings.sampling import sample_coding
from avfer.errors import ConfigError, DatasetError, shortened
from avfer.evaluation.alignment import numeric_column, select_face
from avfer.export import metadata_of
from avfer.export.column_facts import action_unit_scale
from avfer.export.table_reader import find_tables, read_table

NO_CODING = "clips without a coding: not scored"
NO_CLIP = "codings without a clip: not used"
NO_COLUMN = "tiers that are named after no column: not compared, unless --map TIER=COLUMN names one"
OTHER_NAME = "the coding names another clip than the table"
SEVERAL_PIPELINES = "the tables were made by {} different pipelines; the scores mix them"
BEYOND = "marks begin after the end of the clip; check whether the times of the coding are seconds, and --offset"
TOLERANCE = 1.0  # s after the last row of a clip, in which a mark may begin
NO_PERSON = "the coded subject is compared with the largest face of each frame; --person chooses another"
MAX_NAMES = 8  # in a message


class LabelledClip(NamedTuple):
    """The rows of one clip in a table."""

    name: str  # path below the input, or file name
    table: Path
    rows: pd.DataFrame  # of all faces
    scale: str  # of the action units: "activation", "occurrence", or "" if the table does not state it
    pipeline: str  # sha256 of the one that made the table; empty if the table does not state it

    @property
    def stem(self) -> str:
        """The name without folder and ending."""
        return PurePath(self.name).stem


@dataclass(frozen=True)
class CodingOptions:
    """How a coding is read."""

    mapping: Mapping[str, CodedColumn] = field(default_factory=dict[str, CodedColumn])  # tier -> column
    subject: str | None = None  # person in the coding; None if it codes one person only
    person: int | None = None  # person in the table; None: the largest face of each frame
    offset: float = 0.0  # s, added to the times of the coding
    rest: str | None = None  # class of the moments without a mark for an expression; None: they are not coded
    format: str | None = None  # of the files; None: by ending and header


@dataclass(frozen=True, eq=False)
class CodedRecording:
    """A clip with predicted and coded values at the T instants of its table, by column.

    valence, arousal: float64 in [-1, 1]; au12, ...: float64, predicted in [0, 1], coded 0 or 1; NaN where missing.
    expression: object, the name of a class, None where missing.
    """

    name: str
    scale: str  # of the predicted action units, see `LabelledClip`
    classes: tuple[str, ...]  # that the table has probabilities of
    predicted: dict[str, np.ndarray]  # column -> (T,); a column that the table lacks is not in it
    coded: dict[str, np.ndarray]  # column -> (T,)


class Pairing(NamedTuple):
    """Clips with their codings, and notes about those that have none."""

    pairs: list[tuple[LabelledClip, Coding]]
    notes: list[str]


def read_pairs(tables: Path, codings: Path, options: CodingOptions) -> Pairing:
    """Return each clip in a table or a folder of tables with its coding in a file or a folder of codings.

    Raises DatasetError if a file cannot be read, no coding fits a clip, or two fit the same; ConfigError if a mapped
    tier does not exist.
    """
    clips = [clip for path in find_tables(tables) for clip in _clips(path)]
    found = [coding for path in _coding_files(codings, tables) for coding in read_codings(path, options.format)]
    check_mapping(found, options.mapping)
    pairs, notes = _match(clips, found, codings)
    names = dict.fromkeys(tier.name for _, coding in pairs for tier in coding.tiers)
    unread = [name for name in names if name not in options.mapping and column_of(name) is None]
    notes += [f"{NO_COLUMN}: {_names(unread)}"] if unread else []
    beyond = [text for clip, coding in pairs for text in _beyond(clip, coding, options.offset)]
    notes += [f"{BEYOND}: {_names(beyond)}"] if beyond else []
    several = [clip.stem for clip, _ in pairs if len(_people(clip.rows)) > 1]
    if several and options.subject is not None and options.person is None:
        notes.append(f"{NO_PERSON}; clips with several people: {_names(several)}")
    return Pairing(pairs, notes)


def read_recordings(pairs: Sequence[tuple[LabelledClip, Coding]], options: CodingOptions) -> Iterator[CodedRecording]:
    """Yield the clips with predicted and coded values. Raises as `sample_coding`; ConfigError for an unknown person."""
    people = {int(number) for clip, _ in pairs for number in _people(clip.rows)}
    if options.person is not None and options.person not in people:
        known = ", ".join(map(str, sorted(people))) or "none"
        raise ConfigError(f"--person: the tables have no person {options.person}; there are: {known}")
    for clip, coding in pairs:
        rows = _rows_of(clip, options.person)
        times = rows["time_s"].to_numpy(np.float64)
        coded = sample_coding(coding, times, options.mapping, options.subject, options.offset, options.rest)
        predicted = {column: _predicted(rows, column, clip.name) for column in coded if column in rows}
        classes = tuple(str(name).removeprefix("p_") for name in rows if str(name).startswith("p_"))
        yield CodedRecording(clip.name, clip.scale, classes, predicted, coded)


def _clips(path: Path) -> list[LabelledClip]:
    """Return the clips in a table, which are several in a merged data set."""
    table = read_table(path)
    rows, scale = table.to_pandas(), action_unit_scale(table)
    pipeline = metadata_of(table.schema).get("pipeline_sha256", "")
    name = "source" if "source" in rows else "clip"
    named = rows[name].fillna(path.stem)
    return [LabelledClip(str(clip), path, rows[named == clip], scale, pipeline) for clip in named.unique()]


def _coding_files(path: Path, tables: Path) -> list[Path]:
    """Return the file itself, or the files with endings of codings in a folder and below it, without hidden ones."""
    if not path.is_dir():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in coding_suffixes() and file.is_file()]
    found = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if tables.is_dir() and tables.resolve() == path.resolve():
        outputs = {file.resolve() for file in find_tables(tables)}
        found = [file for file in found if file.resolve() not in outputs]
    if not found:
        raise DatasetError(f"{path}: no file of a coding; known endings: {', '.join(coding_suffixes())}")
    return found


def _match(clips: list[LabelledClip], codings: list[Coding], root: Path) -> Pairing:
    """Return the codings of the clips. Raises DatasetError if there are none, or if names are not unique.

    root: the folder of the codings, or their only file.
    """
    if len(clips) == 1 and len(codings) == 1:
        other = codings[0].clip and PurePath(codings[0].clip).stem != clips[0].stem
        notes = [f"{OTHER_NAME}: {codings[0].clip}, {clips[0].name}"] if other else []
        return Pairing([(clips[0], codings[0])], notes)
    matched, unused = _clips_of_codings(clips, codings, root)
    pairs = [(clip, matched[place]) for place, clip in enumerate(clips) if place in matched]
    lacking = [clip.stem for place, clip in enumerate(clips) if place not in matched]
    notes = [f"{note}: {_names(names)}" for note, names in ((NO_CODING, lacking), (NO_CLIP, unused)) if names]
    pipelines = {clip.pipeline for clip, _ in pairs if clip.pipeline}
    notes += [SEVERAL_PIPELINES.format(len(pipelines))] if len(pipelines) > 1 else []
    return Pairing(pairs, notes)


def _clips_of_codings(
    clips: list[LabelledClip], codings: list[Coding], root: Path
) -> tuple[dict[int, Coding], list[str]]:
    """Return the coding of each clip that has one, by the clip's position, and the names of codings without a clip.

    Raises DatasetError if no coding has a clip, or two have the same. root: as of `_match`.
    """
    places: dict[str, list[int]] = {}  # name -> positions of the clips of this name
    for place, clip in enumerate(clips):
        places.setdefault(clip.stem, []).append(place)
    matched: dict[int, Coding] = {}  # position of the clip -> its coding
    unused: list[str] = []
    for coding in codings:
        stem = next((stem for stem in (PurePath(coding.clip).stem, coding.path.stem) if stem in places), None)
        if stem is None:
            unused.append(coding.clip or coding.path.name)
            continue
        place = _place_of(coding, {place: clips[place] for place in places[stem]}, root)
        if place in matched:
            both = f"{matched[place].path} and {coding.path}"
            raise DatasetError(f"two codings of the clip '{stem}': {both}; give those of one coder at a time")
        matched[place] = coding
    if not matched:
        raise DatasetError(
            f"no coding has the name of a clip; codings: {_names(unused)}; clips: {_names(places)}; rename the files"
        )
    return matched, unused


def _place_of(coding: Coding, clips: Mapping[int, LabelledClip], root: Path) -> int:
    """Return the position of the clip of a coding among clips of one name: the only one, else that in the same folder.

    Raises DatasetError if none or several of the clips are in the folder of the coding.
    """
    folder = coding.path.parent.relative_to(root) if root.is_dir() else Path()
    beside = [place for place, clip in clips.items() if PurePath(clip.name).parent == folder]
    found = beside if len(clips) > 1 else list(clips)
    if len(found) != 1:
        both = " and ".join(clip.name for clip in clips.values())
        problem = f"{len(clips)} clips are called '{next(iter(clips.values())).stem}': {both}"
        raise DatasetError(f"{problem}; put their codings into folders of the same names")
    return found[0]


def _beyond(clip: LabelledClip, coding: Coding, offset: float) -> Iterator[str]:
    """Yield where the last mark of a coding begins and where its clip ends, if the mark begins later.

    offset: s, added to the times of the coding.
    """
    last = max((float(tier.starts[-1]) for tier in coding.tiers if len(tier)), default=-np.inf) + offset
    end = float(clip.rows["time_s"].to_numpy(np.float64).max())
    if last > end + TOLERANCE:
        yield f"{clip.stem} (a mark at {last:g} s, the last row at {end:g} s)"


def _names(names: Sequence[str] | Mapping[str, object]) -> str:
    return shortened(list(names), MAX_NAMES)


def _people(rows: pd.DataFrame) -> list[int]:
    return list(rows["person"].dropna().unique()) if "person" in rows else []


def _rows_of(clip: LabelledClip, person: int | None) -> pd.DataFrame:
    """Return one row for each instant of a clip, ordered by time: of a person, or of the largest face."""
    if person is None:
        return select_face(clip.rows, clip.name).sort_values("time_s")
    instants = np.unique(clip.rows["time_s"].to_numpy(np.float64))
    mine = (
        clip.rows["person"].to_numpy(np.float64) == person if "person" in clip.rows else np.zeros(len(clip.rows), bool)
    )
    own = clip.rows.loc[mine & ~clip.rows["time_s"].where(mine).duplicated().to_numpy(bool)].set_index("time_s")
    return own.reindex(instants).rename_axis("time_s").reset_index()


def _predicted(rows: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """Return a column, (T,): names or None for the expression, else float64 with NaN."""
    if column != EXPRESSION:
        return numeric_column(rows, column, name)
    found = rows[EXPRESSION].astype(object)
    return found.where(found.notna(), None).to_numpy()
