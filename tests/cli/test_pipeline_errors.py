"""Wrong options of a pipeline: `avfer run`, `label` and `evaluate` name the stage, the option and the line alike.

`label` builds the pipeline in a worker process, so its tests are few.
"""

import pytest

from tests.evaluation.toy_corpus import NAME

VERBS = {  # verb -> its words, and what its --set puts before STAGE.OPTION
    "run": (["run", "vision", "--input", "{clip}", "--output", "{out}"], ""),
    "evaluate": (
        ["evaluate", "--corpus", NAME, "--root", "{root}", "--partition", "dev", "--pipeline", "vision"],
        "settings.",
    ),
}


@pytest.mark.parametrize("verb", ["run", "evaluate"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("boxes.min_score=2", "stages.boxes.min_score: must be in [0, 1], got 2 (vision.yaml, line 5)"),
        (
            "boxes.min_scor=1",
            "stages.boxes: unknown option 'min_scor'; did you mean 'min_score'? (vision",
        ),
        ("boxes.detector=mtcn", "stages.boxes.detector: unknown detector 'mtcn'; did you mean 'mtcnn'?"),
        ("frames.reader=pyaw", "stages.frames.reader: unknown reader 'pyaw'; did you mean 'pyav'?"),
        ("frames.start_at=9:99", "stages.frames.start_at: must be seconds >= 0 or hh:mm:ss, got '9:99'"),
        ("persons.backbone=dann", "stages.persons.backbone: unknown backbone 'dann'; did you mean 'dan'?"),
        (
            "look.backbone=dann",
            "stages.look.backbone: unknown backbone 'dann'; did you mean 'dan'? (vision",
        ),
        ("look.weights=absent.pth", "stages.look.weights: absent.pth: no such weight file"),
        ("raw.model=temporl", "stages.raw.model: unknown affect model 'temporl'; did you mean 'temporal'?"),
        ("raw.model=temporal", "stages.raw.weights: temporal has no builtin weights in this package"),
    ],
)
def test_a_wrong_option_is_named_with_its_stage_and_line(avfer, clip, tmp_path, monkeypatch, verb, setting, message):
    monkeypatch.chdir(tmp_path)
    words, before = VERBS[verb]
    places = {"clip": clip, "root": tmp_path, "out": tmp_path / "out"}
    result = avfer(*(word.format(**places) for word in words), "--set", before + setting)
    assert result.code == 2 and message in result.err, result.err
    assert not list(tmp_path.rglob("talk*.parquet"))


def test_label_names_a_wrong_option_with_its_stage_and_line_and_makes_no_folder(avfer, clip, tmp_path):
    words = ["label", "vision", "--input", clip, "--output", tmp_path / "out"]
    result = avfer(*words, "--set", "boxes.min_score=2")
    assert result.code == 2
    assert "stages.boxes.min_score: must be in [0, 1], got 2 (vision.yaml, line 5)" in result.err
    assert "--start: must be seconds" in avfer(*words, "--start", "soon").err
    assert not list(tmp_path.rglob("talk*.parquet"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--start", "soon"], "--start: must be seconds >= 0 or hh:mm:ss, got 'soon'"),
        (["--stop", "1:75"], "--stop: must be seconds >= 0 or hh:mm:ss, got '1:75'"),
        (["--start", "5", "--stop", "0:04"], "--stop: must be later than the start (5 s), got 4 s"),
        (["--region", "0,0,a,1"], "--region: must be four numbers X,Y,W,H, got '0,0,a,1'"),
        (["--region", "0,0,1"], "--region: must be four numbers X,Y,W,H, got '0,0,1'"),
        (["--region", "0,0,0,1"], "stages.boxes.region: width and height must be > 0, got [0.0, 0.0, 0.0, 1.0]"),
        (["--person", "tallest"], "stages.faces.person: must be 'all', 'largest' or 'leftmost' or an integer"),
        (
            ["--person", "9" * 10],
            "stages.faces.person: must be in [0, 2147483648), got 9999999999 (vision",
        ),
        (["--person", "9" * 5000], "stages.faces.person: must be"),
        (["--fps", "0"], "--fps: must be in (0, 1000] Hz, got 0"),
    ],
)
def test_a_wrong_option_of_the_clip_is_named(avfer, clip, tmp_path, option, message):
    result = avfer("run", "vision", "--input", clip, "--output", tmp_path / "out", *option)
    assert result.code == 2 and message in result.err, result.err
    assert not list(tmp_path.rglob("talk*.parquet"))
