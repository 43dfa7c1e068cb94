import re

import av
import numpy as np
import pandas as pd
import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.table import Table
from avfer.errors import ConfigError, DatasetError
from avfer.media import probe
from tests.datasets.on_disk import count_notes, empty, only, text
from tests.media_maker import write_clip

N = float("nan")
CLIP = ("path,partition,subject,time_s,valence", "a.mp4,train,s1,0.0,0.5", "a.mp4,train,s1,0.1,-1")


def table(root, *lines, name="labels.csv", media=("a.mp4", "b.mp4", "c.png", "d.wav"), **how):
    empty(*(root / path for path in media))
    text(root / name, *lines, **how)
    return root


def same(values, truth):
    return np.array_equal(values, np.array(truth, np.float64), equal_nan=True)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("how", [{}, {"end": "\r\n", "mark": "\ufeff"}], ids=["unix", "windows"])
def test_steps_of_a_clip_are_put_in_order_of_time(tmp_path, separator, how):
    lines = (
        "Path,partition,subject,time_s, Valence ,arousal,expression",
        "b.mp4,val,s2,0.0,,-1,",
        "a.mp4,train,s1,0.2,0.3,NaN,Happy",
        "b.mp4,val,s2,0.1,1,0,anger",
        "a.mp4,train,s1,0.1,0.2,1,neutral",
    )
    table(tmp_path, *(line.replace(",", separator) for line in lines), **how)
    corpus = open_corpus("table", tmp_path)
    assert corpus.partitions == ("train", "dev") and not corpus.notes.counts
    example = only(corpus)
    assert (example.id, example.subject, example.video) == ("a.mp4", "s1", tmp_path / "a.mp4")
    assert example.times.tolist() == [0.1, 0.2] and example.frames is None
    assert example.labels["valence"].values.tolist() == [0.2, 0.3]
    assert same(example.labels["arousal"].values, [1, N])
    assert example.labels["arousal"].valid.tolist() == [True, False]
    train = example.labels["expression"]
    assert [train.names[index] for index in train.values] == ["neutral", "happiness"] and train.valid.all()
    dev = only(corpus, "dev").labels
    assert same(dev["valence"].values, [N, 1]) and dev["expression"].names == train.names
    assert dev["expression"].values.tolist() == [-1, 1] and dev["expression"].valid.tolist() == [False, True]


def test_frames_keep_their_numbers_and_repeated_ones_are_counted(tmp_path):
    table(tmp_path, "path,frame,valence", "a.mp4,7,0.7", "a.mp4,3,0.3", "a.mp4,7,0.1")
    corpus = Table(tmp_path)
    example = only(corpus)
    assert example.frames.tolist() == [3, 7] and example.times is None and example.frames.dtype == np.int64
    assert example.labels["valence"].values.tolist() == [0.3, 0.7]
    assert corpus.notes.places["rows that repeat a time or frame: the first is kept"][0].endswith("line 4")


def test_a_picture_is_one_step_without_time(tmp_path):
    table(tmp_path, "path,AU12,valence,au1,au04_c,expression", "c.png,1,-0.25,0.5,9,contempt")
    corpus = Table(tmp_path)
    example = only(corpus)
    assert example.pictures == (tmp_path / "c.png",) and example.times is None and example.video is None
    units = example.labels["action_units"]
    assert units.names == ("AU01", "AU12") and units.values.tolist() == [[0.5, 1.0]] and units.valid.all()
    assert "au04_c" in corpus.notes.places["columns without a known meaning: not read"][0]


def test_a_row_without_a_time_is_the_label_of_a_whole_clip(tmp_path):
    write_clip(tmp_path / "clip.mp4", np.zeros((50, 64, 64, 3), np.uint8))
    table(tmp_path, "path,expression", "clip.mp4,sadness")
    example = only(Table(tmp_path))
    assert example.whole_clip and len(example) == 1 and example.frames is None
    assert example.video == tmp_path / "clip.mp4"
    assert example.times == pytest.approx(probe(example.video).duration / 2)


