"""The playable report of clips as one HTML file: exporter "report", `avfer run --report` and `avfer report`."""

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import ClassVar, NamedTuple

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import ConfigError
from avfer.export import metadata_of
from avfer.export.clip_report.face_strip import cut_faces
from avfer.export.clip_report.packed_arrays import SCALE
from avfer.export.clip_report.report_data import ClipTable, clip_data
from avfer.export.clip_report.report_video import VideoMode, find_video
from avfer.export.colours import VIRIDIS
from avfer.export.html_page import html_page, script_data
from avfer.export.person_rows import ClipRows, clips_of
from avfer.export.privacy import is_numbers_only

METADATA = re.compile(r'<meta name="avfer-metadata" content="([^"]*)">')
HEAD = 1_000_000  # characters of a page that hold its metadata
MAX_CLIPS = 200  # of a page
FOLDER = Path(__file__).parent
SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "report_data.js",  # decodes and reads the numbers
    "pixel_columns.js",  # reduces the rows to what a pixel column shows
    "painters.js",
    "charts.js",
    "player.js",
    "report.js",  # opens a clip and chooses people
    "panels.js",
    "face_values.js",  # shows a photograph
    "canvases.js",
    "texts.js",
    "start.js",  # connects everything
)
STYLES = ("uplot/uPlot.min.css", "report.css")


class AgreementText(NamedTuple):
    """Agreement with human codings, as the page shows it; all text."""

    text: str  # what the measures are
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]  # as long as heads
    notes: Sequence[str]  # reasons to doubt or to limit the scores
    facts: Sequence[tuple[str, str]]  # how they were computed


@dataclass(frozen=True)
class HtmlReport:
    """Exporter "report": writes the page of a clip, with its video or photograph if that is found.

    The page opens from disk and loads nothing but the linked video; its content security policy refuses all else.
    """

    suffix: ClassVar[str] = ".html"
    needs_frames: ClassVar[bool] = False
    video: VideoMode = "link"  # link to the clip, embed it in the page, or leave it and all pictures out
    transcode: bool = False  # write NAME.video.mp4 beside the page if browsers do not play the clip

    def stated_options(self) -> dict[str, str]:
        """Return the options as text for the metadata of the page, beside those of the table."""
        return {"report_video": {"link": "", "embed": "embedded", "none": "left out"}[self.video]}

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the page. A clip that is missing or damaged is no error: the page says so.

        Raises OutputError if a file cannot be written, ConfigError if the clip is too large to be embedded.
        """
        self.write_tables([(table, clip)], path)

    def write_tables(
        self, tables: Iterable[tuple[pa.Table, Path]], path: Path, agreement: AgreementText | None = None
    ) -> None:
        """Write one page of several tables, each with the path of its clip, or of the folder of its clips.

        A table may hold several clips. Raises as `write`; ConfigError if there are more than MAX_CLIPS.
        """
        parts = [(part, rows, clip) for table, clip in tables for part, rows in split_clips(table, clip.name)]
        if len(parts) > MAX_CLIPS:
            raise ConfigError(f"a page holds at most {MAX_CLIPS} clips, got {len(parts)}; give fewer tables")
        clips: list[ClipTable] = []
        for number, (part, rows, clip) in enumerate(parts, 1):
            own = clip / (rows.source or rows.clip) if len(parts) > 1 and clip.is_dir() else clip
            ending = ".video.mp4" if len(parts) == 1 else f".video{number}.mp4"
            clips.append(self._clip_table(part, rows, own, path, path.with_name(path.stem + ending)))
        with atomic_write(path) as new:
            new.write_text(render_report(clips, agreement), encoding="utf-8")

    def _clip_table(self, table: pa.Table, rows: ClipRows, clip: Path, page: Path, copy: Path) -> ClipTable:
        """Return the table of one clip with its video and faces, and the options of this page in its metadata.

        copy: the MP4 to write if the page transcodes. Raises as `write`, and ConfigError if the table forbids a page
        that contains its video.
        """
        metadata = metadata_of(table.schema)
        mode = "none" if is_numbers_only(metadata) else self.video
        if mode != self.video and (self.video == "embed" or self.transcode):
            raise ConfigError(
                f"numbers_only: the table of {rows.clip} forbids a page that contains its video; leave out --embed"
                " and --transcode, or make the table without numbers_only"
            )
        video = find_video(clip, metadata, page, mode, copy if self.transcode else None)
        faces = cut_faces(clip, rows.people) if video.readable else []
        stated = {key: value for key, value in self.stated_options().items() if value}
        return ClipTable(table.replace_schema_metadata({**metadata, **stated} or None), rows, video, faces)

    @staticmethod
    def read_metadata(path: Path) -> dict[str, str]:
        """Return the metadata of the first table behind a page, empty if the page holds none."""
        with suppress(OSError, ValueError), path.open(encoding="utf-8") as file:
            if found := METADATA.search(file.read(HEAD)):
                return json.loads(unescape(found[1]))
        return {}


def split_clips(table: pa.Table, name: str) -> list[tuple[pa.Table, ClipRows]]:
    """Return the clips in a table, each with its rows; a table without rows is one clip.

    name: of the clip of a table without rows.
    """
    clips = clips_of(table)
    if not clips:
        empty = table["time_s"].to_numpy(zero_copy_only=False)
        return [(table, ClipRows(metadata_of(table.schema).get("clip", name), "", empty, empty, ()))]
    if len(clips) == 1:
        return [(table, clips[0])]
    column = "source" if "source" in table.column_names else "clip"
    names = table[column].fill_null("").to_pylist()
    return [(table.filter(pa.array([own in (clip.source, clip.clip) for own in names])), clip) for clip in clips]


def render_report(clips: Sequence[ClipTable], agreement: AgreementText | None = None) -> str:
    """Return the page of some clips as HTML.

    Text of tables is part of JSON data that the script sets as text, or escaped. The page allows only its own
    script, by its hash, so that no script in the text of a table can run.
    """
    script = "\n".join(['"use strict";', *map(_read, SCRIPTS)])
    sources = {"img-src": "data: blob:", "media-src": "'self' file: blob:"}
    first = clips[0]
    metadata = escape(json.dumps(metadata_of(first.table.schema), ensure_ascii=False))
    styles = "\n".join(map(_read, STYLES))
    head = f'<meta name="avfer-metadata" content="{metadata}">\n<style>\n{styles}</style>\n'
    contents = [clip_data(clip) for clip in clips]
    data = {
        "clips": contents,
        "viridis": VIRIDIS,
        "scale": SCALE,
        "agreement": agreement._asdict() if agreement else None,
    }
    videos = "".join(
        f'<script type="application/octet-stream" id="video-{number}">{clip.video.data}</script>\n'
        for number, clip in enumerate(clips)
        if clip.video.data
    )
    content = f"{_read('report.html')}\n{script_data('report-data', data)}\n{videos}"
    return html_page(first.rows.clip, str(contents[0]["lead"]), content, script=script, head=head, sources=sources)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
