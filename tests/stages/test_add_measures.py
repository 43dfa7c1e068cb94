"""add_measures: rows with the measures of their faces, the same for any chunks, null without a face."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError
from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.rows import concat, select
from avfer.stages.add_measures import AddMeasures
from avfer.types import NO_TRACK
from tests.laws import assert_same, feed, part
from tests.stages.measured_faces import COUNT, cuts, tracks


def affect_of(measures: FaceMeasures) -> AffectTrack:
    """Return affect on the faces of some measures, and a row from the voice alone on each frame without a face."""
    faces, empty = measures.faces, np.setdiff1d(np.arange(COUNT), measures.faces.frames)
    order = np.argsort(np.concatenate([faces.frames, empty]), kind="stable")
    frames = np.concatenate([faces.frames, empty])[order]
    ids = np.concatenate([faces.track_ids, np.full(len(empty), NO_TRACK)])[order]
    n = len(frames)
    values = np.linspace(-1, 1, n).astype(np.float32)
    rows = tracks(frames, ids, np.zeros((n, 5, 2)), COUNT)
    votes = np.ones((n, 1), np.float32)
    return AffectTrack(
        measures.clock, rows, values, values, votes, ("happiness",), votes * 0.5, ("AU12",), np.ones(n, bool)
    )


@settings(max_examples=25, deadline=None)
@given(cuts)
def test_chunks_change_no_joined_row(measures, where: list[int]) -> None:
    affect = affect_of(measures)
    assert_same(feed(AddMeasures(), [affect, measures], where), feed(AddMeasures(), [affect, measures], []))


def test_measures_that_come_later_than_affect_are_joined_to_their_rows(measures) -> None:
    affect, stage = affect_of(measures), AddMeasures(landmarks=True)
    nothing = select(measures, slice(0, 0), measures.clock.part(0, 0))
    state, early = stage.step(stage.start(), affect, nothing)
    _, late = stage.step(state, select(affect, slice(0, 0), affect.clock.part(COUNT, COUNT)), measures)
    assert len(early) == 0
    assert_same(late, feed(stage, [affect, measures], []))


def test_frames_without_rows_wait_for_their_measures_too(measures: FaceMeasures) -> None:
    affect, stage = affect_of(measures), AddMeasures()
    no_affect, no_measures = (select(value, slice(0, 0), value.clock) for value in (affect, measures))
    state, _ = stage.step(stage.start(), part(no_affect, 0, 9), part(no_measures, 0, 0))
    _, rows = stage.step(state, part(no_affect, 9, COUNT), no_measures)
    assert (rows.clock.first, rows.clock.stop) == (0, COUNT)


def test_measures_that_come_earlier_than_affect_wait_for_it(measures) -> None:
    affect, stage = affect_of(measures), AddMeasures()
    nothing = select(affect, slice(0, 0), affect.clock.part(0, 0))
    state, early = stage.step(stage.start(), nothing, measures)
    ended = select(measures, slice(0, 0), measures.clock.part(COUNT, COUNT))
    state, first = stage.step(state, part(affect, 0, 9), ended)
    _, rest = stage.step(state, part(affect, 9, COUNT), ended)
    assert (len(early), len(first.clock)) == (0, 9)
    assert_same(concat([first, rest]), feed(stage, [affect, measures], []))


def test_rows_have_the_measures_of_their_face_and_none_without_a_face(measures) -> None:
    joined = feed(AddMeasures(), [affect_of(measures), measures], [])
    faces = joined.faces.track_ids != NO_TRACK
    np.testing.assert_array_equal(joined.measures[faces], measures.values)
    np.testing.assert_array_equal(joined.action_units[faces], measures.action_units)
    assert (~faces).any() and np.isnan(joined.measures[~faces]).all() and np.isnan(joined.action_units[~faces]).all()
    assert joined.landmarks.shape == (len(joined), 0, 2)
    assert (joined.valence == affect_of(measures).valence).all()


def test_faces_below_the_lowest_quality_keep_their_measures_and_lose_their_affect(measures) -> None:
    affect, quality, values = affect_of(measures), MEASURES.index("quality"), measures.values.copy()
    values[:, quality] = np.linspace(0, 1, len(values))
    measures = replace(measures, values=values)
    joined, every = (feed(AddMeasures(min_quality=q), [affect, measures], []) for q in (0.5, 0.0))
    low = joined.measures[:, quality] < 0.5
    assert low.sum() == len(values) // 2
    assert (np.isnan(joined.valence) == low).all() and (np.isnan(joined.expressions[:, 0]) == low).all()
    np.testing.assert_array_equal(joined.measures, every.measures)
    np.testing.assert_array_equal(joined.action_units, every.action_units)
    table = joined.to_table().to_pydict()
    faces = joined.faces.track_ids != NO_TRACK
    expected = np.where(low, "low_quality", np.where(faces, None, "no_face"))
    assert table["reason"] == expected.tolist()
    assert {table[name][int(low.argmax())] for name in ("valence", "arousal", "expression")} == {None}
    assert not every.low_quality.any() and "low_quality" not in every.to_table()["reason"].to_pylist()


def test_the_lowest_quality_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"min_quality: must be in \[0, 1\], got 1.5"):
        AddMeasures(min_quality=1.5)


def test_the_table_has_the_columns_in_their_order_and_states_the_scale(measures) -> None:
    table = feed(AddMeasures(), [affect_of(measures), measures], []).to_table()
    units = [name for name in table.column_names if name.startswith("au")]
    assert units == [name.lower() for name in MEASURED_UNITS]
    first = table.column_names.index("yaw_deg")
    assert tuple(table.column_names[first : first + len(MEASURES)]) == MEASURES
    assert table.schema.metadata[b"au_scale"] == b"activation"
    assert [name for name in units if table[name].null_count == len(table)] == ["au06", "au09", "au23"]


def test_affect_without_measures_keeps_its_units_as_occurrences(measures) -> None:
    table = affect_of(measures).to_table()
    assert table.schema.metadata[b"au_scale"] == b"occurrence"
    assert table["au12"][0].as_py() == 0.5 and "yaw_deg" not in table.column_names
