"""Predictions that an evaluation makes itself: by a pipeline on recordings, by a network on pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from PIL import Image

from avfer.datasets.example import Example
from avfer.errors import AvferError, ConfigError, DatasetError, MediaError, OutputError
from avfer.evaluation.evaluation_config import EvalConfig, make_config
from avfer.evaluation.prediction_sources import TableFiles, table_name, with_probabilities
from avfer.evaluation.scoring import score
from avfer.models.card_files import builtin_card
from tests.datasets.on_disk import damaged_picture
from tests.evaluation.toy_corpus import CLASSES
from tests.media_maker import stripes, tone, write_clip
from tests.steady_stage import write_pipeline

VIDEOS, PICTURES = "tests.evaluation.toy_corpus:ToyVideos", "tests.evaluation.toy_corpus:ToyPictures"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("one", "two"):
        write_clip(folder / f"{name}.mp4", stripes(12))
    return folder


def with_pipeline(recordings: Path, **keys: object) -> EvalConfig:
    pipeline = write_pipeline(recordings.parent)
    given = {"corpus": VIDEOS, "root": recordings, "partition": "dev", "pipeline": str(pipeline), "draws": 10}
    return make_config(given | {"output": recordings.parent / "out"} | keys, "a test")


def test_a_pipeline_labels_the_partition_and_keeps_existing_tables(recordings):
    report = score(with_pipeline(recordings))
    tables = sorted((recordings.parent / "out" / "tables").iterdir())
    assert [path.name for path in tables] == ["one.parquet", "two.parquet"]
    assert report.dimensions["valence"].scores.steps.predicted == 2 * (12 - 5)
    predicted = pyarrow.parquet.read_table(tables[0])["valence"].to_numpy()
    curve = report.dimensions["valence"].curves[0]
    assert curve.prediction.tolist() == predicted.tolist()
    times = [path.stat().st_mtime_ns for path in tables]
    tables[1].unlink()
    assert score(with_pipeline(recordings)).headline == report.headline
    assert tables[0].stat().st_mtime_ns == times[0] and tables[1].stat().st_mtime_ns > times[1]
    score(with_pipeline(recordings), overwrite=True)
    assert tables[0].stat().st_mtime_ns > times[0]


def test_the_report_names_the_pipeline_and_counts_notes_of_the_reader_once(recordings):
    report = score(with_pipeline(recordings))
    assert report.facts["pipeline"] == "steady" and len(report.facts["pipeline's sha256"]) == 64
    assert report.notes["a note of the reader"][0] == 1


def test_a_pipeline_reads_the_separate_sound_of_a_recording(recordings):
    write_clip(recordings / "two.wav", sound=tone(1.0))
    score(with_pipeline(recordings))
    tables = sorted((recordings.parent / "out" / "tables").iterdir())
    one, two = (json.loads(pyarrow.parquet.read_schema(path).metadata[b"input"]) for path in tables)
    assert "sound" not in one and two["sound"]["name"] == "two.wav"


def test_recordings_of_one_name_in_several_folders_have_a_table_each(recordings):
    rows = ["path,frame,valence"]
    for number, folder in enumerate(("anna", "ben")):
        (recordings / folder).mkdir()
        (recordings / f"{('one', 'two')[number]}.mp4").rename(recordings / folder / "talk.mp4")
        rows += [f"{folder}/talk.mp4,{frame},{(frame + number) / 20}" for frame in range(12)]
    (recordings / "labels.csv").write_text("\n".join(rows))
    config = with_pipeline(recordings, corpus="table", partition="train")
    report = score(config)
    tables = recordings.parent / "out" / "tables"
    assert [path.relative_to(tables).as_posix() for path in sorted(tables.rglob("*.parquet"))] == [
        "anna/talk.parquet",
        "ben/talk.parquet",
    ]
    again = make_config(config.model_dump(exclude={"pipeline"}) | {"predictions": tables}, "a test")
    assert score(again).headline == report.headline


@pytest.mark.parametrize(
    ("name", "table"),
    [("anna/talk.mp4", "anna/talk"), ("../talk.mp4", "talk"), ("/data/talk.mp4", "talk"), ("P1", "talk")],
)
def test_a_table_lies_below_the_folder_of_tables(name, table):
    assert table_name(Example(name, "dev", {}), Path("/data/talk.mp4")) == table


def tables_in(folder: Path, *names: str) -> TableFiles:
    """Make empty files of these names; those of a labelled corpus have its plan beside them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    if names[0].startswith("clips/"):
        (folder / "manifest.parquet").touch()
    return TableFiles(folder)


