"""A continuous recording of BIDS: a compressed TSV without header, and a JSON sidecar that describes its columns.

Format: BIDS 1.10, "Physiological and other continuous recordings". BIDS expects a constant sampling frequency; the
frequency stated is that of the mean step, and the first column, `timestamp`, has the exact times.
"""

import gzip
import io
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import AvferWarning
from avfer.export import beside, metadata_of
from avfer.export.column_facts import NOT_AN_INTENSITY, SCALES, action_unit_scale, describe_column, series_columns
from avfer.export.person_rows import ClipRows, PersonRows, column_numbers
from avfer.export.single_clip import single_clip
from avfer.export.text_cells import number_cells, time_cell

MISSING = "n/a"
SUFFIX = re.compile(r"(_(?:physio|stim))?(\.tsv(?:\.gz)?)$")
RECORDING = re.compile(r"_recording-[A-Za-z0-9]+")


@dataclass
class BidsRecording:
    """Exporter "bids": one row for each instant of the clip, with "n/a" where the person is absent.

    Each person has files of their own, as BIDS describes one person in a recording: the first one has PATH, which
    should end in `_physio.tsv.gz`, others the same name with the label of the person in `recording-`. Times are rounded
    to 1 microsecond. The text columns are left out, but for the probability of each expression.
    """

    suffix: ClassVar[str] = "_physio.tsv.gz"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the paths of the sidecar, and of the files of further persons."""
        paths = [_person_path(path, person, number) for number, person in enumerate(single_clip(table).people)]
        return [*(file for one in paths[1:] for file in (beside(one, ".json"), one)), beside(path, ".json")]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write all files; the clip is not read. Warns if the rows do not fit a constant sampling frequency.

        Raises ConfigError for several clips, OutputError if writing fails.
        """
        rows = single_clip(table)
        _check_steps(rows)
        columns = series_columns(table)
        for number, person in reversed(list(enumerate(rows.people))):
            own = _person_path(path, person, number)
            with atomic_write(beside(own, ".json")) as part:
                text = json.dumps(_sidecar(table, clip, rows, person, columns), indent=2, ensure_ascii=False)
                part.write_text(text + "\n", encoding="utf-8")
            with atomic_write(own) as part:
                data = _lines(rows, person, columns).encode()
                part.write_bytes(_compressed(data) if own.suffix == ".gz" else data)


def _sampling_frequency(starts: np.ndarray) -> float:
    """Return the frequency of the mean step in Hz, 1 without a step.

    The median step would be 0.033 s for 29.97 Hz in a container with times in ms, and 1 % wrong.   starts: (T,) s
    """
    return (len(starts) - 1) / float(starts[-1] - starts[0]) if len(starts) > 1 else 1.0


def _check_steps(clip: ClipRows) -> None:
    """Warn if times that a reader computes from the sampling frequency are wrong by more than a step."""
    step = 1 / _sampling_frequency(clip.starts)
    wrong = float(np.abs(clip.starts[0] + step * np.arange(len(clip.starts)) - clip.starts).max())
    if wrong > step:
        text = f"the steps between the rows of {clip.clip} vary: a reader that computes times from SamplingFrequency"
        text += f" is wrong by up to {wrong:.2f} s; read them from the column timestamp"
        warnings.warn(text, AvferWarning, stacklevel=3)


def _person_path(path: Path, person: PersonRows, number: int) -> Path:
    """Return the path for the person at a position in the clip; the first one has the path itself."""
    if number == 0:
        return path
    label = "".join(one for one in person.label if one.isalnum())
    if RECORDING.search(path.name):
        return path.with_name(RECORDING.sub(lambda found: f"{found[0]}{label}", path.name, count=1))
    return path.with_name(SUFFIX.sub(lambda found: f"_recording-{label}{found[0]}", path.name))


def _lines(clip: ClipRows, person: PersonRows, columns: list[str]) -> str:
    """Return one line for each instant of the clip, without a header."""
    at = np.searchsorted(clip.starts, person.starts)
    cells = [[time_cell(time) for time in clip.starts]]
    for name in columns:
        values = np.full(len(clip.starts), np.nan)
        values[at] = column_numbers(person.table, name)
        cells.append(number_cells(values, MISSING))
    return "".join("\t".join(row) + "\n" for row in zip(*cells, strict=True))


def _sidecar(table: pa.Table, clip: Path, rows: ClipRows, person: PersonRows, columns: list[str]) -> dict[str, Any]:
    """Return the content of the JSON file."""
    metadata = metadata_of(table.schema)
    scale = action_unit_scale(table)
    described: dict[str, dict[str, Any]] = {"timestamp": {"Description": "Time of the row", "Units": "s"}}
    for name in columns:
        facts = describe_column(name, scale)
        described[name] = {"Description": facts.label, "Units": facts.unit or "arbitrary"}
        if facts.low is not None and facts.high is not None:
            described[name] |= {"Minimum": facts.low, "Maximum": facts.high}
    return {
        "SamplingFrequency": round(_sampling_frequency(rows.starts), 6),
        "StartTime": round(float(rows.starts[0]), 6),
        "Columns": ["timestamp", *columns],
        **described,
        "SamplingFrequencyDescription": "1 over the mean step; timestamp has the exact times",
        "Person": person.label,
        "SourceFile": clip.name,
        "ActionUnitScale": f"{SCALES[scale]}. {NOT_AN_INTENSITY}.",
        "SoftwareName": "avfer",
        "SoftwareVersions": metadata.get("version", MISSING),
        "PipelineSha256": metadata.get("pipeline_sha256", MISSING),
    }


def _compressed(data: bytes) -> bytes:
    """Return gzip without name and time, so that the same values give the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()
