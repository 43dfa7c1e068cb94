"""Rows of an AffectTrack: the values of a column, the rows of each person, and those of a stretch of time."""

from dataclasses import replace

import numpy as np
import pytest

from avfer.baseline import Baseline
from avfer.errors import ConfigError
from avfer.types import NO_PERSON
from tests.export.tracks import TRACKS, TWO_PEOPLE, make_track


@pytest.mark.parametrize("name", TRACKS)
def test_a_column_has_one_value_for_each_row(name):
    track = TRACKS[name]
    for column, expected in (("valence", track.valence), ("arousal", track.arousal)):
        np.testing.assert_array_equal(track[column], expected)
    np.testing.assert_array_equal(track["p_happiness"], track.expressions[:, 1])
    np.testing.assert_array_equal(track["au12"], track.action_units[:, 1])
    assert {len(track[column]) for column in track.schema().names} == {len(track)}


def test_columns_of_integers_texts_and_truth_values_have_their_types():
    assert TWO_PEOPLE["track"].dtype == np.int64 and TWO_PEOPLE["track"][20:23].tolist() == [1, 2, 1]
    assert TWO_PEOPLE["expression"].dtype == object and TWO_PEOPLE["expression"][0] in TWO_PEOPLE.classes
    assert TWO_PEOPLE["has_face"].dtype == bool and TWO_PEOPLE["has_face"].all()
    assert np.isnan(TRACKS["voice alone"]["frame"]).all()


def test_an_unknown_column_is_a_key_error_with_the_nearest_name():
    with pytest.raises(KeyError, match="did you mean 'valence'"):
        TWO_PEOPLE["valnce"]
    with pytest.raises(KeyError, match="unknown column '0'; there are: "):
        TWO_PEOPLE[0]  # pyright: ignore[reportArgumentType]  # a user who takes the result for a list of rows


def test_rows_cannot_be_iterated_by_mistake():
    with pytest.raises(TypeError, match=r"use track.persons\(\)"):
        list(TWO_PEOPLE)


def test_each_track_without_a_person_is_a_person():
    people = TWO_PEOPLE.persons()
    assert {name: len(rows) for name, rows in people.items()} == {"track 1": 60, "track 2": 20}
    assert (people["track 2"]["track"] == 2).all() and len(people["track 2"].clock) == 70


def test_tracks_of_one_person_are_one_and_the_voice_is_last():
    track = make_track([(0, 1), (1, 4), (2, -1), (3, 7)], 4)
    assert track.faces.track_ids[2] == -1
    track = replace(track, faces=replace(track.faces, person_ids=np.array([2, 2, NO_PERSON, NO_PERSON])))
    assert {name: rows["time_s"].tolist() for name, rows in track.persons().items()} == {
        "person 2": [0.0, 0.04],
        "track 7": [0.12],
        "voice alone": [0.08],
    }


def test_rows_without_a_face_and_without_values_are_no_person():
    assert list(make_track([(0, 1), (1, -1)], 2, voice=False).persons()) == ["track 1"]


def test_a_stretch_of_time_includes_its_start_and_excludes_its_stop():
    part = TWO_PEOPLE.between(0.8, 0.88)
    assert part.clock.times.tolist() == [0.8, 0.84] and part["frame"].tolist() == [20, 20, 21, 21]
    assert part.to_table().equals(TWO_PEOPLE.to_table().slice(20, 4))


def test_stretches_that_divide_the_clip_have_all_its_rows():
    parts = [TWO_PEOPLE.between(start, stop) for start, stop in ((0.0, 1.0), (1.0, 2.0), (2.0, 9.0))]
    assert type(TWO_PEOPLE).concat(parts).to_table().equals(TWO_PEOPLE.to_table())


def test_a_stretch_without_rows_is_empty():
    assert (len(TWO_PEOPLE.between(9.0, 10.0)), len(TWO_PEOPLE.between(9.0, 10.0).clock)) == (0, 0)


def test_a_stretch_has_no_baseline():
    assert replace(TWO_PEOPLE, baseline=Baseline()).between(0.0, 1.0).baseline is None


@pytest.mark.parametrize(("start", "stop"), [(2.0, 1.0), (float("nan"), 1.0)])
def test_a_stop_before_the_start_is_an_error(start, stop):
    with pytest.raises(ConfigError, match="between: stop must be >= start"):
        TWO_PEOPLE.between(start, stop)


def test_parts_of_two_clips_are_not_joined():
    other = replace(TWO_PEOPLE, source=replace(TWO_PEOPLE.source, clip="other.mp4"))
    parts = [TWO_PEOPLE.between(0.0, 1.0), other.between(1.0, 9.0)]
    with pytest.raises(ConfigError, match=r"all parts must be of one clip, got .* and other\.mp4"):
        type(TWO_PEOPLE).concat(parts)


def test_parts_with_a_gap_are_not_joined():
    parts = [TWO_PEOPLE.between(0.0, 1.0), TWO_PEOPLE.between(1.2, 9.0)]
    with pytest.raises(ConfigError, match="at instant 25, got one that begins at 30"):
        type(TWO_PEOPLE).concat(parts)


def test_no_part_is_an_error():
    with pytest.raises(ConfigError, match="at least one part"):
        type(TWO_PEOPLE).concat([])