@pytest.mark.parametrize(
    "name",
    ["v.1.parquet", "batch1/v.1.csv", "v.1.mp4.parquet", "clips/v.1.mp4.parquet", "clips/batch1/v.1.mp4.parquet"],
)
def test_tables_of_run_and_label_are_found_by_the_stem_of_the_clip(tmp_path, name):
    tables = tables_in(tmp_path, name, "old/.avfer/v.1.csv", "w.parquet")
    assert tables.below(["v", "v.1"]) == tmp_path / name
    assert tables.below(["v"]) is None


def test_the_files_of_a_recording_decide_between_tables_of_equal_names(tmp_path):
    tables = tables_in(tmp_path, "video/P1.parquet", "audio/P1.parquet", "audio/P1.csv", "P2.mp4.csv", "x/P2.wav.csv")
    media = [Path("/data/video/P1.mp4"), Path("/data/audio/P1.wav")]
    assert tables.below(["P1"], media) == tmp_path / "video" / "P1.parquet"
    assert tables.below(["P1"], media[1:]) == tmp_path / "audio" / "P1.parquet"
    assert tables.below(["P2"], [Path("/data/y/P2.wav")]) == tmp_path / "x" / "P2.wav.csv"
    with pytest.raises(DatasetError, match=r"several tables of one clip: .*video/P1\.parquet.*; give a folder"):
        tables.below(["P1"])


def test_a_table_in_another_folder_is_not_that_of_a_clip_named_by_its_path(recordings):
    (recordings / "labels.csv").write_text("path,frame,valence\none.mp4,0,0.5\none.mp4,1,0.1\n")
    tables_in(recordings / "tables", "ben/one.parquet")
    config = with_pipeline(recordings, corpus="table", partition="train").model_dump(exclude={"pipeline"})
    with pytest.raises(DatasetError, match=r"tables has no table of the train partition .* \(one\.mp4\); a table is"):
        score(make_config(config | {"predictions": recordings / "tables"}, "a test"))


def test_tables_of_another_pipeline_raise_an_error(recordings):
    score(with_pipeline(recordings))
    with pytest.raises(ConfigError, match=r"one\.parquet was made by .*; choose another --output"):
        score(with_pipeline(recordings, settings={"chunk": 0.4}))


