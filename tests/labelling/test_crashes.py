"""Real processes: any of them killed at any moment, interrupts, clips that harm their worker, concurrent runs."""

import json
import math
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from avfer.labelling.label_corpus import label
from tests.labelling.corpora import failures, labels, mtimes, run, start, values, wait_until, write_corpus
from tests.labelling.rough_stage import PAUSE
from tests.media_maker import cut_off, stripes, write_clip

REAL = Path(__file__).parents[3] / "shared" / "data" / "clips"
KILLS = 20


def broken_clips(folder: Path) -> set[str]:
    """Write six files that cannot be labelled, each for another reason, and return their names."""
    whole = write_clip(folder / "whole.mp4", stripes(12))
    cut_off(whole, folder / "broken_index.mp4", 0.5)
    whole.unlink()
    (folder / "broken_empty.mp4").write_bytes(b"")
    (folder / "broken_text.mkv").write_text("no film")
    (folder / "broken_noise.avi").write_bytes(random.Random(0).randbytes(5000))
    (folder / "broken_zeros.webm").write_bytes(bytes(5000))
    (folder / "broken_riff.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVE")
    return {path.name for path in folder.glob("broken_*")}


@pytest.fixture
def sixty(tmp_path: Path) -> tuple[Path, set[str]]:
    """Return a folder of 60 clips, some of them real if they are available, and the names of 6 broken ones."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    broken = broken_clips(folder)
    small = [
        path for path in sorted(REAL.glob("*.mp*")) if path.stat().st_size < 300_000 and "truncated" not in path.name
    ]
    for path in small:
        shutil.copy(path, folder / path.name)
    count = 60 - len(broken) - len(small)
    write_corpus(folder, *(f"made/{number}.mp4" for number in range(count)))
    return folder, broken


@pytest.mark.slow
def test_twenty_kills_of_any_process_lose_no_clip_and_repeat_none(rough, sixty, tmp_path, request, monkeypatch):
    corpus, broken = sixty
    arguments = (rough, "--input", corpus, "--workers", "2", "--quiet")
    monkeypatch.setenv(PAUSE, "0.15")
    generator, out, done = random.Random(6), tmp_path / "out", dict[str, int]()
    kills, runs, midway = 0, 0, 0
    loading = 0.0  # s until the first clip is done
    while kills < KILLS:
        begun = time.monotonic()
        process = start(*arguments, "--output", out)
        clips = 1 if runs % 2 == 0 else generator.randint(1, 3)  # after so many the run is killed at the latest
        until = begun + generator.uniform(0.2, 1.0) * loading if loading and runs % 2 == 0 else math.inf
        wait_until(lambda: time.monotonic() > until or len(markers(out)) >= len(done) + clips, 300)  # noqa: B023
        loading = loading or time.monotonic() - begun
        kills += kill(process, generator)
        runs += 1
        assert {path: mtime for path, mtime in mtimes(out).items() if path in done} == done, "a clip was done again"
        done = {path: mtime for path, mtime in mtimes(out).items() if done_marker(out, path).exists()}
        midway += 0 < len(done) < 54
    assert midway > runs / 2
    monkeypatch.delenv(PAUSE)
    code, _, messages = run(*arguments, "--output", out)
    assert code == 3 and "Traceback" not in messages
    assert len(labels(out)) == 54 and set(failures(out)) == broken
    assert not list((out / ".parts").rglob("*.*"))
    request.getfixturevalue("in_process")
    label(rough, corpus, tmp_path / "undisturbed", device="cpu")
    assert values(out) == values(tmp_path / "undisturbed")
    assert failures(out) == failures(tmp_path / "undisturbed")


def markers(out: Path) -> list[Path]:
    return list(out.glob("done/**/*.json"))


def kill(process: subprocess.Popen[str], generator: random.Random) -> int:
    """Kill one of the processes that a run has started, if there is one, and soon after it the run itself.

    Return how many processes were killed. The run must not have ended before, unless it lost the process that loads the
    pipeline, before there are workers.
    """
    children = psutil.Process(process.pid).children(recursive=True)
    if children:
        with suppress(psutil.NoSuchProcess):
            generator.choice(children).kill()
    time.sleep(generator.uniform(0.0, 1.0))
    process.kill()
    _, messages = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL or "the pipeline cannot be loaded: its process was killed" in messages
    return 1 + bool(children)


def done_marker(out: Path, table: str) -> Path:
    return out / "done" / Path(table).relative_to(out / "clips").with_suffix(".json")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_finished_clips_and_leaves_no_process_and_no_part(rough, tmp_path, number):
    corpus, out = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(8))), tmp_path / "out"
    process = start(rough, "--input", corpus, "--output", out, "--workers", "2", "--set", "affect.pause=0.3")
    wait_until(lambda: len(list(out.glob("done/*.json"))) >= 2)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; finished clips are kept: the same command labels the others" in messages
    assert "Traceback" not in messages
    assert psutil.wait_procs(workers, timeout=5)[1] == []
    assert sorted(output.splitlines()) == sorted(map(str, out.glob("clips/*")))
    assert not list(out.glob(".parts/**/*.*"))
    totals = json.loads((out / "corpus.json").read_text())
    assert totals["done"] == len(output.splitlines()) and totals["failed"] == 0


@pytest.mark.slow
def test_clips_that_harm_their_worker_fail_and_the_rest_is_done(rough, tmp_path, monkeypatch):
    monkeypatch.setenv("AVFER_DEBUG", "1")
    corpus = write_corpus(tmp_path / "corpus", "crash.mp4", "hang.mp4", "greedy.mp4", "raise.mp4", "frail.mp4", "a.mp4")
    out = tmp_path / "out"
    code, _, messages = run(
        rough, "--input", corpus, "--output", out, "--workers", "2", "--max-seconds", "5", "--max-memory", "1.5"
    )
    failed = failures(out)
    assert code == 3 and set(labels(out)) == {"a.mp4", "frail.mp4"}
    assert failed["crash.mp4"]["reason"] == "its worker crashed (SIGSEGV), 2 times of 2"
    assert "rough_stage.py" in failed["crash.mp4"]["trace"]
    assert "took longer than 5 s" in failed["hang.mp4"]["reason"]
    assert "more than 1.5 GB" in failed["greedy.mp4"]["reason"]
    assert (failed["raise.mp4"]["stage"], failed["crash.mp4"]["stage"]) == ("affect", "worker")
    assert "frail.mp4: its worker was killed (SIGKILL), by a user or because memory ran out; it will be" in messages


@pytest.mark.slow
def test_two_runs_may_share_a_folder_only_as_shards_of_one_division(rough, tmp_path, avfer, in_process):
    corpus, out = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(6))), tmp_path / "out"
    arguments = (rough, "--input", corpus, "--output", out, "--set", "affect.pause=0.5")
    first = start(*arguments, "--shard", "1/2")
    wait_until(lambda: (out / "run.json").exists())
    for shard in (("--shard", "1/2"), ("--shard", "1/3"), ()):
        refused = avfer("label", *arguments, *shard)
        assert refused.code == 2 and f"process {first.pid}" in refused.err and "is labelling into" in refused.err
    assert avfer("label", *arguments, "--shard", "2/2").code == 0 and in_process.given
    first.communicate(timeout=60)
    assert first.returncode == 0 and len(labels(out)) == 6


@pytest.mark.slow
def test_workers_and_shards_do_not_change_values(rough, tmp_path, request):
    corpus = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(9)), "bad.mp4")
    for workers in (1, 2):
        assert label(rough, corpus, tmp_path / f"{workers}", workers=workers, device="cpu").failed == 1
    request.getfixturevalue("in_process")
    for index in (1, 2, 3):
        label(rough, corpus, tmp_path / "shards", shard=f"{index}/3", device="cpu")
    assert len(values(tmp_path / "1")) == 9
    assert values(tmp_path / "1") == values(tmp_path / "2") == values(tmp_path / "shards")
    texts = [(tmp_path / name / "failures.jsonl").read_text() for name in ("1", "2", "shards")]
    assert texts[0] == texts[1] == texts[2] != ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aver", "voice"])
def test_a_bundled_pipeline_gives_the_bytes_of_avfer_run(name, tmp_path):
    import avfer
    from tests.test_pipeline import DEMO

    totals = avfer.label(name, DEMO, tmp_path / "labels", workers=2, device="cpu")
    assert totals.done == 1
    avfer.load(name, device="cpu").run(DEMO).save(tmp_path / "run/clips/demo.mp4.parquet")
    assert values(tmp_path / "labels") == values(tmp_path / "run")
