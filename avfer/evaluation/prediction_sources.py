"""Where predictions come from: what every source offers, and a folder of tables on disk, one for each recording.

`picture_predictions.py` has the source that runs a face network on pictures, `pipeline_predictions.py` the one that
runs a pipeline on recordings first.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from avfer.datasets.example import Corpus, Example, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, is_junk
from avfer.datasets.table_rows import class_name, separator
from avfer.errors import DatasetError, shortened
from avfer.evaluation.alignment import AlignedPredictions, align, all_columns_of
from avfer.export.file_records import recorded_metadata

TABLE_SUFFIXES = ("parquet", "csv", "jsonl")
METADATA_FACTS = {  # key in the metadata of a table -> name of the fact in a report
    "version": "avfer that made the tables",
    "pipeline_sha256": "sha256 of the pipeline that made them",
    "device": "device that made them",
}
OTHER_NAMES = "expressions of the tables that are no class of the labels, left out"
MAX_LISTED = 4  # tables or names that a message lists
UNKNOWN = "unknown"
LABELS_MISSING = "choose another partition, or write a submission with `avfer submit` for a test set of ABAW"
THRESHOLD_MISSING = (
    "the action units of the table are activations (measured movement), which have no limit from which a unit is"
    " present; choose a threshold in [0, 1] beforehand"
)


@dataclass
class PredictionOrigin:
    """What a report states about the predictions; it grows while they are read."""

    facts: dict[str, str] = field(default_factory=dict[str, str])  # "pipeline" -> "aver"
    weights: dict[str, str] = field(default_factory=dict[str, str])  # file -> sha256
    training_data: dict[str, str] = field(default_factory=dict[str, str])  # network -> data it was trained on


class PredictionSource(Protocol):
    """A source of predictions for the examples of a corpus.

    `TableFolder` reads existing tables, `PictureSource` runs a face network, `PipelineSource` runs a pipeline.
    """

    origin: PredictionOrigin

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[AlignedPredictions]:
        """Yield every example of the partition that has steps, with its predictions, all NaN if there are none."""
        ...


@dataclass
class TableFolder:
    """A folder with a table for each example, named after its id, with or without the ending, its video or its audio.

    Tables below the folder are found as well, see `TableFiles`. Raises DatasetError if the folder does not exist.
    """

    folder: Path
    origin: PredictionOrigin = field(default_factory=PredictionOrigin)  # what made the tables, as far as they state it

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise DatasetError(f"no folder with predictions at {self.folder}; check the path behind --predictions")
        self._files = TableFiles(self.folder)
        self._other_names: set[str] = set()

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[AlignedPredictions]:
        """Yield the examples of a partition with their tables aligned; DatasetError for a faulty table."""
        for example in corpus.examples(partition):
            if not len(example):
                continue
            columns, path = all_columns_of(example), self._find_table(example)
            if path is None:
                yield AlignedPredictions.empty(example, columns)
                continue
            unit_scale = self._read_metadata(path).get("au_scale", "")
            expression = example.labels.get("expression")
            table = read_predictions(path)
            if expression:
                self._note_other_names(table, expression.names)
                table = with_probabilities(table, expression.names)
            yield replace(align(example, table, columns), unit_scale=unit_scale)

    def _find_table(self, example: Example) -> Path | None:
        """Return the table named after the id, the video or the audio of an example, None if there is none."""
        media = [path for path in (example.video, example.audio) if path]
        names = [*([example.id] if _is_below(example.id) else []), *(table_name(example, path) for path in media)]
        if found := self._files.named([*names, *(path.stem for path in media)]):
            return found
        is_path = any(example.id.endswith(path.name) for path in media)  # its folder is a part of the name
        return None if is_path else self._files.below([example.id, *(path.stem for path in media)], media)

    def _note_other_names(self, table: pd.DataFrame, classes: tuple[str, ...]) -> None:
        """Add the expressions of a table without probabilities that are no class of the corpus to the facts."""
        if _has_names_alone(table):
            self._other_names |= set(_class_names(table, classes).dropna()) - set(classes)
        if self._other_names:
            self.origin.facts[OTHER_NAMES] = shortened(sorted(self._other_names), MAX_LISTED)

    def _read_metadata(self, path: Path) -> dict[str, str]:
        """Return a table's metadata; add its facts and weights, of which all are listed that differ between tables."""
        metadata = table_metadata(path)
        self.origin.weights |= _weights(metadata)
        for key, fact in METADATA_FACTS.items():
            value = metadata.get(key, UNKNOWN)
            known = self.origin.facts.setdefault(fact, value)
            if value not in known.split("; "):
                self.origin.facts[fact] = f"{known}; {value}"
        return metadata