def test_a_row_with_a_time_is_a_step_of_its_clip(tmp_path):
    empty(tmp_path / "a.mp4")
    table(tmp_path, "path,time_s,expression", "a.mp4,0.4,sadness")
    assert not only(Table(tmp_path)).whole_clip


def test_a_clip_that_cannot_be_opened_is_counted(tmp_path):
    corpus = Table(table(tmp_path, "path,expression", "a.mp4,sadness"))
    assert only(corpus).times.tolist() == [0.0] and count_notes(corpus, "clips that cannot be opened")


def test_a_clip_without_a_duration_in_its_header_is_the_label_of_its_whole_length_all_the_same(tmp_path):
    with av.open(tmp_path / "clip.mp4", "w", format="h264") as container:
        stream = container.add_stream("h264", 25, width=64, height=64)
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    corpus = Table(table(tmp_path, "path,expression", "clip.mp4,sadness", media=()))
    assert probe(tmp_path / "clip.mp4").duration is None
    assert only(corpus).whole_clip and not any("clips" in note for note in corpus.notes.counts)


def test_audio_may_be_a_file_of_its_own_beside_a_video_or_alone(tmp_path):
    table(tmp_path, "path,audio,time_s,arousal", "a.mp4,d.wav,0,0", "d.wav,,0,0")
    video, sound = Table(tmp_path).examples("train")
    assert video.video == tmp_path / "a.mp4" and video.audio == sound.audio == tmp_path / "d.wav"
    assert sound.video is None


def test_a_parquet_file_is_read_like_a_csv(tmp_path):
    empty(tmp_path / "a.mp4")
    columns = {"path": ["a.mp4"] * 2, "frame": [1, 0], "valence": [0.1, None], "au01": [True, False]}
    pd.DataFrame(columns).to_parquet(tmp_path / "labels.parquet")
    example = only(Table(tmp_path / "labels.parquet"))
    assert example.frames.tolist() == [0, 1] and same(example.labels["valence"].values, [N, 0.1])
    assert example.labels["action_units"].values.tolist() == [[0.0], [1.0]]
    pd.DataFrame(columns | {"valence": [0.1, -5]}).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(DatasetError, match=r"labels\.parquet, row 2: valence must be .* got -5"):
        only(Table(tmp_path))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (('a.mp4,train,s1,0.1,"0,5"',), r"line 4, valence: '0,5' has a decimal comma"),
        (("a.mp4,train,s1,0.2,0,5",), "line 4: 6 cells, expected 5"),
        (("a.mp4,training set,s1,0.2,0.5",), "line 4: partition must be train, dev or test, got 'training set'"),
        (("a.mp4,,s1,0.2,0.5",), "line 4: partition must be train, dev or test, got ''"),
        (("a.mp4,train,s1,0.2,-5",), r"line 4: valence must be in \[-1, 1\], got -5"),
        (("a.mp4,train,s1,0.2,1.01",), r"line 4: valence must be in \[-1, 1\], got 1\.01; rescale the column"),
        (("a.mp4,train,s1,0.2,high",), "line 4, valence: 'high' is not a number"),
        (("gone.mp4,train,s1,0.2,0.5",), r"line 4: 'gone.mp4' is not in"),
        (
            ("y.mp4,train,s1,1,0", "x.mp4,train,s1,1,0"),
            r"line 4: 'y.mp4' .*; 2 files are missing: 'y.mp4', 'x.mp4'; write",
        ),
        (("a.mp4,train,s1,,0.5",), "line 4: one of several rows of this path without time_s.*keep one row"),
        (("./a.mp4,train,s2,0.2,0.5",), "line 4: 'a.mp4' has another partition, subject or audio than in line 2"),
        (("a.mp4,train,s2,0.2,0.5",), "line 4: 'a.mp4' has another partition, subject or audio than in line 2"),
        (("a.mp4,dev,s1,0.2,0.5",), "line 4: 'a.mp4' has another partition"),
        ((",train,s1,0.2,0.5",), "line 4: no path"),
        (("labels.csv,train,s1,0.2,0.5",), "line 4: 'labels.csv' is neither a picture nor video nor audio"),
        (("c.png,train,s1,,0.5", "c.png,train,s1,,0.5"), "line 5: 'c.png' has a row already"),
    ],
)
def test_a_row_that_cannot_be_read_raises_an_error_with_its_line(tmp_path, lines, message):
    table(tmp_path, *CLIP, *lines)
    with pytest.raises(DatasetError, match=message) as error:
        list(Table(tmp_path).examples("train"))
    assert str(tmp_path / "labels.csv") in str(error.value)
    report = check(Table(tmp_path))
    assert not report.passed and not report.complete


