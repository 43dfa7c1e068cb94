"""Files and folders that appear whole under their names, or not at all."""

import os
from pathlib import Path

import pytest

from avfer.atomic import atomic_folder, atomic_rename, atomic_write
from avfer.errors import OutputError

WRITERS = {"atomic_write": atomic_write, "atomic_rename": atomic_rename}


def content(folder: Path) -> dict[str, str]:
    """Return every file below a folder with its text, hidden ones too, and every empty folder with an empty text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_replaces_the_old_one_at_the_end_of_the_block(tmp_path, writer):
    (tmp_path / "a.csv").write_text("old")
    with WRITERS[writer](tmp_path / "a.csv") as part:
        part.write_text("new")
        assert part.suffix == ".csv" and (tmp_path / "a.csv").read_text() == "old"
    assert content(tmp_path) == {"a.csv": "new"}


@pytest.mark.parametrize("writer", WRITERS)
def test_an_error_keeps_the_old_file_and_leaves_no_temporary_one(tmp_path, writer):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(ZeroDivisionError), WRITERS[writer](tmp_path / "a.csv") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert content(tmp_path) == {"a.csv": "old"}


def test_a_write_error_of_the_block_names_the_file_and_a_rename_passes_it_through(tmp_path):
    full = OSError(28, "No space left on device")
    with (
        pytest.raises(OutputError, match=r"a\.csv cannot be written: No space.*; free"),
        atomic_write(tmp_path / "a.csv"),
    ):
        raise full
    with pytest.raises(OSError, match="No space left"), atomic_rename(tmp_path / "a.csv"):
        raise full
    assert content(tmp_path) == {}


def test_a_name_of_as_many_bytes_as_a_file_system_allows_is_written(tmp_path):
    path = tmp_path / ("\u00fc" * 125 + "a.csv")  # 255 bytes
    with atomic_write(path) as part:
        part.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_files_at_the_end_of_the_block(tmp_path):
    with atomic_folder(tmp_path / "above" / "set") as part:
        (part / "deep").mkdir()
        (part / "deep" / "b.csv").write_text("b")
        (part / "a.csv").write_text("a")
        assert part.name.startswith(".") and not (tmp_path / "above" / "set").exists()
    assert content(tmp_path) == {"above/set/a.csv": "a", "above/set/deep/b.csv": "b"}


def test_all_files_of_a_folder_are_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    flushed = set[int]()
    monkeypatch.setattr(os, "fsync", lambda number: flushed.add(os.fstat(number).st_ino))
    with atomic_folder(tmp_path / "set") as part:
        (part / "deep").mkdir()
        for name in ("a.csv", "deep/b.csv", "deep/c.csv"):
            (part / name).write_text(name)
        assert not flushed
    assert flushed == {path.stat().st_ino for path in (tmp_path / "set").rglob("*.csv")}


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_leaves_no_folder(tmp_path, error):
    with pytest.raises((ZeroDivisionError, OutputError, KeyboardInterrupt)), atomic_folder(tmp_path / "set") as part:
        (part / "deep").mkdir()
        (part / "deep" / "b.csv").write_text("half")
        raise error
    assert content(tmp_path) == {}


@pytest.mark.parametrize("old", ["set", "set/old.csv"])
def test_a_folder_or_a_file_with_the_name_of_the_new_folder_is_kept(tmp_path, old):
    with pytest.raises(OutputError, match="set cannot be written"), atomic_folder(tmp_path / "set") as part:
        (part / "new.csv").write_text("new")
        (tmp_path / old).parent.mkdir(exist_ok=True)
        (tmp_path / old).write_text("old")
    assert content(tmp_path) == {old: "old"}


def test_a_folder_is_replaced_with_all_its_files_when_the_new_one_is_complete(tmp_path):
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "deep" / "old.csv").write_text("old")
    with atomic_folder(tmp_path / "set", replace=True) as part:
        (part / "new.csv").write_text("new")
        assert (tmp_path / "set" / "deep" / "old.csv").read_text() == "old"
    assert content(tmp_path) == {"set/new.csv": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails", ["block", "first rename", "second rename"])
def test_a_folder_that_could_not_be_replaced_stays_as_it_was(tmp_path, monkeypatch, fails, error):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old.csv").write_text("old")
    rename, renames = Path.rename, list[Path]()

    def rename_or_fail(path: Path, target: Path) -> Path:
        renames.append(path)
        if fails == {1: "first rename", 2: "second rename"}.get(len(renames)):
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_or_fail)
    with pytest.raises((OutputError, KeyboardInterrupt)), atomic_folder(tmp_path / "set", replace=True) as part:
        (part / "new.csv").write_text("new")
        if fails == "block":
            raise error
    assert content(tmp_path) == {"set/old.csv": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_folder_is_not_lost_if_another_program_takes_its_name_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old.csv").write_text("old")
    rename = Path.rename

    def rename_and_take(path: Path, target: Path) -> Path:
        found = rename(path, target)
        if path == tmp_path / "set":
            path.mkdir()
            (path / "other.csv").write_text("other")
        return found

    monkeypatch.setattr(Path, "rename", rename_and_take)
    with pytest.raises(OutputError), atomic_folder(tmp_path / "set", replace=True) as part:
        (part / "new.csv").write_text("new")
    assert sorted(content(tmp_path).values()) == ["old", "other"] and (tmp_path / "set" / "other.csv").exists()


def test_writers_of_one_file_at_the_same_time_have_temporary_paths_of_their_own(tmp_path):
    path = tmp_path / "a.csv"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert content(tmp_path) == {"a.csv": "first"}