class TableFiles:
    """The tables in a folder and below it, as `avfer run` and `avfer label` write them for the clips of a folder.

    Of the clip batch1/talk.mp4 they make batch1/talk.parquet and clips/batch1/talk.mp4.parquet.

    folder: of the tables, or the output folder of `avfer label`.
    """

    def __init__(self, folder: Path) -> None:
        is_labelled = (folder / "manifest.parquet").is_file() and (folder / "clips").is_dir()
        self.folder = folder / "clips" if is_labelled else folder

    def named(self, names: Iterable[str]) -> Path | None:
        """Return the table with the first of some names, relative to the folder and without the ending of a format."""
        paths = (self.folder / f"{name}.{suffix}" for name in dict.fromkeys(names) for suffix in TABLE_SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    def below(self, stems: Iterable[str], media: Sequence[Path] = ()) -> Path | None:
        """Return the table of the clip with the first of some names without endings, in the folder or below it.

        media: files of the clip, the likeliest first, which decide between tables of equal names. Raises DatasetError
        if they do not.
        """
        found = next((self._by_stem[stem] for stem in stems if stem in self._by_stem), {})
        if len(found) < 2:
            return next(iter(found.values()), None)
        for path in media:
            common = {name: _common_parts(name, path) for name in found}
            best = [name for name, parts in common.items() if parts == max(common.values())]
            if len(best) == 1:
                return found[best[0]]
        listed = shortened([str(path) for path in found.values()], MAX_LISTED)
        raise DatasetError(f"several tables of one clip: {listed}; give a folder with one of them")

    @cached_property
    def _by_stem(self) -> dict[str, dict[Path, Path]]:
        """Tables by the name of their clip without ending: name of the table without ending -> its file."""
        found: dict[str, dict[Path, Path]] = {}
        for suffix in TABLE_SUFFIXES:
            for path in sorted(self.folder.rglob(f"*.{suffix}")):
                name = path.relative_to(self.folder).with_suffix("")
                if not any(is_junk(part) for part in name.parts):
                    stem = name.stem if name.suffix.lower() in (*VIDEOS, *SOUNDS) else name.name
                    found.setdefault(stem, {}).setdefault(name, path)
        return found


def _common_parts(name: Path, media: Path) -> int:
    """Return how many of the nearest folders, and the name with its ending, a table shares with a media file."""
    folders = zip(reversed(name.parent.parts), reversed(media.parent.parts), strict=False)
    return (name.name == media.name) + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], folders))


def table_name(example: Example, media: Path) -> str:
    """Return the name of the table that a pipeline makes of a media file of an example, without the ending of a format.

    It is `anna/talk` where the id of the example is the path `anna/talk.mp4`, so that recordings of one name in several
    folders have a table each; else it is the name of the media file.
    """
    is_path = example.id.endswith(media.name) and _is_below(example.id)
    return example.id.removesuffix(media.suffix) if is_path else media.stem


def _is_below(name: str) -> bool:
    """Return whether a file of this name lies in the folder that it is joined with."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table of predictions: Parquet, CSV (`,`, `;` or a tab between cells) or JSON lines.

    Raises DatasetError if the file cannot be read.

    The table may be of another program: no column is required, and each has the type that its values imply.
    `avfer.export.table_reader.read_table` reads tables of avfer, with their columns and types.
    """
    readers = {".parquet": pd.read_parquet, ".csv": _read_csv, ".jsonl": _read_json_lines}
    try:
        return readers[path.suffix](path)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read as a table: {' '.join(str(error).split())}; make it again"
        ) from error


def table_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a table, which lies beside it for CSV and JSON lines; empty if none is recorded.

    Raises DatasetError for a damaged Parquet file.
    """
    if path.suffix != ".parquet":
        return dict(recorded_metadata(path))
    import pyarrow.parquet

    try:
        metadata: dict[bytes, bytes] = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a Parquet file: {' '.join(str(error).split())}; make it again") from error
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in metadata.items()}


def _weights(metadata: dict[str, str]) -> dict[str, str]:
    """Return weight file -> sha256 of the metadata of a table; empty if another program means something else by it."""
    try:
        found = json.loads(metadata.get("weights", "{}"))
    except ValueError:
        return {}
    return {str(file): str(digest) for file, digest in found.items()} if isinstance(found, dict) else {}


def with_probabilities(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Add columns p_... of 0 and 1 to a table that names the expression but has no probabilities.

    Other spellings count as avfer's names: `Happy` is "happiness". A name outside `classes` gives NaN, so that its step
    is filled and counted as filled.
    """
    if not _has_names_alone(table):
        return table
    names = _class_names(table, classes)
    known = names.isin(classes).to_numpy(bool)
    return table.assign(
        **{f"p_{name}": np.where(known, (names == name).to_numpy(bool, na_value=False), np.nan) for name in classes}
    )


def _has_names_alone(table: pd.DataFrame) -> bool:
    """Return whether a table names the expression, but has no probabilities."""
    return "expression" in table and not any(str(column).startswith("p_") for column in table)


def _class_names(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.Series:
    """Return the expression of each row: a class as it is spelled, apart from case, else avfer's name of it."""
    names = table["expression"].astype("string").str.strip().str.lower()
    return names.where(names.isin(classes), names.replace({name: class_name(name) for name in names.dropna().unique()}))


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep=separator(path))


def _read_json_lines(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True)