def test_a_recording_that_cannot_be_read_is_reported_after_the_others_are_labelled(recordings):
    (recordings / "broken.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"1 of 3 recordings could not be labelled .*broken\.mp4: "):
        score(with_pipeline(recordings))
    assert len(list((recordings.parent / "out" / "tables").iterdir())) == 2


def test_a_folder_that_cannot_be_created_is_an_error_of_the_output(recordings, read_only_folder):
    with pytest.raises(OutputError, match="cannot be written"):
        score(with_pipeline(recordings, output=read_only_folder / "out"))


def test_a_partition_without_labels_is_not_run(recordings):
    (recordings / "VA_Estimation_Challenge" / "Train_Set").mkdir(parents=True)
    (recordings / "VA_Estimation_Challenge" / "Train_Set" / "one.txt").write_text("valence,arousal\n0.1,0.2\n")
    (recordings / "Valence_Arousal_test_set.txt").write_text("two\n")
    with pytest.raises(
        DatasetError, match=r"the test partition of aff_wild2 at .* has no labels; choose another partition"
    ):
        score(with_pipeline(recordings, corpus="aff_wild2", partition="test"))


def test_a_pipeline_cannot_label_pictures(tmp_path):
    config = with_pipeline(tmp_path / "pictures", corpus=PICTURES)
    with pytest.raises(ConfigError, match="no recordings that a pipeline could read; use --model"):
        score(config)


def test_tables_of_pictures_are_refused_with_the_way_to_score_them(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("L", (50, 60)).save(tmp_path / "pictures" / "neutral_1.png")
    (tmp_path / "tables").mkdir()
    keys = {"corpus": PICTURES, "root": tmp_path / "pictures", "partition": "dev", "predictions": tmp_path / "tables"}
    with pytest.raises(DatasetError, match=r"consists of single pictures, .*; use --model"):
        score(make_config(keys, "a test"))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("neutral_1", "happiness_1", "happiness_2", "other_1"):
        Image.fromarray(rng.integers(0, 255, (60, 50), np.uint8)).save(folder / f"{name}.png")
    return folder


def with_network(faces: Path, **keys: object) -> EvalConfig:
    given = {"corpus": PICTURES, "root": faces, "partition": "dev", "model": "aver_lite", "draws": 10}
    return make_config(given | {"output": faces.parent / "out"} | keys, "a test")


def test_a_network_predicts_the_pictures_of_a_corpus(faces):
    report = score(with_network(faces))
    assert report.expression
    assert report.expression.classes == CLASSES
    assert report.expression.never_predicted == ("other",)
    assert report.expression.confusion.sum() == 4
    assert report.notes["pictures without a prediction of expression: not scored"] == (1, "")
    assert "draws of pictures" in report.facts["interval"]
    assert report.weights == {"aver_lite.safetensors": builtin_card("aver_lite").sha256}
    assert "FER+" in report.facts["aver_lite was trained on"]
    assert "steps without a prediction" not in report.facts


def test_pictures_of_one_name_in_two_folders_are_scored_each(faces):
    for folder in ("Angry", "Happy"):
        (faces / "sfew" / "Val_Aligned_Faces" / folder).mkdir(parents=True)
        shutil.copy(faces / "neutral_1.png", faces / "sfew" / "Val_Aligned_Faces" / folder / "Film_1_1.png")
    report = score(with_network(faces, corpus="sfew", root=faces / "sfew"))
    assert report.expression and report.expression.confusion.sum() == 2


def test_frames_without_a_picture_are_filled_and_the_report_states_how(faces):
    pictures = faces / "cropped_aligned" / "v"
    pictures.mkdir(parents=True)
    (faces / "neutral_1.png").rename(pictures / "00002.png")
    (faces / "EXPR_Recognition_Challenge" / "Validation_Set").mkdir(parents=True)
    (faces / "EXPR_Recognition_Challenge" / "Validation_Set" / "v.txt").write_text("Neutral,Happiness\n0\n1\n-1\n0\n")
    report = score(with_network(faces, corpus="aff_wild2"))
    assert report.expression and report.expression.scores.steps.predicted == 1
    assert report.expression.scores.steps.repeated == 2
    assert report.facts["steps without a prediction"].startswith("a step without a row of its own repeats the value")


def test_an_expression_of_several_words_is_the_class_of_the_labels():
    table = pd.DataFrame({"expression": ["Mild Amusement", "Happy", "calm", None]})
    found = with_probabilities(table, ("mild_amusement", "happiness"))
    assert found["p_mild_amusement"].fillna(-1).tolist() == [1, 0, -1, -1]
    assert found["p_happiness"].fillna(-1).tolist() == [0, 1, -1, -1]


@pytest.mark.parametrize("content", [b"no picture", damaged_picture("PNG")], ids=["none", "chunk"])
def test_a_damaged_picture_raises_an_error(faces, content):
    (faces / "other_1.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"other_1\.png is not a readable picture"):
        score(with_network(faces))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "averlite"}, "did you mean 'aver_lite'"),
        ({"model": "mae", "weights": "builtin"}, "mae has no builtin weights in this package"),
    ],
)
def test_a_network_without_weights_raises_an_error(faces, keys, message):
    with pytest.raises(AvferError, match=message):
        score(with_network(faces, **keys))
