"""What `--input` may name, the ids of the files, and the errors."""

import os
import re
import tempfile
from pathlib import Path

import fsspec
import pytest

from avfer.errors import AvferWarning, ConfigError
from avfer.inputs import find_checked_clips, find_clips
from avfer.jobs import job_for_input
from avfer.manifest import find_manifest
from avfer.output_names import output_names
from avfer.remote import RemoteFile


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def ids(*inputs: str | Path) -> list[str]:
    texts = [str(text) for text in inputs]
    return [file.id for file in find_checked_clips(texts, find_manifest(texts))]


def test_ids_in_a_folder_are_relative_to_it(tmp_path):
    touch(tmp_path, "b.mp4", "a/b.mp4", "a/notes.txt", ".hidden/c.mp4", "a/.d.mp4")
    assert ids(tmp_path) == ["a/b.mp4", "b.mp4"]


def test_recordings_of_dvds_camcorders_and_phones_are_found_in_folders(tmp_path):
    names = ["VTS_01_1.VOB", "clip.3g2", "memo.amr", "tape.dv", "voice.caf"]
    touch(tmp_path, *names, "VTS_01_0.IFO", "clip.thm")
    assert ids(tmp_path) == names


def test_hidden_pictures_are_no_sequence(tmp_path):
    touch(tmp_path, "shots/1.png", "shots/.thumbnails/1.png", ".cache/1.png")
    assert ids(tmp_path) == ["shots"]


def test_overlays_and_videos_that_avfer_wrote_beside_tables_and_pages_are_no_inputs(tmp_path):
    touch(tmp_path, "a.mp4", "a.csv", "a.overlay.mp4", "a.html", "a.video.mp4", "b/my.overlay.mp4", "b/my.video.mp4")
    assert ids(tmp_path) == ["a.mp4", "b/my.overlay.mp4", "b/my.video.mp4"]
    assert ids(tmp_path / "a.overlay.mp4") == ["a.overlay.mp4"]
    touch(tmp_path / "out", "photo.parquet", "photo.overlay.jpg")
    assert ids(tmp_path) == ["a.mp4", "b/my.overlay.mp4", "b/my.video.mp4"]


def test_an_empty_input_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "a.mp4"))
    with pytest.raises(ConfigError, match=r"a path is empty.* write \. for that one"):
        ids("")
    assert ids(".") == ["a.mp4"]


def test_ids_of_a_pattern_are_relative_to_its_last_folder_without_a_wildcard(tmp_path):
    touch(tmp_path, "x/s1/a.mp4", "x/s2/a.mp4", "x/s2/b.wav")
    assert ids(tmp_path / "x/*/*.mp4") == ["s1/a.mp4", "s2/a.mp4"]
    assert ids(tmp_path / "x/s*") == ["s1/a.mp4", "s2/a.mp4", "s2/b.wav"]


def test_two_stars_of_a_pattern_match_folders_of_any_depth(tmp_path):
    touch(tmp_path, "a.mp4", "x/b.mp4", "x/y/c.mp4", "x/y/d.wav")
    assert ids(tmp_path / "**/*.mp4") == ["a.mp4", "x/b.mp4", "x/y/c.mp4"]


def test_a_pattern_may_match_a_folder_without_media_files(tmp_path):
    touch(tmp_path, "s1/a.mp4", "s2/notes.txt")
    assert ids(tmp_path / "s*") == ["s1/a.mp4"]


def test_pictures_beside_media_files_are_skipped_with_a_warning(tmp_path):
    touch(tmp_path, "a.mp4", "faces/1.PNG", "faces/2.png", ".thumbs/a.jpg")
    text = f"skipped 2 pictures in {tmp_path}, which also holds media files; --input '{tmp_path}/faces/*.PNG' reads"
    for find in (lambda: find_clips([str(tmp_path)]), lambda: list(find_checked_clips([str(tmp_path)], None))):
        with pytest.warns(AvferWarning, match=re.escape(text)):
            assert [file.id for file in find()] == ["a.mp4"]


def test_a_suffix_may_be_in_capitals(tmp_path):
    assert ids(touch(tmp_path, "A.MP4", "b.WaV")) == ["A.MP4", "b.WaV"]


def test_the_column_id_of_a_manifest_names_a_clip_and_its_path_otherwise(tmp_path):
    touch(tmp_path, "x/a.mp4", "x/b.mp4")
    (tmp_path / "m.csv").write_text("path,id\nx/a.mp4,one\nx/b.mp4,two\n")
    assert ids(tmp_path / "m.csv") == ["one", "two"]
    (tmp_path / "m.csv").write_text("path\nx/a.mp4\nx/b.mp4\n")
    assert ids(tmp_path / "m.csv") == ["x/a.mp4", "x/b.mp4"]


