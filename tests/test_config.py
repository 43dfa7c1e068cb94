"""A pipeline that cannot work is refused before any work, with the place and the way out."""

from pathlib import Path

import pytest

from avfer.configurations import bundled
from avfer.errors import ConfigError
from avfer.pipeline_builder import build
from avfer.pipeline_config import parse_override, read_pipeline

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


def test_a_good_pipeline_is_read_as_written(tmp_path: Path) -> None:
    spec = read_pipeline(write(tmp_path, GOOD))
    assert spec.chunk == 0.5 and spec.output == "affect" and spec.text == GOOD
    assert [stage.name for stage in spec.stages] == ["frames", "sound", "affect"]
    assert build(spec)[0].stage.count == 7


@pytest.mark.parametrize("name", ["aver", "vision", "voice"])
def test_the_bundled_pipelines_are_sound(name: str) -> None:
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
        (GOOD, "stages: [\n", "is not valid YAML"),
        (GOOD, "", "must be a mapping with stages: and output:"),
        (GOOD, "output: x\n", "stages: should be a mapping"),
        ("chunk:", "chnk:", r"unknown key 'chnk'; did you mean 'chunk'\? \(.*p.yaml, line 1\)"),
        ("chunk: 0.5", "chunk: 0", r"chunk: should be seconds above 0, not 0 \(.*line 1\)"),
        ("chunk: 0.5", "chunk: soon", "chunk: should be seconds"),
        ("chunk: 0.5", "threads: 0", "threads: should be a count"),
        ("output: affect", "output: afect", "output: should name one of the stages frames, sound, affect"),
        ("output: affect", "output: frames", "output: 'frames' is FrameBatch, not AffectTrack"),
        ("count: 7", "cuont: 7", r"stage 'frames': unknown option 'cuont'; did you mean 'count'\? \(.*line 3\)"),
        ("count: 7", "count: many", r"stage 'frames': option count: .*not 'many' \(.*line 3\)"),
        (
            '"tests.toy_stages:Hum"',
            "decode_adio",
            r"unknown stage 'decode_adio'; did you mean 'decode_audio'\? \(.*line 4\)",
        ),
        ('"tests.toy_stages:Hum"', '"tests.toy_stages:Ham"', "cannot be imported"),
        ('"tests.toy_stages:Hum"', '"nowhere.at:All"', "cannot be imported"),
        ('"tests.toy_stages:Hum"', '"tests.toy_stages:NoStage"', "is no stage"),
        (
            "from: frames}",
            "from: sound}",
            r"stage 'affect' takes FrameBatch, but 'sound' is an AudioBatch \(.*line 5\)",
        ),
        ("from: frames}", "from: later}", "stage 'affect' reads 'later': unknown value 'later'"),
        ("from: frames}", "from: [frames, sound]}", r"takes 1 input\(s\) \(frames: FrameBatch\), but from: names 2"),
        (
            "from: frames}",
            "from: frames, gain: -1}",
            r"stage 'affect': gain: should be 0 or more, not -1.0 \(.*line 5\)",
        ),
        ("from: frames}", "}", "from: should name the values it reads"),
        ("  sound:", "  frames:", r"'frames' is written twice \(.*line 4\)"),
        ('{use: "tests.toy_stages:Hum", from: span}', "7", "should read"),
        ("TimeAsValence", "NeedsFeatures", "takes FaceFeatures, but 'frames' is a FrameBatch"),
    ],
)
def test_a_fault_is_told_with_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(ConfigError, match=message):
        build(read_pipeline(write(tmp_path, text)))


def test_a_stage_that_reads_a_later_one_is_told_to_move(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    lines[2], lines[4] = lines[4], lines[2]
    with pytest.raises(ConfigError, match="reads 'frames': it comes later; move it up"):
        build(read_pipeline(write(tmp_path, "\n".join(lines))))


def test_widths_that_do_not_fit_are_told_before_weights_are_loaded(tmp_path: Path) -> None:
    look = '  look: {use: "tests.toy_stages:Wide", from: frames, width: 9}\n'
    affect = '  affect: {use: "tests.toy_stages:NeedsEight", from: look}'
    text = GOOD.replace('  affect: {use: "tests.toy_stages:TimeAsValence", from: frames}', look + affect)
    with pytest.raises(ConfigError, match=r"stage 'affect': reads 8 features, but is given 9 \(.*line 6\)"):
        build(read_pipeline(write(tmp_path, text)))
    assert build(read_pipeline(write(tmp_path, text.replace("width: 9", "width: 8"))))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("frames", "write it as stage.option=value"),
        ("=3", "write it as"),
        ("frames.count=[", "no YAML"),
    ],
)
def test_an_override_that_cannot_be_read_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_override(override)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("farmes.count", "unknown stage 'farmes'; did you mean 'frames'"),
        ("count", "cannot be set"),
        ("frames.cont", "unknown option"),
    ],
)
def test_an_override_of_what_is_not_there_is_refused(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(read_pipeline(write(tmp_path, GOOD), {key: 1}))


@pytest.mark.parametrize(
    ("name", "message"), [("avr", "did you mean 'aver'"), ("none.yaml", "no pipeline at none.yaml")]
)
def test_a_pipeline_that_is_not_there_is_told(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_pipeline(name)


def test_a_sound_in_a_face_stage_is_told(tmp_path: Path) -> None:
    text = (
        "stages:\n  sound: {use: decode_audio, from: span}\n  boxes: {use: detect_faces, from: sound}\noutput: boxes\n"
    )
    with pytest.raises(ConfigError, match=r"stage 'boxes' takes FrameBatch, but 'sound' is an AudioBatch \(.*line 3\)"):
        build(read_pipeline(write(tmp_path, text)))