def test_a_missing_value_in_any_spelling_is_a_label_that_is_not_valid(tmp_path):
    table(tmp_path, "path,frame,arousal,expression", "a.mp4,0,n/a,n/a", "a.mp4,1,#N/A,NULL", "a.mp4,2,0.5,happy")
    labels = only(Table(tmp_path)).labels
    assert labels["expression"].names == ("happiness",)
    assert labels["expression"].valid.tolist() == labels["arousal"].valid.tolist() == [False, False, True]


@pytest.mark.parametrize("frame", ["-1", "1e30"])
def test_a_number_that_is_no_frame_raises_an_error(tmp_path, frame):
    table(tmp_path, "path,frame,arousal", f"a.mp4,{frame},0.5")
    with pytest.raises(DatasetError, match=r"line 2: frame must be in \[0, 1e\+09\], got"):
        only(Table(tmp_path))


def test_a_path_that_no_file_can_have_is_a_missing_file(tmp_path):
    table(tmp_path, "path,arousal", "a" * 5000 + ".mp4,0.5")
    with pytest.raises(DatasetError, match=r"line 2: 'a+\.mp4' is not in"):
        only(Table(tmp_path))


def test_rows_with_a_time_and_rows_with_a_frame_do_not_mix(tmp_path):
    table(tmp_path, "path,frame,time_s,arousal", "a.mp4,4,,0.5", "a.mp4,,0.2,0.5", "a.mp4,6,,0.5")
    with pytest.raises(DatasetError, match="line 3: one of several rows of this path without frame; give all of them"):
        only(Table(tmp_path))


def test_an_action_unit_without_a_value_is_not_valid_and_the_others_are(tmp_path):
    table(tmp_path, "path,frame,au12,arousal,au1", "a.mp4,4,,0.5,1", "a.mp4,2,0,,")
    example = only(Table(tmp_path))
    units = example.labels["action_units"]
    assert units.names == ("AU01", "AU12") and same(units.values, [[N, 0], [1, N]])
    assert units.valid.tolist() == [[False, True], [True, False]]
    assert example.labels["arousal"].valid.tolist() == [False, True]


@pytest.mark.parametrize("cell", ["0", "1", "2.5", "5"])
def test_action_units_are_0_1_or_an_intensity(tmp_path, cell):
    table(tmp_path, "path,au01", f"c.png,{cell}")
    assert only(Table(tmp_path)).labels["action_units"].values.tolist() == [[float(cell)]]


@pytest.mark.parametrize("cell", ["-1", "5.1", "9", "0.5x"])
def test_action_units_out_of_range_raise_an_error(tmp_path, cell):
    table(tmp_path, "path,au01", f"c.png,{cell}")
    with pytest.raises(DatasetError, match=r"line 2(: au01|, au01)"):
        only(Table(tmp_path))


@pytest.mark.parametrize("cell", ["-1", "2.5"])
def test_frames_are_whole_and_count_from_0(tmp_path, cell):
    table(tmp_path, "path,frame,valence", f"a.mp4,{cell},0")
    with pytest.raises(DatasetError, match="line 2: frame"):
        only(Table(tmp_path))


