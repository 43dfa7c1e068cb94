"""The segments of each person as WebVTT cues, which players of web pages and VLC show as subtitles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import metadata_of
from avfer.export.player_clock import player_offset
from avfer.export.single_clip import single_clip
from avfer.export.table_segments import EVENTS, EventKind, describe_rules, find_segments


@dataclass
class WebVttCues:
    """Exporter "webvtt": one cue for each segment, "<v person 1>happiness 82 %", with times rounded to 1 ms.

    The number is the mean of the probability or the action unit over the segment. A cue starts at 0 or later, as WebVTT
    has no negative times, and lasts at least 1 ms; segments that end before 0 are left out. A NOTE has the rules. Where
    the audio of the clip begins before its video, cues have the times of a player, and the NOTE states the difference.
    events: the kinds of segments, `--set smile.on=0.6`.
    """

    events: Mapping[str, EventKind] = field(default_factory=lambda: EVENTS)
    suffix: ClassVar[str] = ".vtt"
    needs_frames: ClassVar[bool] = False

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the cues; the clip is not read. Raises ConfigError for several clips, OutputError if writing fails."""
        cues: list[tuple[int, int, str]] = []  # start and stop in ms, text
        offset = round(player_offset(metadata_of(table.schema)) * 1000)  # ms
        for person in single_clip(table).people:
            for name, kind in self.events.items():
                for segment in find_segments(person, name, kind) or ():
                    start, stop = (round(time * 1000) + offset for time in (segment.start, segment.stop))
                    share = f" {segment.mean:.0%}".replace("%", " %") if segment.mean == segment.mean else ""
                    if stop > 0:
                        text = f"<v {_escape(person.label)}>{_escape(segment.label)}{share}"
                        start = max(start, 0)
                        cues.append((start, max(stop, start + 1), text))
        note = f"{_escape(clip.name)}; {_escape(describe_rules(self.events, table))}"
        if offset:
            note += f"; times are {offset / 1000:.3f} s later than time_s, as the audio begins before the video"
        blocks = [f"WEBVTT\n\nNOTE\n{note}"]
        blocks += [f"{_clock(start)} --> {_clock(stop)}\n{text}" for start, stop, text in sorted(cues)]
        with atomic_write(path) as part:
            part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", newline="\n")


def _escape(text: str) -> str:
    """Return a text without line breaks and without anything that WebVTT reads as markup or as an arrow."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(plain.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(milliseconds: int) -> str:
    """Return a time as "00:01:02.500"."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
