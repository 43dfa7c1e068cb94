"""The segments of a table."""

import json
from itertools import permutations

import pyarrow as pa
import pytest

from avfer.errors import ConfigError, DatasetError
from avfer.export.person_rows import clips_of
from avfer.export.table_segments import EVENTS, EventKind, describe_rules, find_segments, read_kinds, segment_table
from avfer.segments import SegmentRule
from tests.export.small_tables import small_table
from tests.export.tracks import TRACKS, TWO_PEOPLE

SMILE = [0.1, 0.6, 0.4, 0.9, 0.1, 0.0]  # a smile from 0.1 to 0.4 s
EYES = [0.0, 0.0, 0.9, 0.0, 0.0, 0.0]  # a blink from 0.2 to 0.3 s
LABELS = ["joy", "joy", "joy", "fear", "fear", None]


def one_person() -> list[dict[str, object]]:
    rows = zip(SMILE, EYES, LABELS, strict=True)
    return [
        {
            "time_s": i / 10,
            "track": 4,
            "person": 0,
            "au12": smile,
            "eye_closed": eyes,
            "expression": label,
            "p_joy": 0.75,
        }
        for i, (smile, eyes, label) in enumerate(rows)
    ]


def found(rows: list[dict[str, object]], without: tuple[str, ...] = (), **kinds: EventKind) -> list[tuple[object, ...]]:
    table = segment_table(small_table(rows, without), kinds or EVENTS)
    return [
        (row["person"], row["track"], row["event"], row["label"], round(row["start_s"], 3), round(row["stop_s"], 3))
        for row in table.to_pylist()
    ]


def test_smiles_blinks_and_expressions_of_a_person_are_found():
    assert found(one_person()) == [
        (0, 4, "smile", "smile", 0.1, 0.4),
        (0, 4, "blink", "blink", 0.2, 0.3),
        (0, 4, "expression", "joy", 0.0, 0.3),
        (0, 4, "expression", "fear", 0.3, 0.5),
    ]


@pytest.mark.parametrize(("missing", "count"), [(2, 1), (3, 2)])
def test_a_stretch_of_an_expression_goes_on_after_a_gap_of_a_fifth_of_a_second_at_most(missing, count):
    labels = ["joy"] * 4 + [None] * missing + ["joy"] * 4
    rows = [{"time_s": i / 10, "track": 1, "expression": label} for i, label in enumerate(labels)]
    assert len(found(rows)) == count


def test_a_segment_has_the_column_and_its_values():
    smile, blink, joy, fear = segment_table(small_table(one_person())).to_pylist()
    assert (smile["column"], smile["peak"], smile["peak_s"]) == ("au12", pytest.approx(0.9), pytest.approx(0.3))
    assert smile["mean"] == pytest.approx((0.6 + 0.4 + 0.9) / 3) and smile["duration_s"] == pytest.approx(0.3)
    assert (blink["column"], joy["column"], joy["mean"]) == ("eye_closed", "expression", 0.75)
    assert fear["mean"] is None, "its probability is null"


def test_a_person_without_a_value_of_the_column_has_no_segments_of_its_kind():
    voice = [{"time_s": i / 10, "valence": 0.1} for i in range(6, 9)]  # rows without a face
    (clip,) = clips_of(small_table([*one_person(), *voice]))
    seen, heard = [[find_segments(person, name, kind) for name, kind in EVENTS.items()] for person in clip.people]
    assert None not in seen and heard == [None, None, None]


def test_closed_eyes_in_a_photograph_are_no_blink():
    photograph = [one_person()[2] | {"time_s": 0.0}]
    assert found(photograph) == []
    assert ("blink", 0.2, 0.3) in [(row[2], *row[4:]) for row in found(one_person())]


def test_a_segment_has_the_track_on_which_it_starts():
    rows = [row | {"track": 4 if i < 3 else 9} for i, row in enumerate(one_person())]
    tracks = [(track, label) for _, track, _, label, *_ in found(rows)]
    assert tracks == [(4, "smile"), (4, "blink"), (4, "joy"), (9, "fear")]


def test_the_mean_of_an_expression_is_that_of_its_probability_on_each_row():
    rows = [row | {"p_joy": value} for row, value in zip(one_person(), (0.5, 0.6, 1.0, 0.1, 0.1, 0.1), strict=True)]
    (joy,) = (row for row in segment_table(small_table(rows)).to_pylist() if row["label"] == "joy")
    assert (joy["mean"], joy["peak"], joy["peak_s"]) == (pytest.approx(0.7), pytest.approx(1.0), pytest.approx(0.2))


