"""Workers as processes of this machine: results, crashes, limits, errors, and the end of all processes."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from queue import SimpleQueue

import psutil
import pytest

from avfer.errors import OutputError, WeightsError
from avfer.executors.local import LocalExecutor, WorkerProcess, worker_environment
from avfer.executors.pool import Limits, LostItem, WorkerExited
from tests.executors.toy_tasks import Toy, Unloadable, taker
from tests.processes import avfer_threads


def mapped(items, task=None, **options):
    return list(LocalExecutor(**options).map(task or Toy(), taker(items)))


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_has_its_result(workers):
    items = [("double", number) for number in range(20)]
    assert sorted(mapped(items, workers=workers)) == [(item, item[1] * 2) for item in items]


def test_each_of_the_requested_workers_does_several_items():
    pids = [pid for _, pid in mapped([("pid", 0.3)] * 6, workers=2)]
    assert len(set(pids)) == 2 and os.getpid() not in pids


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, "crashed (SIGSEGV)"),
        (signal.SIGKILL, "was killed (SIGKILL)"),
        pytest.param(40, "crashed (signal 40)", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux")),
    ],
)
def test_a_crash_costs_only_the_item_of_its_worker(number, reason):
    results = mapped([("signal", int(number)), ("double", 1), ("double", 2)])
    assert [result for _, result in results[1:]] == [2, 4]
    assert isinstance(results[0][1], LostItem) and results[0][1].reason.startswith(reason)


def test_a_worker_leaves_what_it_loaded_out_of_collections():
    [(_, (enabled, frozen))] = mapped([("frozen", None)])
    assert enabled and frozen > 10_000  # the standard library alone makes more


def test_the_last_lines_of_a_crashed_worker_are_kept():
    (_, lost), *_ = mapped([("signal", int(signal.SIGSEGV))])
    assert "Segmentation fault" in lost.trace and "toy_tasks.py" in lost.trace


def test_an_unexpected_error_costs_the_worker_its_item_and_is_the_reason(tmp_path, monkeypatch):
    (tmp_path / "psutil.py").write_text("raise ImportError('from the current folder')")
    monkeypatch.chdir(tmp_path)  # whose modules no worker imports
    results = mapped([("raise", "CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"), ("double", 1)])
    lost = results[0][1]
    assert lost.reason == "raised RuntimeError: CUDA error: out of memory Compile with TORCH_USE_CUDA_DSA"
    assert "toy_tasks.py" in lost.trace and results[1][1] == 2


def test_an_item_for_a_worker_that_has_just_ended_is_lost_without_an_error():
    events = SimpleQueue()
    worker = WorkerProcess(worker_environment(1), events)
    worker.kill()
    worker.wait()
    worker.send(("double", 1))
    assert isinstance(events.get_nowait()[1], WorkerExited)


def test_a_machine_without_room_for_temporary_files_is_an_error_with_the_way_out(monkeypatch):
    def full(mode):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match=r"No space left on device; .*TMPDIR"):
        mapped([("double", 1)])


def test_an_item_over_the_time_limit_is_stopped_and_the_rest_is_done():
    results = dict(mapped([("sleep", 60), ("double", 1)], limits=Limits(seconds=0.5)))
    assert results["sleep", 60] == LostItem("took longer than 0.5 s (--max-seconds)", "")
    assert results["double", 1] == 2


def test_an_item_over_the_memory_limit_is_stopped_and_the_rest_is_done():
    results = dict(mapped([("eat", 300_000_000), ("double", 1)], limits=Limits(memory=2e8)))
    assert "0.2 GB" in results["eat", 300_000_000].reason
    assert results["double", 1] == 2


def test_a_lost_item_can_be_given_again():
    again, given = [("signal", 9)], []
    for item, result in LocalExecutor().map(Toy(), lambda: again.pop() if again else None):
        given.append(item)
        if isinstance(result, LostItem) and len(given) == 1:
            again.append(("double", 4))
    assert given == [("signal", 9), ("double", 4)]


@pytest.mark.parametrize(
    ("task", "items", "kind"),
    [(Toy(has_wrong_weights=True), [("double", 1)], WeightsError), (Toy(), [("fail", 0)], OutputError)],
)
def test_an_error_of_the_task_ends_the_map(task, items, kind):
    with pytest.raises(kind):
        mapped(items, task)


@pytest.mark.timeout(60)
def test_workers_that_cannot_import_the_task_end_with_the_reason():
    with pytest.raises(OutputError, match="3 workers ended while they loaded") as raised:
        mapped([("double", 1)], Unloadable())
    assert "a_module_that_does_not_exist" in str(raised.value)


def test_workers_that_crash_while_they_load_are_not_replaced_for_ever():
    with pytest.raises(OutputError, match=r"3 workers ended while they loaded.*SIGABRT"):
        mapped([("double", 1)], Toy(crashes_loading=True))


def test_closing_a_map_ends_its_workers_and_threads():
    before = set(psutil.Process().children())  # such as the browser of another test
    with closing(LocalExecutor(2).map(Toy(), taker([("double", 1), ("sleep", 60), ("sleep", 60)]))) as results:
        assert next(results) == (("double", 1), 2)
        workers = set(psutil.Process().children()) - before
        assert len(workers) == 2 and avfer_threads() == ["avfer-worker"] * 2
    assert not any(worker.is_running() for worker in workers) and avfer_threads() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_libraries_use_the_threads_of_the_pipeline_for_any_number_of_workers(workers):
    values = {value for _, value in mapped([("variable", "OMP_NUM_THREADS")] * 4, workers=workers, threads=3)}
    assert values == {"3"}


def test_what_a_task_prints_does_not_mix_with_results(capfd):
    assert mapped([("print", "hello")]) == [(("print", "hello"), "hello")]
    assert capfd.readouterr().out == ""


def test_a_worker_ends_with_its_parent():
    code = (
        "from avfer.executors.local import LocalExecutor\n"
        "from tests.executors.toy_tasks import Toy, Unloadable, taker\n"
        "list(LocalExecutor().map(Toy(), taker([('sleep', 60)])))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    status = psutil.Process(parent.pid)
    end = time.monotonic() + 20
    while not (children := status.children()) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(1.0)
    parent.kill()
    parent.wait()
    assert children and psutil.wait_procs(children, timeout=10)[1] == []
