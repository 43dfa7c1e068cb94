"""What `--input` may name, and what it must not."""

import os
import tempfile
from pathlib import Path

import pytest

from avfer.errors import ConfigError
from avfer.labelling.entry import check_id
from avfer.labelling.shard import Shard
from avfer.labelling.sources import find_manifest, find_sources


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def ids(*inputs: str | Path) -> list[str]:
    texts = [str(text) for text in inputs]
    return [source.id for source in find_sources(texts, find_manifest(texts))]


def test_clips_of_a_folder_are_called_as_seen_from_it(tmp_path):
    touch(tmp_path, "b.mp4", "a/b.mp4", "a/notes.txt", ".hidden/c.mp4", "a/.d.mp4")
    assert ids(tmp_path) == ["a/b.mp4", "b.mp4"]


def test_a_pattern_names_clips_from_its_last_plain_folder(tmp_path):
    touch(tmp_path, "x/s1/a.mp4", "x/s2/a.mp4", "x/s2/b.wav")
    assert ids(tmp_path / "x/*/*.mp4") == ["s1/a.mp4", "s2/a.mp4"]
    assert ids(tmp_path / "x/s*") == ["s1/a.mp4", "s2/a.mp4", "s2/b.wav"]


def test_a_list_names_clips_as_they_stand_there(tmp_path):
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


def test_two_clips_of_one_name_are_refused_with_both_paths(tmp_path):
    touch(tmp_path, "s1/a.mp4", "s2/a.mp4")
    with pytest.raises(ConfigError, match=r"s1/a\.mp4 and .*s2/a\.mp4 would both be called 'a\.mp4'"):
        ids(tmp_path / "s1", tmp_path / "s2")


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="no regular file"):
        ids(tmp_path)


def test_a_broken_link_is_refused(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"a\.mp4' is not there"):
        ids(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an unprivileged user")
def test_a_folder_that_cannot_be_listed_is_refused_not_stepped_over():
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
def test_what_is_not_there_is_told(tmp_path, name):
    with pytest.raises(ConfigError, match="absent"):
        ids(tmp_path / name)


def test_a_folder_without_media_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no media file"):
        ids(touch(tmp_path, "a.txtx"))


@pytest.mark.parametrize("name", ["../a.mp4", "a/../../b.mp4", "/a.mp4", "", "a\0.mp4", "b\udcff.mp4"])
def test_an_id_that_could_leave_the_output_folder_is_refused(name):
    with pytest.raises(ConfigError):
        check_id(name)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_clip_falls_to_exactly_one_shard(count):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    owners = [[shard.holds(f"clip{number}") for shard in shards].count(True) for number in range(200)]
    assert set(owners) == {1}
    assert all(any(shard.holds(f"clip{number}") for number in range(200)) for shard in shards)
