"""What the report of a corpus needs of its clips: a row for each, the failures, the totals and the distributions.

Everything is read once, clip by clip, from the plan, the markers and the tables of the folder.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from pyarrow.parquet import read_metadata

from avfer.errors import DatasetError
from avfer.export.html_page import show_controls
from avfer.export.paged_table import Cell, PagedColumn
from avfer.labelling.corpus_report.clip_statistics import ClipStatistics, CorpusDistributions, read_clip
from avfer.labelling.entry import Entry
from avfer.labelling.status import CorpusStatus, clip_states
from avfer.labelling.store import ClipState, Marker, Store, read_marker
from avfer.progress import ReportProgress

COLUMNS = (
    PagedColumn("Clip", "link"),
    PagedColumn("State"),
    PagedColumn("Face", "share"),
    PagedColumn("Values", "share"),
    PagedColumn("Length", "seconds"),
    PagedColumn("Frames", "count"),
    PagedColumn("People", "count"),
    PagedColumn("Valence", "signed"),
    PagedColumn("Arousal", "signed"),
    PagedColumn("Expression", "expression"),
    PagedColumn("Share", "share"),
    PagedColumn("Quality", "number"),
)
STATE_COLUMN, FACE_COLUMN = 1, 2
FAILURE_COLUMNS = (PagedColumn("Clip"), PagedColumn("Stage"), PagedColumn("Reason", "prose"))
MAX_REASON = 400  # characters
FACE_BINS = 20  # of [0, 1]
CLIP = "(clip)"  # in place of its path in a reason, which several clips may then share
WITHOUT_FRAMES = ("no_picture", "no_audio")  # reasons of rows that follow a fixed clock
UNREADABLE = "unreadable"  # state of a clip whose table is damaged


class FailureKind(NamedTuple):
    """A reason that the clips of a failure have in common, without their own paths."""

    stage: str
    reason: str


@dataclass(eq=False)
class CorpusClips:
    """The clips of a labelled folder, read by `read_corpus`."""

    status: CorpusStatus  # totals
    frames: int = 0  # of all clips that are done
    with_face: int = 0  # frames with a face
    distributions: CorpusDistributions = field(default_factory=CorpusDistributions)  # of the rows
    rows: list[list[Cell]] = field(default_factory=list[list[Cell]])  # of COLUMNS, and the address of the clip's report
    failures: list[list[Cell]] = field(default_factory=list[list[Cell]])  # of FAILURE_COLUMNS
    failure_kinds: Counter[FailureKind] = field(default_factory=Counter[FailureKind])  # clips
    faces: np.ndarray = field(default_factory=lambda: np.zeros(FACE_BINS, np.int64))  # (FACE_BINS,) clips, [0, 1]
    metadata: dict[str, str] = field(default_factory=dict[str, str])  # of the first table
    versions: Counter[str] = field(default_factory=Counter[str])  # clips by version of avfer
    unreadable: int = 0  # clips whose table is damaged


def read_corpus(store: Store, output: Path, progress: ReportProgress) -> CorpusClips:
    """Return what the report shows of the clips in a folder.

    store: of `open_store`; output: the file of the report, from which the reports of the clips are linked. A table
    that cannot be read counts as unreadable and is listed with its reason.
    """
    corpus = CorpusClips(CorpusStatus(run=read_marker(store.run_marker) or {}))
    total = read_metadata(store.manifest).num_rows
    for _, _, clips in clip_states(store):
        for entry, state, marker in clips:
            corpus.status.count(entry, state, marker)
            if state is ClipState.DONE:
                _add_done(corpus, entry, marker, store, output)
            elif state is ClipState.FAILED:
                _add_failure(corpus, entry, marker["stage"], marker["reason"])
                corpus.rows.append(_row(corpus, entry, "failed", {}))
            else:
                corpus.rows.append(_row(corpus, entry, "left", {}))
            progress("clips", corpus.status.clips, total, _count_text(corpus))
    return corpus


def _count_text(corpus: CorpusClips) -> str:
    """Return how many clips were done, have failed, are left and have an unreadable table."""
    status = corpus.status
    unreadable = f" ({corpus.unreadable} with a damaged table)" if corpus.unreadable else ""
    return f"{status.done} done{unreadable}, {status.failed} failed, {status.left} left"


def _add_done(corpus: CorpusClips, entry: Entry, marker: Marker, store: Store, output: Path) -> None:
    """Add a clip with a table; one that cannot be read counts as a failure of its own kind."""
    try:
        clip = read_clip(store.table(entry.id), corpus.distributions)
    except DatasetError as error:
        corpus.unreadable += 1
        _count_frames(corpus, marker)
        _add_failure(corpus, entry, "report", str(error))
        corpus.rows.append(_row(corpus, entry, UNREADABLE, marker))
        return
    corpus.metadata = corpus.metadata or clip.metadata
    corpus.versions[marker["version"]] += 1
    _count_frames(corpus, marker, clip)
    if (face := _face_share(marker, clip)) is not None:
        corpus.faces[min(int(face * FACE_BINS), FACE_BINS - 1)] += 1
    report = store.report(entry.id)
    address = _address(report, output) if report.is_file() else None
    corpus.rows.append(_row(corpus, entry, "done", marker, clip, address))


def _add_failure(corpus: CorpusClips, entry: Entry, stage: str, reason: str) -> None:
    shared = show_controls(reason.replace(f"'{entry.path}'", CLIP).replace(entry.path, CLIP)[:MAX_REASON])
    corpus.failure_kinds[FailureKind(stage, shared)] += 1
    corpus.failures.append([show_controls(entry.id), stage, shared])


def _row(
    corpus: CorpusClips,
    entry: Entry,
    state: str,
    marker: Marker,
    clip: ClipStatistics | None = None,
    address: str | None = None,
) -> list[Cell]:
    """Return the cells of COLUMNS for a clip, and the address of its report.

    marker: of a clip that is done, else empty; clip: None without a readable table.
    """
    name = show_controls(entry.id)
    length = corpus.status.part.length(marker["duration"]) if marker else None
    face = _rounded(_face_share(marker, clip))
    frames = marker["instants"] if marker and _has_frames(marker, clip) else None
    facts: list[Cell] = [_rounded(length), frames]
    if clip is None:
        return [name, state, face, None, *facts, *[None] * 6, address]
    frequent, share = clip.frequent
    means = (_rounded(mean.value) for mean in (clip.valence, clip.arousal))
    values = _rounded(clip.share_with_value)
    quality = _rounded(clip.quality.value)
    people = len(clip.people)
    return [name, state, face, values, *facts, people, *means, frequent, _rounded(share), quality, address]


def _count_frames(corpus: CorpusClips, marker: Marker, clip: ClipStatistics | None = None) -> None:
    """Add the frames of a clip that is done.   clip: None without a readable table"""
    if _has_frames(marker, clip):
        corpus.frames += marker["instants"]
        corpus.with_face += marker["with_face"]


def _face_share(marker: Marker, clip: ClipStatistics | None) -> float | None:
    """Return the share of frames with a face, in [0, 1]; None for a clip without any frame or table."""
    if not marker.get("instants") or not _has_frames(marker, clip):
        return None
    return marker["with_face"] / marker["instants"]


def _has_frames(marker: Marker, clip: ClipStatistics | None) -> bool:
    """Return whether the rows of a clip are frames of a video; without a readable table, its reasons decide."""
    without = clip.without_frame if clip is not None else 0
    return max(without, sum(marker["reasons"].get(reason, 0) for reason in WITHOUT_FRAMES)) < marker["rows"]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _address(report: Path, output: Path) -> str:
    """Return the address of a file relative to the page, so that a moved folder keeps its links."""
    relative = os.path.relpath(report.resolve(), output.resolve().parent)
    return "./" + quote(Path(relative).as_posix())
