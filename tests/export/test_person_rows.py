"""The rows of each person, with the time that every row covers."""

import numpy as np
import pyarrow as pa
import pytest

from avfer.export.person_rows import clips_of, column_numbers, labels_by_presence
from tests.export.small_tables import small_table
from tests.export.tracks import TRACKS


def face(time: float, track: int, person: int | None = None, **values: float) -> dict[str, float | int | None]:
    return {"time_s": time, "track": track, "person": person, "valence": 0.1, **values}


def test_tracks_of_one_person_are_together_in_the_order_of_time():
    rows = [face(0.0, 1, 7), face(0.1, 1, 7), face(0.2, 4, 7), face(0.2, 2, 3)]
    first, second = clips_of(small_table(rows))[0].people
    assert (first.person, first.tracks, first.starts.tolist(), first.label) == (3, (2,), [0.2], "person 3")
    assert (second.person, second.tracks, second.starts.tolist()) == (7, (1, 4), [0.0, 0.1, 0.2])


@pytest.mark.parametrize("without", [(), ("person",)])
def test_without_persons_each_track_is_a_person(without):
    (clip,) = clips_of(small_table([face(0.0, 2), face(0.0, 1), face(0.1, 2)], without))
    assert [(one.person, one.tracks, one.label) for one in clip.people] == [
        (None, (1,), "track 1"),
        (None, (2,), "track 2"),
    ]


def test_a_row_lasts_until_the_next_instant_of_the_clip_not_of_the_person():
    (clip,) = clips_of(small_table([face(0.0, 1), face(0.1, 2), face(0.3, 1)]))
    assert clip.people[0].stops.round(6).tolist() == [0.1, 0.45]
    assert clip.people[1].stops.round(6).tolist() == [0.3]


def test_rows_without_a_face_are_a_person_only_if_they_have_values_or_no_row_has_a_face():
    voice, nothing = {"time_s": 0.2, "valence": 0.3}, {"time_s": 0.3}
    assert [one.label for one in clips_of(small_table([face(0.0, 1), nothing]))[0].people] == ["track 1"]
    with_voice = clips_of(small_table([face(0.0, 1), voice, nothing]))[0].people
    assert [(one.label, len(one)) for one in with_voice] == [("track 1", 1), ("voice alone", 2)]
    assert [len(one) for one in clips_of(small_table([nothing]))[0].people] == [1]


def test_people_are_ordered_by_their_rows_with_the_voice_alone_at_the_end():
    voice = [{"time_s": time, "valence": 0.3} for time in (0.2, 0.3, 0.4, 0.5)]
    faces = [face(0.0, 4), face(0.0, 1, 7), face(0.1, 2, 7), face(0.1, 3), face(0.2, 9, 0), face(0.3, 9, 0)]
    assert labels_by_presence(small_table([*faces, *voice])) == [
        *("person 0", "person 7", "track 3", "track 4", "voice alone"),
    ]


def test_clips_of_one_table_are_apart_also_if_only_their_folders_differ():
    table = small_table([face(0.0, 1), face(0.0, 1), face(5.0, 1)])
    table = table.append_column("source", pa.array(["s1/a.mp4", "s2/a.mp4", "s1/a.mp4"]))
    assert [(clip.source, clip.clip, len(clip.people[0])) for clip in clips_of(table)] == [
        ("s1/a.mp4", "a.mp4", 2),
        ("s2/a.mp4", "a.mp4", 1),
    ]


def test_an_empty_table_has_no_clip():
    assert clips_of(TRACKS["two people"].to_table().slice(0, 0)) == []


def test_a_column_that_is_missing_has_only_missing_values():
    values = column_numbers(small_table([{"time_s": 0.0}, {"time_s": 0.1}], ("au12",)), "au12")
    assert len(values) == 2 and np.isnan(values).all()