def test_five_wrong_rows_of_a_manifest_are_listed_and_the_others_counted(tmp_path):
    (tmp_path / "m.csv").write_text("path\n" + "".join(f"{number}.mp4\n" for number in range(7)))
    with pytest.raises(ConfigError) as error:
        ids(tmp_path / "m.csv")
    assert str(error.value).count("does not exist") == 5 and str(error.value).endswith("; and 2 more")


def test_a_sequence_of_pictures_has_the_size_of_all_and_the_time_of_the_newest(tmp_path):
    touch(tmp_path, "frames/1.png", "frames/2.png", "frames/3.png")
    for number, time in ((1, 5), (2, 9), (3, 7)):
        os.utime(tmp_path / "frames" / f"{number}.png", (time, time))
    (before,) = find_clips([str(tmp_path / "frames")])
    assert (before.id, before.size, before.modified) == ("frames", 3 * len("frames/1.png"), 9)
    os.utime(tmp_path / "frames/3.png", (8, 8))
    (after,) = find_clips([str(tmp_path / "frames")])
    assert after.content_mark != before.content_mark


def test_ids_in_a_list_are_the_lines_of_the_list(tmp_path):
    touch(tmp_path, "lists/a/1.mp4", "lists/b/2.mp4", "else/3.mp4")
    (tmp_path / "lists/all.txt").write_text(f"# mine\na/1.mp4\n\nb\n../else/3.mp4\n{tmp_path}/else/3.mp4\n")
    assert ids(tmp_path / "lists/all.txt") == ["a/1.mp4", "b/2.mp4", f"{tmp_path}/else/3.mp4"[1:]]


def test_a_file_named_twice_is_one_clip(tmp_path):
    touch(tmp_path, "a.mp4")
    assert ids(tmp_path / "a.mp4", tmp_path) == ["a.mp4"]


def test_linked_folders_are_followed_but_not_in_a_circle(tmp_path):
    touch(tmp_path, "corpus/a/1.mp4", "else/2.mp4")
    (tmp_path / "corpus/b").symlink_to(tmp_path / "else")
    (tmp_path / "else/round").symlink_to(tmp_path / "corpus")
    assert {"a/1.mp4", "b/2.mp4"} <= set(ids(tmp_path / "corpus"))


def test_two_clips_with_one_id_are_an_error_with_both_paths(tmp_path):
    touch(tmp_path, "s1/a.mp4", "s2/a.mp4")
    with pytest.raises(ConfigError, match=r"s1/a\.mp4 and .*s2/a\.mp4 would both be called 'a\.mp4'"):
        ids(tmp_path / "s1", tmp_path / "s2")


def test_a_pipe_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="not a regular file"):
        ids(tmp_path)


def test_a_broken_link_is_an_error(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"a\.mp4' does not exist"):
        ids(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an unprivileged user")
def test_a_folder_that_cannot_be_listed_is_an_error():
    with tempfile.TemporaryDirectory() as name:
        corpus = touch(Path(name), "open/a.mp4", "shut/b.mp4")
        corpus.chmod(0o755)
        (corpus / "shut").chmod(0)
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigError, match="shut cannot be listed: Permission denied"):
                ids(corpus)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["absent.mp4", "absent/*.mp4", "absent.txt", "absent.csv"])
def test_an_input_that_names_nothing_is_an_error(tmp_path, name):
    with pytest.raises(ConfigError, match="absent"):
        ids(tmp_path / name)


def test_a_wrong_entry_of_a_list_is_reported_with_its_line(tmp_path):
    (tmp_path / "all.txt").write_text("# mine\n\nabsent.mp4\n")
    with pytest.raises(ConfigError, match=r"'absent\.mp4'.* \(.*all\.txt, line 3\)$"):
        ids(tmp_path / "all.txt")


def test_a_folder_without_media_files_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no media file"):
        ids(touch(tmp_path, "a.txtx"))


def test_local_clips_keep_their_paths_and_come_once(tmp_path, monkeypatch):
    touch(tmp_path, "x/b.mp4", "x/a/c.mp4", "x/.hidden/d.mp4", "e.bin")
    (tmp_path / "x/link.mp4").symlink_to(tmp_path / "x/b.mp4")
    monkeypatch.chdir(tmp_path)
    found = find_clips(["x", "e.bin"])
    assert [file.given for file in found] == ["x/a/c.mp4", "x/b.mp4", "e.bin"]
    assert [file.path_in_tree or file.id for file in found] == ["a/c.mp4", "b.mp4", "e.bin"]


def test_local_clips_skip_what_is_not_a_file_in_a_folder(tmp_path):
    touch(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "b.mp4")
    with pytest.warns(AvferWarning, match=r"b\.mp4 is not a regular file: it is skipped"):
        assert [file.id for file in find_clips([str(tmp_path)])] == ["a.mp4"]


