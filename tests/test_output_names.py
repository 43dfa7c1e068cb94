"""The names of the outputs of clips: trees of folders, equal names, equal paths."""

from pathlib import Path

import pytest

from avfer.errors import ConfigError
from avfer.inputs import find_clips
from avfer.output_names import check_output_names, output_names
from tests.test_inputs import touch


def names(*inputs: str | Path) -> list[str]:
    return output_names(find_clips([str(text) for text in inputs]))


def test_clips_in_a_folder_keep_their_tree_below_it(tmp_path):
    touch(tmp_path, "S1/cam.mp4", "S2/cam.mp4", "S2/late/cam.mp4")
    assert names(tmp_path) == ["S1/cam", "S2/cam", "S2/late/cam"]
    assert names(tmp_path / "S*/cam.mp4") == ["S1/cam", "S2/cam"]
    assert names(tmp_path / "S2/cam.mp4") == ["cam"]


def test_clips_that_would_share_a_name_keep_their_ending(tmp_path):
    touch(tmp_path, "cam.webm", "cam.wav", "other.mp4", "cam.webm.mp4")
    assert names(tmp_path) == ["cam.wav", "cam.webm", "cam.webm.mp4", "other"]
    assert names(tmp_path / "cam.wav", tmp_path / "other.mp4") == ["cam", "other"]


def test_clips_of_a_list_are_named_by_their_path_where_names_are_equal(tmp_path):
    touch(tmp_path, "S1/cam.mp4", "S2/cam.mp4", "S2/other.mp4")
    (tmp_path / "list.txt").write_text("S1/cam.mp4\nS2/cam.mp4\nS2/other.mp4\n")
    assert names(tmp_path / "list.txt") == ["S1/cam", "S2/cam", "other"]


def test_clips_with_equal_output_names_are_an_error_with_both_paths(tmp_path):
    touch(tmp_path, "S1/cam.mp4", "S2/cam.mp4")
    with pytest.raises(ConfigError, match=r"S1/cam\.mp4 and .*S2/cam\.mp4 would both be written as 'cam\.mp4'"):
        names(tmp_path / "S1/cam.mp4", tmp_path / "S2/cam.mp4")


def test_names_never_leave_the_output_folder(tmp_path):
    touch(tmp_path, "a/cam.mp4", "b/cam.mp4")
    (tmp_path / "m.csv").write_text("path,id\na/cam.mp4,../../x\nb/cam.mp4,y\n")
    assert names(tmp_path / "m.csv") == ["cam", "y"]


def test_a_clip_is_named_by_its_id_in_a_manifest(tmp_path):
    touch(tmp_path, "a/cam.mp4", "b/cam.mp4", "c/cam.mp4")
    (tmp_path / "m.csv").write_text("path,id\na/cam.mp4,P01.2\nb/cam.mp4,s2/P02\nc/cam.mp4,\n")
    assert names(tmp_path / "m.csv") == ["P01.2", "s2/P02", "cam"]


def test_clips_that_share_an_id_are_named_by_their_files(tmp_path):
    touch(tmp_path, "talk.mp4", "play.mp4")
    (tmp_path / "m.csv").write_text("path,id\ntalk.mp4,P01\nplay.mp4,P01\n")
    assert names(tmp_path / "m.csv") == ["talk", "play"]


def test_two_recordings_cannot_share_a_table():
    check_output_names({Path("a/b.mp4"): "b", Path("a/c.mp4"): "c", Path("c/b.mp4"): "c/b"})
    with pytest.raises(ConfigError, match=r"a/b\.mp4 and c/b\.wav would both be written as 'b'"):
        check_output_names({Path("a/b.mp4"): "b", Path("c/b.wav"): "b"})
