"""Plans: which files are read again, locks, and the memory and time that large corpora take."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import pytest

from avfer.errors import AvferWarning, ConfigError, OutputError
from avfer.inputs import InputFile, find_checked_clips
from avfer.labelling import plan as planning
from avfer.labelling.entry import Shard
from avfer.labelling.plan import read_batches, read_plan, write_plan
from avfer.labelling.store import Store, active_locks, locked
from tests.labelling.corpora import ROOT, labels, mtimes


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(7):
        (folder / f"{number}.mp4").write_bytes(bytes([number]) * 100)
    return folder


def planned(corpus, store):
    return {entry.id: entry for entry in write_plan(find_checked_clips([str(corpus)], None), None, store)}


def test_only_files_whose_size_or_time_has_changed_are_read(corpus, tmp_path, monkeypatch):
    store, read_names = Store(tmp_path / "out"), list[str]()
    first = planned(corpus, store)
    digest = planning.hashlib.file_digest
    monkeypatch.setattr(
        planning.hashlib, "file_digest", lambda file, kind: (read_names.append(file.name), digest(file, kind))[1]
    )
    modified = (corpus / "5.mp4").stat().st_mtime
    os.utime(corpus / "3.mp4", (1, 1))
    (corpus / "4.mp4").write_bytes(b"other")
    (corpus / "5.mp4").write_bytes(b"of another size at the same time")
    os.utime(corpus / "5.mp4", (modified, modified))
    second = planned(corpus, store)
    assert sorted(name[-5:] for name in read_names) == ["3.mp4", "4.mp4", "5.mp4"]
    assert {name for name in first if first[name].hash != second[name].hash} == {"4.mp4", "5.mp4"}


def test_another_division_into_shards_knows_the_hashes_from_the_manifest(corpus, tmp_path, monkeypatch):
    store = Store(tmp_path / "out")
    first = planned(corpus, store)
    shutil.copy(store.plan, store.manifest)
    monkeypatch.setattr(planning.hashlib, "file_digest", None)
    found = [planned(corpus, Store(tmp_path / "out", Shard(index, 2))) for index in (1, 2)]
    assert found[0] | found[1] == first


def test_the_hash_of_a_clip_includes_its_sound_file_whatever_its_size_and_time(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"pictures")
    hashes: list[str | None] = []
    for sound in (None, b"one", b"two", None):
        if sound:
            (tmp_path / "a.wav").write_bytes(sound)
        path = str(tmp_path / "a.wav") if sound else None
        file = InputFile("a.mp4", str(tmp_path / "a.mp4"), "a.mp4", 11, 1.0, sound=path)
        (entry,) = write_plan([file], None, Store(tmp_path / "out"))
        hashes.append(entry.hash)
    assert len(set(hashes)) == 3 and hashes[0] == hashes[-1]


def test_a_file_that_cannot_be_read_is_planned_without_a_hash(corpus, tmp_path, monkeypatch):
    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(planning.hashlib, "file_digest", deny)
    assert {entry.hash for entry in planned(corpus, Store(tmp_path / "out")).values()} == {None}
    monkeypatch.undo()
    assert None not in {entry.hash for entry in planned(corpus, Store(tmp_path / "out")).values()}


def test_a_plan_is_read_back_row_by_row_and_in_batches(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "BATCH", 3)
    store = Store(tmp_path / "out")
    want = list(planned(corpus, store).values())
    plan = read_plan(store.plan)
    assert [plan[row] for row in range(len(plan))] == list(plan) == want
    assert [entry for _, some in read_batches([store.plan]) for entry in some] == want


@pytest.mark.parametrize("other", [Shard(1, 2), Shard(1, 3), Shard()])
def test_a_lock_excludes_the_same_shard_and_other_divisions(tmp_path, other):
    with locked(tmp_path, Shard(1, 2)):
        with pytest.raises(ConfigError, match=f"process {os.getpid()} on"), locked(tmp_path, other):
            pass
        with locked(tmp_path, Shard(2, 2)):
            assert len(active_locks(tmp_path)) == 2
    with locked(tmp_path, other):
        assert len(active_locks(tmp_path)) == 1


def test_a_full_disk_is_an_error_before_any_work(small_disk):
    with pytest.raises(OSError), (small_disk / "large").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutputError, match="No space left"), locked(small_disk, Shard()):
        pass


def test_shards_with_different_pipelines_exclude_each_other(tmp_path):
    with locked(tmp_path, Shard(1, 2), "abc"):
        with pytest.raises(ConfigError, match="with another pipeline"), locked(tmp_path, Shard(2, 2), "def"):
            pass
        with locked(tmp_path, Shard(2, 2), "abc"):
            pass
    with locked(tmp_path, Shard(2, 2), "def"):
        pass


def test_looking_for_active_runs_keeps_no_run_from_starting(tmp_path):
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            active_locks(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(300):
            with locked(tmp_path, Shard(1, 2)):
                pass
    finally:
        stop.set()
        thread.join()


def test_active_runs_are_found_in_a_folder_without_write_permission(tmp_path, monkeypatch):
    opened = Path.open

    def read_only(path: Path, mode: str = "r") -> IO[Any]:
        if mode != "r":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    with locked(tmp_path, Shard()):
        monkeypatch.setattr(Path, "open", read_only)
        assert len(active_locks(tmp_path)) == 1


def test_a_file_system_without_locks_is_warned_of_once(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    for index in (2, 3, 4):  # of other tasks of an array
        (tmp_path / f"{Shard(index, 4)}.lock").touch()
    monkeypatch.setattr("fcntl.flock", no_locks)
    message = r"1-of-4\.lock cannot be locked \(No locks available\)"
    with pytest.warns(AvferWarning, match=message) as issued, locked(tmp_path, Shard(1, 4)):
        assert active_locks(tmp_path) == []
    assert len(issued) == 1


PLAN_MANY = """
import sys
from pathlib import Path
import psutil
from avfer.labelling.plan import write_plan
from avfer.inputs import InputFile
from avfer.labelling.status import write_totals
from avfer.labelling.store import Store
count = int(sys.argv[2])
files = (InputFile(f"subject{n % 97:04d}/session/clip{n:07d}.mp4", f"/corpora/large/subject{n % 97:04d}/session/clip"
           f"{n:07d}.mp4", "", 10**7 + n, 1.7e9 + n, f"etag:{n:032x}") for n in range(count))
