"""avfer report DIR, where DIR is a folder of avfer label: all its clips on one page."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avfer.errors import ConfigError

if TYPE_CHECKING:
    from avfer.export.clip_report.html_report import HtmlReport


def labelled_folder(tables: list[Path]) -> Path | None:
    """Return the folder of avfer label among the arguments, None if there is none.

    Raises ConfigError if other arguments are beside it.
    """
    from avfer.labelling.store import is_labelled

    found = next((path for path in tables if is_labelled(path)), None)
    if found is not None and len(tables) > 1:
        raise ConfigError(
            f"{found} is a folder of avfer label, and the report of a corpus takes one; leave out the other arguments,"
            f" or give {found / 'clips'} to show its clips one by one"
        )
    return found


def check_corpus_options(each: bool, others: Mapping[str, object], page: "HtmlReport") -> None:
    """Raise ConfigError for an option that the report of a corpus does not use.

    each: --each; others: options on a single table, with their values, None where one is not given; page: of a clip.
    """
    for name, value in others.items():
        if value is not None:
            raise ConfigError(f"{name}: the report of a corpus does not use it; leave it out, or give a table")
    if not each and (page.video != "link" or page.transcode):
        raise ConfigError("--embed, --transcode, --numbers-only: choose how the page of a clip is made; add --each")


def report_corpus(folder: Path, output: Path, page: "HtmlReport | None", overwrite: bool) -> list[str]:
    """Write the report of a corpus; return why clips have no page of their own.

    page: how the page of each clip shows its video; None writes none, and those that exist are linked.
    """
    from rich.console import Console

    from avfer.labelling.corpus_report.clip_reports import write_clip_reports
    from avfer.labelling.corpus_report.corpus_page import write_corpus_report
    from avfer.labelling.store import open_store
    from avfer.progress import StepProgress, open_display

    failures: list[str] = []
    with open_display(Console(stderr=True), quiet=False) as display:
        progress = StepProgress(display)
        if page is not None:
            failures = write_clip_reports(open_store(folder), page, overwrite, progress)
        write_corpus_report(folder, output, progress)
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    return failures