@pytest.mark.parametrize("name", ["c.mp4", "subject1"])
def test_a_link_to_nothing_is_reported(tmp_path, name):
    touch(tmp_path, "a.mp4")
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with pytest.warns(AvferWarning, match=f"{name} is a link to nothing: it is skipped"):
        assert [file.id for file in find_clips([str(tmp_path)])] == ["a.mp4"]
    with pytest.raises(ConfigError, match="does not exist"):
        ids(tmp_path)


@pytest.mark.parametrize("find", [find_clips, lambda inputs: ids(inputs[0])])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (os.fsdecode(b"\xff.mp4"), "is not UTF-8; rename"),
        ("x" * 300 + ".mp4", "too long"),
        ("~nobody/x.mp4", "no file"),
    ],
)
def test_a_name_that_no_file_can_have_is_an_error(tmp_path, find, name, message):
    with pytest.raises(ConfigError, match=message):
        find([name if name.startswith("~") else str(tmp_path / name)])


@pytest.mark.parametrize("find", [find_clips, lambda inputs: ids(inputs[0])])
def test_a_name_in_a_folder_that_is_not_utf8_is_an_error(tmp_path, find):
    (tmp_path / os.fsdecode(b"\xff.mp4")).touch()
    with pytest.raises(ConfigError, match="is not UTF-8; rename the file or folder"):
        find([str(tmp_path)])


def test_a_current_folder_that_is_not_utf_8_raises_an_error_because_tables_name_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path / os.fsdecode(b"\xff"), "a.mp4"))
    with pytest.raises(ConfigError, match="is not UTF-8; rename the file or folder"):
        list(find_checked_clips(["a.mp4"], None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,id\na.mp4,x\nclips/a\0.mp4,y\n", "row 2, column 'path': .*NUL character"),
        (b"path,id\na.mp4,x\0y\n", "row 1, column 'id': .*NUL character"),
        (b"path\n\xff.mp4\n", r"is not UTF-8 \(byte 0xff\)"),
        (b"path,\xff\na.mp4,1\n", r"is not UTF-8 \(byte 0xff\)"),
        (b"path,path\na.mp4,b.mp4\n", "has two columns called 'path'; keep one"),
        (b"path,id\na.mp4,1\n,2\n", "has a row without a path: row 2"),
        (b"path,id\n" + b"a" * 300 + b",1\n", "row 1, column 'path': .* too long for a path"),
        (b"\0\0\0", "the manifest .* has no column 'path'|cannot be read|has no rows"),
        (b"", "cannot be read"),
    ],
)
@pytest.mark.parametrize("find", [find_clips, lambda inputs: ids(inputs[0])])
def test_a_manifest_with_a_path_that_cannot_be_is_an_error_with_its_row(tmp_path, find, content, message):
    touch(tmp_path, "a.mp4")
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        find([str(tmp_path / "m.csv")])


def test_a_list_with_a_nul_is_an_error(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a\0.mp4\n")
    with pytest.raises(ConfigError, match="NUL character"):
        find_clips([str(tmp_path / "list.txt")])


def test_local_clips_may_be_named_by_a_manifest(tmp_path):
    touch(tmp_path, "x/a.mp4", "x/b.mp4")
    (tmp_path / "m.csv").write_text("path,age\nx/b.mp4,3\nx/a.mp4,4\n")
    assert [file.id for file in find_clips([str(tmp_path / "m.csv")])] == ["x/b.mp4", "x/a.mp4"]


def test_the_signature_of_a_web_address_is_in_no_name(tmp_path, monkeypatch):
    url = "https://host/s1/talk.mp4?X-Amz-Signature=" + 300 * "a"
    monkeypatch.setattr("avfer.remote.find", lambda url: [RemoteFile("", url, 9, None, "etag:1")])
    (tmp_path / "list.txt").write_text(url)
    for text, name in ((url, "talk.mp4"), (str(tmp_path / "list.txt"), "host/s1/talk.mp4")):
        (file,) = find_clips([text])
        assert (file.path, file.id, output_names([file])) == (url, name, ["talk"])
        assert job_for_input(file, tmp_path, ("parquet",), ()).clip == Path("talk.mp4")


def test_clips_may_be_urls(tmp_path):
    (tmp_path / "list.txt").write_text("memory://clips/a.mp4\n")
    fsspec.filesystem("memory").pipe("/clips/a.mp4", b"a")
    (file,) = find_clips([str(tmp_path / "list.txt")])
    assert (file.path, file.id, file.size) == ("memory:///clips/a.mp4", "clips/a.mp4", 1)


def test_a_list_that_is_not_utf8_is_an_error(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\xfa.mp4\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        ids(tmp_path / "list.txt")
