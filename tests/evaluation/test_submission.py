"""Submission files of ABAW are complete and in the order of the sample; files of any origin can be checked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avfer.errors import AvferWarning, ConfigError, DatasetError
from avfer.evaluation.submission import write_submission
from avfer.evaluation.submission_check import HEADERS, UNITS, check_submission
from avfer.export import find_format
from avfer.export.file_records import record_metadata

NAMES = [*(f"video59_right/{i:05d}.jpg" for i in (1, 2, 3, 4)), *(f"a b.c/{i:05d}.jpg" for i in (2, 1))]
ROWS = {"va": "-5,-5", "expr": "-1", "au": ",".join(["-1"] * 12)}
PROBABILITIES = ("neutral", "anger", "happiness", "contempt")


def sample(folder: Path, task: str) -> Path:
    path = folder / "sample.txt"
    path.write_text("\n".join([",".join(HEADERS[task]), *(f"{name},{ROWS[task]}" for name in NAMES)]) + "\n")
    return path


def table(frames: int) -> pd.DataFrame:
    """A face on every frame but the second."""
    t = np.arange(frames, dtype=float)
    columns = {"frame": np.arange(frames), "time_s": t / 25, "valence": t / 10, "arousal": -t / 10}
    columns |= {f"p_{name}": np.where(t % 4 == i, 0.7, 0.1) for i, name in enumerate(PROBABILITIES)}
    columns |= {f"au{int(unit[2:]):02d}": np.where(t == i, 0.9, 0.4) for i, unit in enumerate(UNITS)}
    rows = pd.DataFrame(columns)
    rows["reason"] = np.where(t == 1, "no_face", None)
    rows.loc[1, ["valence", "arousal", *(c for c in rows if c.startswith(("p_", "au")))]] = np.nan
    return rows


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    folder = tmp_path / "predictions"
    folder.mkdir()
    table(4).to_parquet(folder / "video59.parquet")
    table(2).to_csv(folder / "a b.c.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        ("va", ["0,0", "0,0", "0.2,-0.2", "0.3,-0.3", "0,0", "0,0"]),
        ("expr", ["0", "0", "4", "0", "0", "0"]),  # contempt is not a class of the challenge
        ("au", ["1,0,0", "1,0,0", "0,0,1", "0,0,0", "1,0,0", "1,0,0"]),
    ],
)
def test_every_row_of_the_sample_is_written_in_its_order(tmp_path, predictions, task, rows):
    written = write_submission(task, sample(tmp_path, task), predictions, tmp_path / "out.txt")
    header, *lines = written.path.read_text().splitlines()
    assert header == ",".join(HEADERS[task])
    assert [line.split(",")[0] for line in lines] == NAMES
    assert [",".join(line.split(",")[1:4]) for line in lines] == rows
    assert (written.rows, written.filled) == (6, 2)
    assert check_submission(task, sample(tmp_path, task), written.path) == []


def test_tables_of_a_labelled_corpus_are_found(tmp_path, predictions):
    clips = tmp_path / "labels" / "clips"
    (clips / "batch1").mkdir(parents=True)
    (predictions / "video59.parquet").rename(clips / "batch1" / "video59.mp4.parquet")
    (predictions / "a b.c.csv").rename(clips / "a b.c.avi.csv")
    (tmp_path / "labels" / "manifest.parquet").touch()
    assert write_submission("va", sample(tmp_path, "va"), tmp_path / "labels", tmp_path / "out.txt").rows == 6


def change(folder: Path, **values: object) -> None:
    rows = table(4)
    for name, value in values.items():
        rows.loc[2, name] = value
    rows.to_parquet(folder / "video59.parquet")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"valence": np.nan}, r"video59_right: 1 row without finite values \(frame 2\)"),
        ({"arousal": 1.01}, r"video59_right: 1 row with values outside \[-1, 1\] \(frame 2\)"),
    ],
)
def test_a_value_that_cannot_be_scored_raises_an_error(tmp_path, predictions, values, message):
    change(predictions, **values)
    with pytest.raises(DatasetError, match=message):
        write_submission("va", sample(tmp_path, "va"), predictions, tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 1, 3]], ids=["at the end", "inside"])
def test_a_row_without_a_prediction_is_named_in_the_error(tmp_path, predictions, kept):
    table(4).iloc[kept].to_parquet(predictions / "video59.parquet")
    missing = ({0, 1, 2, 3} - set(kept)).pop() + 1
    with pytest.raises(DatasetError, match=f"no prediction for 1 of 6 rows: video59_right/0000{missing}.jpg; "):
        write_submission("va", sample(tmp_path, "va"), predictions, tmp_path / "out.txt")
    written = write_submission("va", sample(tmp_path, "va"), predictions, tmp_path / "out.txt", extend=True)
    assert written.filled == 3


def spoil_frame(folder: Path, frame: float) -> None:
    rows = table(4)
    rows["frame"] = rows["frame"].astype(float).replace(3.0, frame)
    rows.to_parquet(folder / "video59.parquet")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "a b.c.csv").unlink(), "has no table for a b.c"),
        (lambda folder: table(4).drop(columns="valence").to_parquet(folder / "video59.parquet"), "no column valence"),
        (
            lambda folder: table(4).drop(columns="frame").to_parquet(folder / "video59.parquet"),
            "video59.parquet has no column frame, found: time_s, valence",
        ),
        (
            lambda folder: table(4).assign(frame=None).to_parquet(folder / "video59.parquet"),
            "rows without a frame number, or no rows; make it again, with a pipeline that reads pictures",
        ),
        (lambda folder: table(4).iloc[[1]].to_parquet(folder / "video59.parquet"), "have no value of valence, arousal"),
        (lambda folder: table(4).assign(valence="x").to_parquet(folder / "video59.parquet"), "must be numeric"),
        (lambda folder: (folder / "video59.parquet").write_bytes(b"cut off"), "cannot be read as a table"),
        (
            lambda folder: table(4).assign(valence=np.nan, reason="no_face").to_parquet(folder / "video59.parquet"),
            r"no value of valence on any frame; no frame was read \(no_face\): label the video with smaller faces",
        ),
        (lambda folder: spoil_frame(folder, -1), r"1 row with a frame that is not an integer >= 0 \(frame -1\)"),
        (lambda folder: spoil_frame(folder, 1e13), r"1 row with a frame above 100,000,000 \(frame 1e\+13\)"),
        (lambda folder: spoil_frame(folder, np.inf), r"not an integer >= 0 \(frame inf\)"),
        (lambda folder: spoil_frame(folder, 2.5), r"not an integer >= 0 \(frame 2.5\)"),
    ],
)
def test_missing_or_faulty_predictions_raise_an_error(tmp_path, predictions, spoil, message):
    spoil(predictions)
    with pytest.raises(DatasetError, match=message):
        write_submission("va", sample(tmp_path, "va"), predictions, tmp_path / "out.txt")


def test_a_row_of_a_sample_names_a_video(tmp_path, predictions):
    (tmp_path / "sample.txt").write_text(f"{','.join(HEADERS['va'])}\n00001.jpg,0,0\n")
    with pytest.raises(DatasetError, match=r"sample.txt: '00001.jpg' names no video, expected video/00001.jpg"):
        write_submission("va", tmp_path / "sample.txt", predictions, tmp_path / "out.txt")


def test_a_sample_of_another_task_raises_an_error(tmp_path, predictions):
    with pytest.raises(DatasetError, match="is not a sample file of task va: line 1"):
        write_submission("va", sample(tmp_path, "au"), predictions, tmp_path / "out.txt")


@pytest.mark.parametrize(
    ("people", "valence"),
    [
        (("v", "v_left", "v_right"), ["0.1", "0.9", "0.1"]),  # the seat of v is unknown: the largest face
        (("v", "v_right"), ["0.9", "0.1"]),
        (("v_left", "v"), ["0.9", "0.1"]),
        (("v",), ["0.1"]),
    ],
)
def test_each_of_two_people_gets_the_face_on_their_side(tmp_path, people, valence):
    two = pd.DataFrame(
        {"frame": [0, 0], "time_s": [0.0, 0.0], "track": [0, 1], "valence": [0.1, 0.9], "arousal": [0, 0]}
    )
    two = two.assign(face_x1=[300, 10], face_x2=[400, 40], face_y1=[0, 0], face_y2=[100, 30])
    two.to_parquet(tmp_path / "v.parquet")
    names = [f"{person}/00001.jpg" for person in people]
    (tmp_path / "sample.txt").write_text("\n".join([",".join(HEADERS["va"]), *(f"{name},0,0" for name in names)]))
    write_submission("va", tmp_path / "sample.txt", tmp_path, tmp_path / "out.txt")
    assert [line.split(",")[1] for line in (tmp_path / "out.txt").read_text().splitlines()[1:]] == valence


GOOD = [",".join(HEADERS["va"]), *(f"{name},0.1,-1" for name in NAMES)]


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        (GOOD, []),
        (GOOD[:3] + GOOD[4:], [(0, "video59_right/00003.jpg is missing")]),
        ([*GOOD, GOOD[1]], [(8, "video59_right/00001.jpg is in line 2 already")]),
        ([*GOOD, "x/00001.jpg,0,0"], [(8, "x/00001.jpg is not in the sample file")]),
        ([GOOD[0], GOOD[2], GOOD[1], *GOOD[3:]], [(2, "video59_right/00002.jpg, but the sample file has")]),
        ([GOOD[0], "video59_right/00001.jpg,nan,0", *GOOD[2:]], [(2, "nan is not finite")]),
        ([GOOD[0], "video59_right/00001.jpg,0.1,1.2", *GOOD[2:]], [(2, "1.2 lies outside [-1, 1]")]),
        ([GOOD[0], "video59_right/00001.jpg,0.1", *GOOD[2:]], [(2, "1 value, not 2")]),
        ([GOOD[0], "video59_right/00001.jpg,x,0", *GOOD[2:]], [(2, "'x' is not numeric")]),
        (["image,valence,arousal", *GOOD[1:]], [(1, "the header is 'image,valence,arousal'")]),
        ([*GOOD[:2], "", *GOOD[2:]], [(3, "an empty line")]),
        ([], [(0, "the file is empty")]),
    ],
)
def test_each_fault_is_reported_with_its_line(tmp_path, lines, faults):
    (tmp_path / "s.txt").write_text("".join(line + "\n" for line in lines))
    found = check_submission("va", sample(tmp_path, "va"), tmp_path / "s.txt")
    assert [fault.line for fault in found] == [line for line, _ in faults]
    assert all(fault.message.startswith(message) for fault, (_, message) in zip(found, faults, strict=True))


@pytest.mark.parametrize(
    ("task", "value"), [("expr", "8"), ("expr", "4.0"), ("au", "0,1,2" + ",0" * 9), ("au", "0.5" + ",0" * 11)]
)
def test_classes_and_occurrences_must_be_valid_integers(tmp_path, task, value):
    good = "3" if task == "expr" else ",".join("0" * 12)
    lines = [",".join(HEADERS[task]), *(f"{name},{value if i == 0 else good}" for i, name in enumerate(NAMES))]
    (tmp_path / "s.txt").write_text("\n".join(lines))
    assert [fault.line for fault in check_submission(task, sample(tmp_path, task), tmp_path / "s.txt")] == [2]


def test_many_faults_of_one_kind_are_summarised(tmp_path):
    names = [f"v/{i:05d}.jpg" for i in range(1, 101)]
    (tmp_path / "sample.txt").write_text("\n".join([GOOD[0], *(f"{name},0,0" for name in names)]))
    (tmp_path / "s.txt").write_text(GOOD[0] + "\n")
    found = check_submission("va", tmp_path / "sample.txt", tmp_path / "s.txt")
    assert found[-1].message == "100 rows are missing in all" and len(found) == 21


def written_as(tmp_path: Path, end: str, value: str = "0.5") -> Path:
    """Write a submission with all rows of the sample and these line ends."""
    lines = [",".join(HEADERS["va"]), *(f"{name},{value},0" for name in NAMES)]
    (tmp_path / "s.txt").write_bytes("".join(line + end for line in lines).encode())
    return tmp_path / "s.txt"


def test_lines_that_end_with_a_carriage_return_alone_are_faults(tmp_path):
    faults = check_submission("va", sample(tmp_path, "va"), written_as(tmp_path, "\r"))
    assert "a carriage return without a line feed: end lines with LF alone" in [fault.message for fault in faults]


def test_crlf_is_reported_and_no_fault(tmp_path):
    with pytest.warns(AvferWarning, match="has CRLF line ends; those of the sample are LF"):
        assert check_submission("va", sample(tmp_path, "va"), written_as(tmp_path, "\r\n")) == []


@pytest.mark.parametrize("value", ["0_0", "٠", "0.٥", "1e", "0x1", "9" * 5000])
def test_a_value_that_other_programs_do_not_read_as_a_number_is_a_fault(tmp_path, value):
    faults = check_submission("va", sample(tmp_path, "va"), written_as(tmp_path, "\n", value))
    assert [fault.line for fault in faults] == list(range(2, 2 + len(NAMES)))


@pytest.mark.parametrize("number", ["²", "٠٠٠٠١", "9" * 5000, "0"])
def test_the_frame_of_a_sample_has_plain_digits(tmp_path, predictions, number):
    (tmp_path / "sample.txt").write_text(f"{','.join(HEADERS['va'])}\nvideo59/{number}.jpg,0,0\n")
    with pytest.raises(DatasetError, match="is not an image name such as"):
        write_submission("va", tmp_path / "sample.txt", predictions, tmp_path / "out.txt")


def measured(rows: pd.DataFrame, path: Path) -> None:
    """Write a table whose action units are activations."""
    pq.write_table(pa.Table.from_pandas(rows).replace_schema_metadata({"au_scale": "activation"}), path)


def test_activations_are_written_only_with_a_stated_threshold(tmp_path, predictions):
    measured(table(4), predictions / "video59.parquet")
    with pytest.raises(ConfigError, match=r"activations .* --threshold"):
        write_submission("au", sample(tmp_path, "au"), predictions, tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()
    written = write_submission("au", sample(tmp_path, "au"), predictions, tmp_path / "out.txt", threshold=0.3)
    assert written.path.read_text().splitlines()[1].split(",")[1:4] == ["1", "1", "1"]


def test_units_that_are_not_measured_are_named(tmp_path, predictions):
    measured(table(4).assign(au06=np.nan), predictions / "video59.parquet")
    with pytest.raises(DatasetError, match=r"no value of au06 .* the network that measured .* output=affect"):
        write_submission("au", sample(tmp_path, "au"), predictions, tmp_path / "out.txt")


def test_the_scale_of_a_csv_table_is_read_from_the_record_beside_it(tmp_path, predictions):
    path = predictions / "video59.csv"
    (predictions / "video59.parquet").unlink()
    table(4).to_csv(path, index=False)
    record_metadata(path, find_format("csv"), {"au_scale": "activation"})
    with pytest.raises(ConfigError, match=r"activations .* --threshold"):
        write_submission("au", sample(tmp_path, "au"), predictions, tmp_path / "out.txt")