def test_expressions_must_be_names(tmp_path):
    table(tmp_path, "path,expression", "a.mp4,3")
    with pytest.raises(DatasetError, match=r"line 2: expression must be a name such as .*; got 3"):
        only(Table(tmp_path))


def test_classes_of_the_users_own_come_last_and_are_noted(tmp_path):
    table(tmp_path, "path,time_s,expression", "a.mp4,0,awe", "a.mp4,1,Angry", "a.mp4,2,neutral", "a.mp4,3,awe")
    corpus = Table(tmp_path)
    labels = only(corpus).labels["expression"]
    assert labels.names == ("neutral", "anger", "awe") and labels.values.tolist() == [2, 1, 0, 2]
    assert any("avfer has no name for" in sentence for sentence in corpus.notes.counts)


def test_without_partitions_all_is_train_and_a_note_says_so(tmp_path):
    table(tmp_path, "path,expression", "c.png,anger")
    corpus = Table(tmp_path)
    assert corpus.partitions == ("train",) and count_notes(corpus, "split=70/15/15")
    assert Table(tmp_path, split="test").partitions == ("test",)


def test_a_split_by_percentages_keeps_people_whole_and_does_not_depend_on_the_order_of_rows(tmp_path):
    rows = [f"p{n}.png,s{n // 2},anger" for n in range(40)]
    pictures = [f"p{n}.png" for n in range(40)]
    table(tmp_path / "one", "path,subject,expression", *rows, media=pictures)
    table(tmp_path / "two", "path,subject,expression", *reversed(rows), media=pictures)
    corpora = [Table(tmp_path / name, split="70/15/15") for name in ("one", "two")]
    reports = [check(corpus) for corpus in corpora]
    assert all(report.passed for report in reports)
    assert [counts.subjects for counts in reports[0].partitions.values()] == [14, 3, 3]
    first, second = ([e.id for e in corpus.examples("dev")] for corpus in corpora)
    assert first == second and first == sorted(first, key=lambda name: int(re.sub(r"\D", "", name)))


@pytest.mark.parametrize("split", ["70/20", "all", "70-15-15", "100"])
def test_percentages_that_do_not_sum_to_100_raise_an_error(tmp_path, split):
    table(tmp_path, "path,expression", "c.png,anger")
    with pytest.raises(ConfigError, match="sum to 100"):
        Table(tmp_path, split=split)


def test_a_split_beside_a_column_of_partitions_raises_an_error(tmp_path):
    with pytest.raises(ConfigError, match="has a column partition"):
        Table(table(tmp_path, *CLIP), split="70/15/15")


def test_a_subject_in_two_partitions_is_a_leak(tmp_path):
    report = check(Table(table(tmp_path, *CLIP, "b.mp4,dev,s1,0,0")))
    assert report.leaks == {"subject s1": ("train", "dev")}


def test_a_folder_with_several_tables_needs_a_name(tmp_path):
    table(tmp_path, *CLIP)
    text(tmp_path / "other.csv", "path,valence", "b.mp4,0")
    with pytest.raises(ConfigError, match=r"labels\.csv, other\.csv"):
        Table(tmp_path)
    assert only(Table(tmp_path, file="other.csv")).id == "b.mp4"
    with pytest.raises(ConfigError, match=r"did you mean 'labels\.csv'"):
        Table(tmp_path, file="label.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("clip,valence",), "no column path, found: clip, valence"),
        (("path,subject",), "no column valence"),
        (("path,valence,Valence",), "two columns are called valence"),
        (("path,au1,au01",), "two columns mean one action unit"),
        ((), "no column path"),
    ],
)
def test_a_table_without_the_needed_columns_raises_an_error(tmp_path, lines, message):
    with pytest.raises(DatasetError, match=message):
        Table(table(tmp_path, *lines))


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    empty(tmp_path / "a.mp4")
    with pytest.raises(DatasetError, match=r"looked for \*\.csv"):
        Table(tmp_path)
