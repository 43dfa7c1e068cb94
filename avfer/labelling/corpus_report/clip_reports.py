"""The reports of the single clips of a labelled folder, which the report of the corpus links."""

from collections import Counter
from pathlib import Path

from pyarrow.parquet import read_metadata

from avfer.errors import AvferError
from avfer.export.clip_report.html_report import HtmlReport
from avfer.export.table_reader import read_table
from avfer.labelling.entry import Entry
from avfer.labelling.status import clip_states
from avfer.labelling.store import ClipState, Store
from avfer.progress import ReportProgress

ENDS = ("written", "kept", "failed", "without a table")  # of the report of a clip


def write_clip_reports(store: Store, page: HtmlReport, overwrite: bool, progress: ReportProgress) -> list[str]:
    """Write the report of each clip with a table to `store.report(ID)`; return why others could not be written.

    page: how pages show the video; overwrite: also write those that exist and are newer than their table. A clip that
    is missing now, or that lies at a URL, gets a page without its video.
    """
    failures: list[str] = []
    total, counts = read_metadata(store.manifest).num_rows, Counter[str]()
    clips = ((entry, state) for _, _, batch in clip_states(store) for entry, state, _ in batch)
    for number, (entry, state) in enumerate(clips, 1):
        try:
            counts[_write_report(store, entry, state, page, overwrite)] += 1
        except AvferError as error:
            failures.append(f"{entry.id}: {error}")
            counts["failed"] += 1
        progress("reports", number, total, _count_text(counts))
    return failures


def _write_report(store: Store, entry: Entry, state: ClipState, page: HtmlReport, overwrite: bool) -> str:
    """Write the report of a clip if it has a table, and return what became of it, one of ENDS. Raises AvferError."""
    if state is not ClipState.DONE:
        return "without a table"
    if not overwrite and _is_recent(store, entry.id):
        return "kept"
    page.write(read_table(store.table(entry.id)), Path(entry.path), store.report(entry.id))
    return "written"


def _count_text(counts: Counter[str]) -> str:
    """Return the numbers of clips by what became of their reports: "3 written, 1 without a table"."""
    return ", ".join(f"{counts[name]} {name}" for name in ENDS if counts[name])


def _is_recent(store: Store, name: str) -> bool:
    """Return whether the report of a clip exists and is not older than its table."""
    report, table = store.report(name), store.table(name)
    return report.is_file() and report.stat().st_mtime >= table.stat().st_mtime
