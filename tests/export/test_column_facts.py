"""The columns that avfer fills: their types, and the names that a manifest may not use."""

import pytest

from avfer.export.column_facts import column_type, describe_column, is_own_column
from tests.export.exporter_tables import MEASURES
from tests.export.tracks import TRACKS


@pytest.mark.parametrize("track", TRACKS.values(), ids=list(TRACKS))
def test_the_columns_of_a_table_have_the_types_of_their_facts(track):
    schema = track.to_table().schema
    assert {name: column_type(name) for name in schema.names} == dict(zip(schema.names, schema.types, strict=True))


@pytest.mark.parametrize("name", [*MEASURES, "speech", "speaking", "p_awe", "au99", "au12_raw", "gaze_roll_deg"])
def test_columns_that_avfer_fills_are_its_own(name):
    assert is_own_column(name)


@pytest.mark.parametrize("name", ["subject", "p_", "p_very happy", "au1", "au123", "AU12", "valence2", "face_x3"])
def test_other_columns_are_the_users(name):
    assert not is_own_column(name)


def test_an_action_unit_with_an_unknown_ending_has_no_label_but_its_name():
    assert describe_column("au12_raw").label == "au12_raw"
    assert describe_column("au12_corrected").label.startswith("AU12 lip corner puller above")
