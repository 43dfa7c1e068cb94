"""An invalid pipeline is refused before any frame is read, with the place in the YAML and the way out."""

from pathlib import Path

import numpy as np
import pytest

from avfer.baseline import Baseline
from avfer.configurations import bundled
from avfer.errors import ConfigError
from avfer.pipeline_builder import build
from avfer.pipeline_config import parse_pipeline, read_pipeline
from avfer.yaml_reader import parse_override

GOOD = """\
chunk: 0.5
stages:
  frames: {use: "tests.toy_stages:CountFrames", from: span, count: 7}
  sound: {use: "tests.toy_stages:Hum", from: span}
  affect: {use: "tests.toy_stages:TimeAsValence", from: frames}
output: affect
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(text)
    return path


def test_a_valid_pipeline_is_read_as_written(tmp_path: Path) -> None:
    spec = read_pipeline(write(tmp_path, GOOD))
    assert spec.chunk == 0.5 and spec.output == "affect" and spec.text == GOOD
    assert [stage.name for stage in spec.stages] == ["frames", "sound", "affect"]
    assert build(spec)[0].stage.count == 7


@pytest.mark.parametrize("name", ["aver", "vision", "voice"])
def test_the_bundled_pipelines_are_valid(name: str) -> None:
    assert name in bundled("pipeline")
    assert build(read_pipeline(name))


def test_overrides_change_options_and_the_digest(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    changed = read_pipeline(path, dict([parse_override("frames.count=9"), parse_override("chunk=2")]))
    assert build(changed)[0].stage.count == 9 and changed.chunk == 2
    assert changed.sha256 != read_pipeline(path).sha256
    assert "count: 9" in changed.text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "- a\n- b\n", "must be a mapping with stages: and output:, got list"),
        (GOOD, "stages: [\n", r"not valid YAML: .*, line 2\)"),
        (GOOD, "", "must be a mapping with stages: and output:, got an empty file"),
        (GOOD, "output: x\n", "stages: must be a mapping of names to stages, got None"),
        ("chunk:", "chnk:", r"unknown key 'chnk'; did you mean 'chunk'\? \(.*p.yaml, line 1\)"),
        ("chunk: 0.5", "chunk: 0", r"chunk: must be in \[0\.01, 600\], got 0 \(.*line 1\)"),
        ("chunk: 0.5", "chunk: soon", "chunk: must be a number, got 'soon'"),
        ("chunk: 0.5", "baseline: high", r"baseline: must be 'low' or a list such as .*, got 'high' \(.*line 1\)"),
        ("chunk: 0.5", "baseline: [2, 1]", "baseline: the start must be before the stop, got 2 s and 1 s"),
        ("chunk: 0.5", "threads: 0", r"threads: must be in \[1, 256\], got 0"),
        ("output: affect", "output: afect", "output: must be one of the stages frames, sound, affect, got 'afect'"),
        ("output: affect", "output: frames", "output: 'frames' is FrameBatch, not AffectTrack"),
        ("  sound:", "  on:", r"stages: a name must be a text, got True; write it in quotes \(.*p.yaml"),
        ("  sound:", "  1:", r"stages: a name must be a text, got 1; write it in quotes \(.*p.yaml, line 4\)"),
        ("count: 7", "cuont: 7", r"stages\.frames: unknown option 'cuont'; did you mean 'count'\? \(.*line 3\)"),
        ("count: 7", "count: many", r"stages\.frames\.count: must be an integer, got 'many' \(.*line 3\)"),
        (
            '"tests.toy_stages:Hum"',
            "decode_adio",
            r"unknown stage 'decode_adio'; did you mean 'decode_audio'\? \(.*line 4\)",
        ),
        ('"tests.toy_stages:Hum"', '"tests.toy_stages:Ham"', "cannot be imported"),
        ('"tests.toy_stages:Hum"', '"nowhere.at:All"', "no module 'nowhere' can be found"),
        (
            '"tests.toy_stages:Hum"',
            '"tests.toy_stages:NoStage"',
            "cannot be used as stage: it must be a dataclass with __call__, or with start and step",
        ),
        (
            "TimeAsValence",
            "AnnotatesHalf",
            "that annotates its inputs and its output, which the class AnnotatesHalf is not",
        ),
        (
            "from: frames}",
            "from: sound}",
            r"stage 'affect' takes FrameBatch, but 'sound' is an AudioBatch \(.*line 5\)",
        ),
        ("from: frames}", "from: later}", "stage 'affect' reads 'later': unknown value 'later'"),
        ("from: frames}", "from: [frames, sound]}", r"takes 1 input \(frames: FrameBatch\), but from: names 2"),
        (
            "from: frames}",
            "from: frames, gain: -1}",
            r"stages\.affect\.gain: must be >= 0, got -1.0 \(.*line 5\)",
        ),
        ("from: frames}", "}", "from: must name the values that it reads"),
        ("  sound:", "  frames:", r"the key 'frames' is repeated; keep one of them \(.*line 4\)"),
        ('{use: "tests.toy_stages:Hum", from: span}', "7", "must be {use: ..., from: ..., options}, got 7"),
        ("TimeAsValence", "NeedsFeatures", "takes FaceFeatures, but 'frames' is a FrameBatch"),
    ],
)
def test_an_error_names_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(ConfigError, match=message):
        build(read_pipeline(write(tmp_path, text)))


def test_a_misspelt_key_is_named_also_where_an_override_needs_the_stages(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("stages:", "Stages:"))
    with pytest.raises(ConfigError, match=r"unknown key 'Stages'; did you mean 'stages'\? \(.*line"):
        read_pipeline(path, {"stop": 1.0})


def test_a_stage_that_reads_a_later_one_is_refused(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    lines[2], lines[4] = lines[4], lines[2]
    with pytest.raises(ConfigError, match="reads 'frames': it comes later; move it up"):
        build(read_pipeline(write(tmp_path, "\n".join(lines))))


def test_a_stage_that_reads_the_frames_of_two_decoders_is_refused() -> None:
    text = read_pipeline("vision").text
    every_other = text.replace("  boxes:", "  sparse: {use: decode_video, from: span, every: 2}\n  boxes:")
    swapped = every_other.replace("detect_faces,   from: frames", "detect_faces, from: sparse")
    assert swapped != every_other and build(parse_pipeline(every_other, "p.yaml"))
    with pytest.raises(ConfigError, match=r"'tracks' reads the frames of 'frames' and 'sparse'; decode .* line 7\)"):
        build(parse_pipeline(swapped, "p.yaml"))


MASK_AGAIN = "  again: {use: mask_voice, from: [speakers, speech]}\n  raw:"
FIND_AGAIN = "  again: {use: find_speakers, from: [speakers, measures]}\n  raw:"


@pytest.mark.parametrize(
    ("stage", "old", "new", "message"),
    [
        ("speakers", "from: [spoken,", "from: [joint,", "reads the column speech, which no .*; add mask_voice"),
        ("again", "  raw:", MASK_AGAIN, "adds the column speech, which a stage before it adds;"),
        ("again", "  raw:", FIND_AGAIN, "adds the column speaking, which a stage before it adds;"),
    ],
)
def test_columns_that_are_missing_or_there_already_are_refused(stage: str, old: str, new: str, message: str) -> None:
    text = read_pipeline("aver").text
    assert text.count(old) == 1
    with pytest.raises(ConfigError, match=rf"stages\.{stage}: .*{message} .*line \d+\)"):
        build(parse_pipeline(text.replace(old, new), "p.yaml"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("added_columns", "mood", r"must be a list such as \[a, b\], got 'mood'"),
        ("needed_columns", ("mood",), r"must be a mapping, got \('mood',\)"),
        ("needed_columns", {"mood": "my:Mood"}, "no stage before it declares in added_columns; add my:Mood"),
    ],
)
def test_a_stage_of_the_user_with_wrong_columns_is_named(
    name: str, value: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"tests.toy_stages.TimeAsValence.{name}", value, raising=False)
    with pytest.raises(ConfigError, match=rf"stages\.affect: .*{message}.* line 5\)"):
        build(parse_pipeline(GOOD, "p.yaml"))


def test_crops_that_two_networks_cannot_share_are_refused_with_their_line() -> None:
    text = read_pipeline("vision").text.replace("from: portraits", "from: faces")
    with pytest.raises(ConfigError, match=r"stages\.faces: networks that need different crops .* line 8\)"):
        build(parse_pipeline(text, "p.yaml"))


def test_a_stage_may_call_its_state_and_its_inputs_as_it_likes(tmp_path: Path) -> None:
    own = 'counted: {use: "tests.toy_stages:NamesItsState", from: affect}\noutput: counted'
    assert build(read_pipeline(write(tmp_path, GOOD.replace("output: affect", f"  {own}"))))


def test_features_of_another_width_are_refused_before_weights_are_loaded(tmp_path: Path) -> None:
    look = '  look: {use: "tests.toy_stages:Wide", from: frames, width: 9}\n'
    affect = '  affect: {use: "tests.toy_stages:NeedsEight", from: look}'
    text = GOOD.replace('  affect: {use: "tests.toy_stages:TimeAsValence", from: frames}', look + affect)
    with pytest.raises(ConfigError, match=r"stages\.affect: reads 8 features, but gets 9 \(.*line 6\)"):
        build(read_pipeline(write(tmp_path, text)))
    assert build(read_pipeline(write(tmp_path, text.replace("width: 9", "width: 8"))))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("frames", "write it as KEY=VALUE"),
        ("=3", "write it as"),
        ("frames.count=[", "not valid YAML"),
    ],
)
def test_a_malformed_override_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_override(override)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("farmes.count", "unknown stage 'farmes'; did you mean 'frames'"),
        ("count", "cannot be set"),
        ("frames.cont", "unknown option"),
        ("output", "output: must be one of the stages"),
    ],
)
def test_an_override_of_an_unknown_option_is_refused(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(read_pipeline(write(tmp_path, GOOD), {key: 1}))


@pytest.mark.parametrize("name", ["aver", "vision"])
def test_the_output_of_a_bundled_pipeline_can_be_set(name: str) -> None:
    assert read_pipeline(name).output == "measured"
    assert read_pipeline(name, {"output": "affect"}).output == "affect"


def test_options_may_be_paths_and_numbers_of_numpy(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    changed = read_pipeline(path, {"frames.count": np.int64(9), "chunk": np.float32(0.5), "baseline": np.arange(2)})
    assert build(changed)[0].stage.count == 9 and changed.chunk == 0.5
    assert changed.baseline == Baseline((0.0, 1.0))
    assert (
        read_pipeline("vision", {"look.weights": Path("a/b.safetensors")}).text.count("weights: a/b.safetensors") == 1
    )
    with pytest.raises(ConfigError, match=r"frames\.count: a value cannot be written as YAML: <object"):
        read_pipeline(path, {"frames.count": object()})


def test_a_stage_named_by_its_class_in_an_override_is_corrected() -> None:
    with pytest.raises(ConfigError, match=r"unknown stage 'align_faces'; the pipeline calls it faces and portraits$"):
        read_pipeline("aver", {"align_faces.size": 64})


@pytest.mark.parametrize("name", ["aver", "voice"])
def test_a_folder_with_the_name_of_a_pipeline_hides_no_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_pipeline(name).name == name


@pytest.mark.parametrize(
    ("name", "message"), [("avr", "did you mean 'aver'"), ("none.yaml", "no pipeline at none.yaml")]
)
def test_an_unknown_pipeline_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_pipeline(name)


def test_a_face_stage_refuses_audio(tmp_path: Path) -> None:
    text = (
        "stages:\n  sound: {use: decode_audio, from: span}\n  boxes: {use: detect_faces, from: sound}\noutput: boxes\n"
    )
    with pytest.raises(ConfigError, match=r"stage 'boxes' takes FrameBatch, but 'sound' is an AudioBatch \(.*line 3\)"):
        build(read_pipeline(write(tmp_path, text)))
