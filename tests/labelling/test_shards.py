"""Shards of a corpus: each labels its share of the clips, and all of them count together."""

import pyarrow as pa
import pyarrow.parquet

from avfer.labelling.entry import Shard
from tests.labelling.corpora import write_corpus


def test_shards_together_label_every_clip_once_and_share_the_totals(label, in_process, tmp_path):
    names = [f"{number}.mp4" for number in range(9)]
    write_corpus(tmp_path / "corpus", *names)
    given = []
    for index in (1, 2, 3):
        totals = label("corpus", shard=f"{index}/3")
        given += in_process.given
        assert totals.done == len(given)
    assert sorted(given) == names
    assert totals.clips == 9 and totals.left == 0
    manifest = pa.parquet.read_table(tmp_path / "out/manifest.parquet")
    assert sorted(manifest["id"].to_pylist()) == names
    label("corpus")
    assert in_process.given == []


def test_another_number_of_shards_hides_no_clip_that_was_labelled(label, in_process, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", *(f"{number}.mp4" for number in range(9)))
    label("corpus", shard="1/1")
    for shard in ("1/2", "3/3", "1/3"):
        totals = label("corpus", shard=shard)
        assert (totals.clips, totals.done, totals.left, in_process.given) == (9, 9, 0, [])
        assert pa.parquet.read_metadata(tmp_path / "out/manifest.parquet").num_rows == 9
    removed = next(path for path in corpus.iterdir() if Shard(2, 3).contains(path.name))
    removed.unlink()
    assert label("corpus", shard="2/3").clips == 8  # a planned shard lists its present clips alone


def test_a_damaged_manifest_does_not_stop_a_run_with_another_number_of_shards(label, tmp_path):
    write_corpus(tmp_path / "corpus", *(f"{number}.mp4" for number in range(4)))
    label("corpus")
    (tmp_path / "out/manifest.parquet").write_bytes(b"damaged")
    totals = [label("corpus", shard=f"{index}/2") for index in (1, 2)]
    assert totals[0].clips < 4 == totals[1].clips == totals[1].done


def test_a_shard_without_clips_succeeds_with_empty_totals(label, tmp_path):
    write_corpus(tmp_path / "corpus", "a.mp4")
    empty, full = sorted((1, 2), key=lambda index: Shard(index, 2).contains("a.mp4"))
    assert label("corpus", shard=f"{empty}/2").clips == 0
    assert label("corpus", shard=f"{full}/2").done == 1