store, before = Store(Path(sys.argv[1])), psutil.Process().memory_info().rss
plan = write_plan(files, None, store)
assert write_totals(store).left == len(plan) == count
print((psutil.Process().memory_info().rss - before) / 1e6)
"""


@pytest.mark.slow
def test_100_000_clips_are_planned_in_little_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PLAN_MANY, str(tmp_path / "out"), "100000"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) < 200  # MB


@pytest.mark.slow
def test_2000_clips_keep_the_parent_small_and_a_second_run_is_short(steady, tmp_path):
    """Planning takes less than a minute, a second run without work less than ten seconds of CPU time."""
    import psutil

    from tests.labelling.corpora import command, start
    from tests.media_maker import stripes, write_clip

    corpus = tmp_path / "corpus"
    corpus.mkdir()
    clip = write_clip(tmp_path / "one.mp4", stripes(1, 32, 48))
    for number in range(2000):
        os.link(clip, corpus / f"{number:04d}.mp4")
    begun, sizes = time.monotonic(), list[float]()
    arguments = command(steady, "--input", corpus, "--output", tmp_path / "out", "--quiet")
    with (tmp_path / "stdout").open("w") as stdout:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=stdout)
    planned = 0.0
    while process.poll() is None:
        status = psutil.Process(process.pid)
        if not planned and (tmp_path / "out/run.json").exists():
            planned = time.monotonic() - begun
        elif planned:
            sizes.append(status.memory_info().rss / 1e6)
        time.sleep(0.5)
    assert process.returncode == 0 and len((tmp_path / "stdout").read_text().splitlines()) == 2000
    early, late = max(sizes[: len(sizes) // 4]), max(sizes[len(sizes) // 4 :])
    print(f"planned after {planned:.1f} s; parent {early:.0f} MB early, {late:.0f} MB at most; {sizes[-1]:.0f} MB last")
    assert planned < 60 and late < early + 15
    assert len(labels(tmp_path / "out")) == 2000
    before, used = mtimes(tmp_path / "out"), cpu_seconds_of_ended_processes()
    again = start(steady, "--input", corpus, "--output", tmp_path / "out", "--quiet")
    assert again.communicate()[0] == "" and again.returncode == 0
    used = cpu_seconds_of_ended_processes() - used
    print(f"nothing to do: {used:.1f} s of CPU time")
    assert used < 10
    assert mtimes(tmp_path / "out") == before


def cpu_seconds_of_ended_processes() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
