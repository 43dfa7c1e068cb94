"""Processes of this machine: all items, deaths told, limits kept, errors passed on, nothing left running."""

import os
import signal
import sys

import psutil
import pytest

from avfer.errors import OutputError, WeightsError
from avfer.executors.local import LocalExecutor
from avfer.executors.protocol import Limits, Lost
from tests.executors.toy_tasks import Toy, taker


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    assert psutil.Process().children() == []


def mapped(items, task=None, **options):
    return list(LocalExecutor(**options).map(task or Toy(), taker(items)))


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_has_its_result(workers):
    items = [("double", number) for number in range(20)]
    assert sorted(mapped(items, workers=workers)) == [(item, item[1] * 2) for item in items]


def test_workers_are_as_many_as_asked_and_live_on():
    pids = [pid for _, pid in mapped([("pid", 0.3)] * 6, workers=2)]
    assert len(set(pids)) == 2 and os.getpid() not in pids


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGSEGV, r"crashed (SIGSEGV)"), (signal.SIGKILL, "was killed (SIGKILL)")]
)
def test_a_death_costs_its_own_item_alone(number, told):
    results = mapped([("signal", int(number)), ("double", 1), ("double", 2)])
    assert [result for _, result in results[1:]] == [2, 4]
    assert isinstance(results[0][1], Lost) and results[0][1].reason.startswith(told)


def test_the_last_words_of_a_dead_worker_are_kept():
    (_, lost), *_ = mapped([("signal", int(signal.SIGSEGV))])
    assert "Segmentation fault" in lost.trace and "toy_tasks.py" in lost.trace


def test_a_late_item_is_ended_and_the_rest_goes_on():
    results = dict(mapped([("sleep", 60), ("double", 1)], limits=Limits(seconds=0.5)))
    assert results["sleep", 60] == Lost("took longer than 0.5 s (--max-seconds)", "")
    assert results["double", 1] == 2


def test_a_greedy_item_is_ended_and_the_rest_goes_on():
    results = dict(mapped([("eat", 300_000_000), ("double", 1)], limits=Limits(memory=2e8)))
    assert "0.2 GB" in results["eat", 300_000_000].reason
    assert results["double", 1] == 2


def test_a_lost_item_can_be_given_again():
    again, given = [("signal", 9)], []
    for item, result in LocalExecutor().map(Toy(), lambda: again.pop() if again else None):
        given.append(item)
        if isinstance(result, Lost) and len(given) == 1:
            again.append(("double", 4))
    assert given == [("signal", 9), ("double", 4)]


@pytest.mark.parametrize(
    ("task", "items", "kind"), [(Toy(refuses=True), [("double", 1)], WeightsError), (Toy(), [("fail", 0)], OutputError)]
)
def test_an_error_of_the_task_ends_the_map(task, items, kind):
    with pytest.raises(kind):
        mapped(items, task)


def test_workers_that_die_while_they_load_are_not_replaced_for_ever():
    with pytest.raises(OutputError, match=r"3 workers died while they loaded.*SIGABRT"):
        mapped([("double", 1)], Toy(dies_loading=True))


def test_a_map_that_is_left_ends_its_workers():
    results = LocalExecutor(2).map(Toy(), taker([("double", 1), ("sleep", 60), ("sleep", 60)]))
    assert next(results) == (("double", 1), 2)
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_of_libraries_are_the_pipelines_whatever_the_number_of_workers(workers):
    told = {value for _, value in mapped([("variable", "OMP_NUM_THREADS")] * 4, workers=workers, threads=3)}
    assert told == {"3"}


def test_what_a_task_prints_is_no_answer(capfd):
    assert mapped([("print", "hello")]) == [(("print", "hello"), "hello")]
    assert capfd.readouterr().out == ""


def test_a_worker_ends_with_its_parent(tmp_path):
    import subprocess
    import time

    code = (
        "from avfer.executors.local import LocalExecutor\n"
        "from tests.executors.toy_tasks import Toy, taker\n"
        "list(LocalExecutor().map(Toy(), taker([('sleep', 60)])))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    seen = psutil.Process(parent.pid)
    end = time.monotonic() + 20
    while not (children := seen.children()) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(1.0)
    parent.kill()
    parent.wait()
    assert children and psutil.wait_procs(children, timeout=10)[1] == []