def test_blinks_are_read_from_eye_closed_or_else_from_au45_and_last_half_a_second_at_most():
    closed = [0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.0]
    rows = [{"time_s": i / 10, "track": 1, "eye_closed": value} for i, value in enumerate(closed)]
    table = small_table(rows, ("expression", "au12"))
    other = table.append_column("au45", pa.array([0.0] * len(rows), pa.float32()))
    renamed = table.rename_columns({"eye_closed": "au45"})
    for one, column in ((table, "eye_closed"), (other, "eye_closed"), (renamed, "au45")):
        (blink,) = segment_table(one).to_pylist()
        assert (blink["column"], blink["start_s"], round(blink["stop_s"], 3)) == (column, 0.1, 0.6)


def test_a_segment_has_the_path_of_its_clip():
    table = small_table(one_person())
    table = table.append_column("source", pa.array(["s1/a.mp4"] * len(table)))
    assert {(row["clip"], row["source"]) for row in segment_table(table).to_pylist()} == {("a.mp4", "s1/a.mp4")}


def test_without_its_columns_a_kind_has_no_segments():
    assert {row[2] for row in found(one_person(), ("au12", "eye_closed"))} == {"expression"}


def test_two_people_have_segments_of_their_own():
    rows = one_person() + [row | {"track": 9, "person": 2, "au12": 0.0} for row in one_person()]
    rows.sort(key=lambda row: row["time_s"])
    assert [row[:2] for row in found(rows) if row[2] == "smile"] == [(0, 4)]
    assert [row[:2] for row in found(rows) if row[2] == "blink"] == [(0, 4), (2, 9)]


def test_tables_without_faces_and_without_rows_have_no_segments():
    assert len(segment_table(TRACKS["no rows"].to_table())) == 0
    assert len(segment_table(TWO_PEOPLE.to_table().slice(0, 0))) == 0


def test_the_metadata_has_the_rules_and_those_of_the_table():
    metadata = segment_table(TWO_PEOPLE.to_table()).schema.metadata
    rules = json.loads(metadata[b"segments"])
    assert rules["smile"] == {"column": "au12", "on": 0.5, "off": 0.3, "min_duration": 0.2, "max_gap": 0.2}
    assert rules["blink"]["column"] is None and "on" not in rules["expression"]
    assert metadata[b"clip"] == b"talk.mp4"


def test_the_rules_are_one_line_of_text():
    kinds = {"smile": EventKind(("au12",), SegmentRule(on=0.6)), "nod": EventKind(("pitch_deg",))}
    text = describe_rules(kinds, small_table([]))
    assert text == (
        "smile: au12 on 0.6 off 0.3 min_duration 0 max_gap 0; nod: no column on 0.5 off 0.3 min_duration 0 max_gap 0"
    )


def test_settings_change_the_rules_and_add_events():
    kinds = read_kinds(["smile.on=0.7", "frown.column=au04", "frown.off=0.1"])
    assert kinds["smile"].rule.on == 0.7 and kinds["smile"].columns == ("au12",)
    assert (kinds["frown"].columns, kinds["frown"].rule) == (("au04",), SegmentRule(off=0.1))
    assert read_kinds([]) == EVENTS


def test_both_thresholds_can_be_lowered_in_any_order():
    rules = [read_kinds(one)["smile"].rule for one in permutations(["smile.on=0.2", "smile.off=0.1"])]
    assert [(rule.on, rule.off) for rule in rules] == [(0.2, 0.1), (0.2, 0.1)]
    with pytest.raises(ConfigError, match=r"smile\.on=0\.2 smile\.off=0\.4: off: must be <= on"):
        read_kinds(["smile.on=0.2", "smile.off=0.4"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("smle.on=0.7", "unknown event 'smle'; did you mean 'smile'"),
        ("smile.onn=0.7", "unknown option 'onn'; did you mean 'on'"),
        ("smile.on=high", "must be a number, got 'high'"),
        ("smile.on=true", "must be a number, got True"),
        ("smile.on=0.1", "smile.on=0.1: off: must be <= on"),
        ("smile", "KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(setting, message):
    with pytest.raises(ConfigError, match=message):
        read_kinds([setting])


@pytest.mark.parametrize(
    ("column", "message"), [("au04", "the table has no such column"), ("clip", "must have numbers")]
)
def test_an_event_of_a_column_that_cannot_be_read_is_an_error(column, message):
    with pytest.raises(DatasetError, match=message):
        segment_table(small_table(one_person()), read_kinds([f"frown.column={column}"]))
