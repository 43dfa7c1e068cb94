"""Statistics of a clip's table, and the distributions of a corpus."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avfer.errors import DatasetError
from avfer.labelling.corpus_report import clip_statistics
from avfer.labelling.corpus_report.clip_statistics import BINS, CorpusDistributions, read_clip
from tests.labelling.labelled_folder import clip_table, random_table


def test_means_and_shares_leave_out_missing_values(tmp_path):
    table = clip_table([0.5, None, 1.0, 0.0], ["happiness", None, "happiness", "neutral"], [0, None, 1, 1])
    pq.write_table(table, tmp_path / "a.parquet")
    clip = read_clip(tmp_path / "a.parquet", CorpusDistributions())
    assert (clip.rows, clip.with_value, clip.people) == (4, 3, {0, 1})
    assert clip.valence.value == pytest.approx(0.5) and clip.arousal.value == pytest.approx(0.25)
    assert clip.frequent == ("happiness", pytest.approx(2 / 3))
    assert clip.quality.value is None
    assert clip.share_with_value == 0.75


def test_in_a_table_of_action_units_alone_they_are_the_values(tmp_path):
    reasons = pa.array([None, None, "no_face", "low_quality"])
    table = clip_table([None] * 4, tracks=[0, 0, None, 0]).drop_columns("reason").append_column("reason", reasons)
    table = table.append_column("au06", pa.nulls(4, pa.float32()))
    units = pa.array([0.5, None, None, 0.5], pa.float32())  # low quality: measured, but not counted as read
    pq.write_table(table.append_column("au12", units), tmp_path / "a.parquet")
    assert read_clip(tmp_path / "a.parquet", CorpusDistributions()).share_with_value == 0.25


def test_action_units_beside_other_values_do_not_count(tmp_path):
    table = clip_table([0.5, None]).append_column("au12", pa.array([0.5, 0.5], pa.float32()))
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_clip(tmp_path / "a.parquet", CorpusDistributions()).share_with_value == 0.5


def test_people_are_persons_where_a_table_has_them(tmp_path):
    table = clip_table([0.1, 0.2, 0.3], tracks=[0, 1, 2]).append_column("person", pa.array([4, 4, 5], pa.int32()))
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_clip(tmp_path / "a.parquet", CorpusDistributions()).people == {4, 5}


def test_distributions_count_every_value_once_at_the_ends_of_the_range_too(tmp_path):
    totals = CorpusDistributions()
    pq.write_table(clip_table([-1.0, 1.0, 0.0, None], quality=[0.0, 1.0, 0.5, None]), tmp_path / "a.parquet")
    read_clip(tmp_path / "a.parquet", totals)
    assert np.flatnonzero(totals.valence).tolist() == [0, BINS // 2, BINS - 1]
    assert totals.plane.sum() == totals.arousal.sum() == totals.quality.sum() == 3


def test_a_value_counts_in_the_bin_that_contains_it_and_valence_is_the_first_axis(tmp_path):
    """Bins are 0.05 wide; arousal is half of the valence."""
    totals = CorpusDistributions()
    pq.write_table(clip_table([-0.01, 0.04, 0.6], quality=[0.49, 0.51, 0.94]), tmp_path / "a.parquet")
    read_clip(tmp_path / "a.parquet", totals)
    assert np.argwhere(totals.plane).tolist() == [[19, 19], [20, 20], [32, 26]]
    assert np.flatnonzero(totals.quality).tolist() == [9, 10, 18]


def test_parts_of_a_long_clip_give_the_statistics_of_the_whole(tmp_path, monkeypatch):
    pq.write_table(random_table(7, 500), tmp_path / "a.parquet")
    whole, parts = CorpusDistributions(), CorpusDistributions()
    one = read_clip(tmp_path / "a.parquet", whole)
    monkeypatch.setattr(clip_statistics, "BATCH", 13)
    many = read_clip(tmp_path / "a.parquet", parts)
    assert (one.rows, one.frequent, one.people) == (many.rows, many.frequent, many.people)
    assert one.valence.value == pytest.approx(many.valence.value)
    assert (whole.plane == parts.plane).all() and whole.expressions == parts.expressions


def test_a_table_without_rows_has_no_statistics(tmp_path):
    pq.write_table(clip_table([]), tmp_path / "a.parquet")
    clip = read_clip(tmp_path / "a.parquet", CorpusDistributions())
    assert clip.valence.value is clip.share_with_value is None
    assert clip.frequent == (None, None)


def test_a_damaged_table_is_an_error_with_its_reason(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DatasetError, match=r"the table cannot be read: .*; label the clip again"):
        read_clip(tmp_path / "a.parquet", CorpusDistributions())
    pq.write_table(pa.table({"valence": [0.5]}), tmp_path / "b.parquet")
    with pytest.raises(DatasetError, match="no column track, arousal, expression"):
        read_clip(tmp_path / "b.parquet", CorpusDistributions())
