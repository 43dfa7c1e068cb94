"""Real processes: any of them killed at any moment, interrupts, clips that harm their worker, concurrent runs."""

import json
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.labelling.corpora import failures, labels, mtimes, run, start, values, wait_until, write_corpus
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
def test_twenty_kills_of_any_process_lose_no_clip_and_repeat_none(rough, sixty, tmp_path):
    corpus, broken = sixty
    arguments = (rough, "--input", corpus, "--workers", "2", "--set", "affect.pause=0.2", "--quiet")
    begun = time.monotonic()
    undisturbed = start(*arguments, "--output", tmp_path / "undisturbed")
    wait_until(lambda: any(tmp_path.glob("undisturbed/done/**/*.json")))
    loading = time.monotonic() - begun  # so that kills happen during loading as well as during work
    undisturbed.communicate()
    assert undisturbed.returncode == 3
    generator, out, midway, done = random.Random(6), tmp_path / "out", 0, dict[str, int]()
    for _ in range(KILLS):
        process = start(*arguments, "--output", out)
        kill_one(process, generator, loading)
        assert {path: mtime for path, mtime in mtimes(out).items() if path in done} == done, "a clip was done again"
        done = {path: mtime for path, mtime in mtimes(out).items() if done_marker(out, path).exists()}
        midway += 0 < len(done) < 54
    assert midway > KILLS / 2
    code, _, messages = run(*arguments, "--output", out)
    assert code == 3 and "Traceback" not in messages
    assert set(failures(out)) == broken
    assert failures(out) == failures(tmp_path / "undisturbed")
    assert values(out) == values(tmp_path / "undisturbed")
    assert len(labels(out)) == 54
    assert not list((out / ".parts").rglob("*.*"))


def kill_one(process: subprocess.Popen[str], generator: random.Random, loading: float) -> None:
    """Kill one process of a run at a random moment, and soon after the run itself if it is still there.

    loading: seconds until the first clip is done.
    """
    run_process = psutil.Process(process.pid)
    time.sleep(generator.uniform(0.2 * loading, 1.2 * loading + 2.0))
    with suppress(psutil.NoSuchProcess):
        generator.choice([run_process, *run_process.children(recursive=True)]).kill()
    time.sleep(generator.uniform(0.0, 1.0))
    process.kill()
    process.communicate(timeout=30)


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
    assert "interrupted" in messages and "Traceback" not in messages
    assert psutil.wait_procs(workers, timeout=5)[1] == []
    assert sorted(output.splitlines()) == sorted(map(str, out.glob("clips/*")))
    assert not list(out.glob(".parts/**/*.*"))
    totals = json.loads((out / "corpus.json").read_text())
    assert totals["done"] == len(output.splitlines()) and totals["failed"] == 0


@pytest.mark.slow
def test_clips_that_harm_their_worker_fail_and_the_rest_is_done(rough, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", "crash.mp4", "hang.mp4", "greedy.mp4", "raise.mp4", "frail.mp4", "a.mp4")
    out = tmp_path / "out"
    code, _, messages = run(
        rough, "--input", corpus, "--output", out, "--workers", "2", "--max-seconds", "8", "--max-memory", "1.5"
    )
    failed = failures(out)
    assert code == 3 and set(labels(out)) == {"a.mp4", "frail.mp4"}
    assert failed["crash.mp4"]["reason"] == "its worker crashed (SIGSEGV), 2 times of 2"
    assert "rough_stage.py" in failed["crash.mp4"]["trace"]
    assert "took longer than 8 s" in failed["hang.mp4"]["reason"]
    assert "more than 1.5 GB" in failed["greedy.mp4"]["reason"]
    assert (failed["raise.mp4"]["stage"], failed["crash.mp4"]["stage"]) == ("affect", "worker")
    assert "frail.mp4: its worker was killed (SIGKILL), by a user or because memory ran out; it will be" in messages


@pytest.mark.slow
def test_two_runs_may_share_a_folder_only_as_shards_of_one_division(rough, tmp_path):
    corpus, out = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(6))), tmp_path / "out"
    first = start(rough, "--input", corpus, "--output", out, "--shard", "1/2", "--set", "affect.pause=1.0")
    wait_until(lambda: (out / "run.json").exists())
    for shard in (("--shard", "1/2"), ("--shard", "1/3"), ()):
        code, _, messages = run(rough, "--input", corpus, "--output", out, *shard)
        assert code == 2 and f"process {first.pid}" in messages and "is labelling into" in messages
    assert run(rough, "--input", corpus, "--output", out, "--shard", "2/2", "--set", "affect.pause=1.0")[0] == 0
    first.communicate(timeout=60)
    assert first.returncode == 0 and len(labels(out)) == 6


@pytest.mark.slow
def test_workers_and_shards_do_not_change_values(rough, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(9)), "bad.mp4")
    for workers in ("1", "2"):
        assert run(rough, "--input", corpus, "--output", tmp_path / workers, "--workers", workers)[0] == 3
    for index in (1, 2, 3):
        run(rough, "--input", corpus, "--output", tmp_path / "shards", "--shard", f"{index}/3", "--workers", "1")
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
