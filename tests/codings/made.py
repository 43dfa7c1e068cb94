"""Codings of one clip of 2.0 s in every format, ELAN and Praat by independent libraries.

expression  [0.0, 0.8) neutral   [0.8, 1.6) happiness
AU12        [0.8, 1.4)
valence     [0.0, 0.8) 0.0   [0.8, 1.6) 0.5
"""

import csv
import json
from pathlib import Path

import pytest

MARKS = [
    ("expression", 0.0, 0.8, "neutral"),
    ("expression", 0.8, 1.6, "happy"),
    ("AU12", 0.8, 1.4, "present"),
    ("valence", 0.0, 0.8, "0.0"),
    ("valence", 0.8, 1.6, "0.5"),
]


def write_elan(path: Path, marks=MARKS, clip="talk.mp4", participant: str | None = None) -> Path:
    elan = pytest.importorskip("pympi", reason="pympi-ling is not installed: it comes with the test extras").Eaf()
    elan.remove_tier("default")
    elan.add_linked_file(f"file:///C:/videos/{clip}", relpath=f"./{clip}", mimetype="video/mp4")
    for name in dict.fromkeys(mark[0] for mark in marks):
        elan.add_tier(name, part=participant)
    for name, start, stop, value in marks:
        elan.add_annotation(name, round(start * 1000), round(stop * 1000), value)
    elan.to_file(str(path))
    return path


def write_praat(path: Path, marks=MARKS, layout="long_textgrid", stop: float = 2.0) -> Path:
    textgrid = pytest.importorskip("praatio.textgrid", reason="praatio is not installed: it comes with the test extras")
    grid = textgrid.Textgrid()
    for name in dict.fromkeys(mark[0] for mark in marks):
        entries = [tuple(mark[1:]) for mark in marks if mark[0] == name]
        grid.addTier(textgrid.IntervalTier(name, entries, 0.0, stop))
    grid.save(str(path), format=layout, includeBlankSpaces=True)
    return path


def write_boris_project(path: Path, marks=MARKS, clip="talk.mp4", offset: float = 0.0, subject: str = "") -> Path:
    """Write the project as BORIS stores it: a state is two events, one at its start and one at its stop."""
    events = [
        [time + offset, subject, name, value, "", "NA"] for name, start, stop, value in marks for time in (start, stop)
    ]
    names = list(dict.fromkeys(mark[0] for mark in marks))
    ethogram = {str(i): {"type": "State event", "key": str(i), "code": name} for i, name in enumerate(names)}
    observation = {"file": {"1": [f"videos/{clip}"], "2": []}, "type": "MEDIA", "time offset": offset}
    content = {
        "project_name": "faces",
        "project_format_version": "7.0",
        "behaviors_conf": ethogram,
        "observations": {"first": observation | {"events": sorted(events, key=lambda event: event[0])}},
    }
    path.write_text(json.dumps(content))
    return path


def write_boris_tabular(path: Path, marks=MARKS, clip="talk.mp4", separator="\t") -> Path:
    """Write the header and the rows of version 8: a row for each start and each stop."""
    header = ["Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source"]
    header += ["Time offset (s)", "Coding duration", "Subject", "Behavior", "Behavioral category", "Modifier #1"]
    header += ["Behavior type", "Time", "Media file name", "Image index", "Image file path", "Comment"]
    rows = [header]
    events = [(t, kind, m) for m in marks for t, kind in ((m[1], "START"), (m[2], "STOP"))]
    for time, kind, (name, _, _, value) in sorted(events, key=lambda event: event[0]):
        head = ["first", "2026-01-02 03:04:05", "", "2.0", "Media file(s)", f"player #1:{clip}", "0.0", "2.0"]
        rows.append([*head, "No focal subject", name, "", value, kind, f"{time:.3f}", clip, "", "", ""])
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def write_boris_aggregated(path: Path, marks=MARKS, clip="talk.mp4") -> Path:
    header = "Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,"
    header += "Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop"
    rows = [
        f"first,2026-01-02,,{clip},2.0,25.0,No focal subject,{name},,{value},STATE,{start},{stop},{stop - start},,"
        for name, start, stop, value in marks
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def write_csv(path: Path, marks=MARKS) -> Path:
    path.write_text("tier,start,stop,value\n" + "".join(f"{n},{a},{b},{v}\n" for n, a, b, v in marks))
    return path


WRITERS = {
    "talk.eaf": write_elan,
    "talk.TextGrid": write_praat,
    "talk.boris": write_boris_project,
    "talk.tsv": write_boris_tabular,
    "aggregated.csv": write_boris_aggregated,
    "talk.csv": write_csv,
}
