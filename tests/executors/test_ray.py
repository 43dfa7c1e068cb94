"""A real Ray cluster of several processes on this machine."""

import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from avfer.errors import ConfigError
from avfer.executors.ray import RayOptions, worker_devices
from avfer.labelling.label_corpus import label
from tests.labelling.corpora import ROOT, failures, run, start, values, wait_until, write_corpus

pytest.importorskip("ray", reason="the extra 'ray' is not installed")


@pytest.mark.parametrize(
    ("resources", "device", "share", "workers", "found"),
    [
        ({"CPU": 4}, "auto", 1.0, 9, ["cpu"] * 4),
        ({"CPU": 4}, "auto", 1.0, 2, ["cpu"] * 2),
        ({"CPU": 8, "GPU": 2}, "auto", 1.0, 9, ["cuda"] * 2),
        ({"CPU": 8, "GPU": 2}, "auto", 0.25, 9, ["cuda"] * 8),
        ({"CPU": 8, "GPU": 2}, "cuda,cuda", 0.6, 9, ["cuda"] * 2),
        ({"CPU": 8, "GPU": 3}, "cuda", 2.0, 9, ["cuda"]),
        ({"CPU": 3, "GPU": 2}, "cuda", 0.25, 9, ["cuda"] * 3),
        ({"CPU": 4, "GPU": 1}, "cuda,cpu", 0.5, 9, ["cuda", "cuda", "cpu", "cpu"]),
        ({"CPU": 4, "GPU": 1}, "cpu", 1.0, 9, ["cpu"] * 4),
    ],
)
def test_workers_use_all_devices_of_the_cluster(resources, device, share, workers, found):
    assert worker_devices(resources, RayOptions("local", workers, device, share), threads=1) == found


def test_a_cluster_without_room_for_a_worker_is_an_error():
    with pytest.raises(ConfigError, match="0 GPUs and 4 cores"):
        worker_devices({"CPU": 4}, RayOptions("local", 9, "cuda"), threads=1)


CONNECTED_BEFORE = """
import ray
from avfer.executors.ray import RayExecutor, RayOptions
from tests.executors.toy_tasks import Toy, taker

@ray.remote
class Other:
    def value(self):
        return 42

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
other = Other.options(num_cpus=0).remote()
for number in (1, 2):  # the only core is free again the second time
    executor = RayExecutor(RayOptions("local", 1, "cpu"))
    assert [result for _, result in executor.map(Toy(), taker([("double", number)]))] == [2 * number]
assert ray.get(other.value.remote()) == 42
"""


@pytest.mark.slow
def test_a_program_that_is_connected_to_a_cluster_stays_so():
    done = subprocess.run(
        [sys.executable, "-c", CONNECTED_BEFORE], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr


def actors_of(driver: psutil.Process) -> list[psutil.Process]:
    """Return the processes of the actors that `avfer label` started."""
    found = list[psutil.Process]()
    for process in driver.children(recursive=True):
        with suppress(psutil.Error):
            if "ray::ActorProcess" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.slow
def test_a_killed_actor_loses_no_clip_and_the_values_equal_those_of_processes(rough, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", *(f"{n}.mp4" for n in range(9)), "bad.mp4")
    label(rough, corpus, tmp_path / "local", device="cpu", workers=2)
    write_corpus(corpus, "crash.mp4")
    slow = ("--set", "affect.pause=0.3", "--input", corpus)
    process = start(rough, *slow, "--output", tmp_path / "ray", "--ray", "local", "--workers", "2")
    wait_until(lambda: len(list(tmp_path.glob("ray/done/*.json"))) >= 2, 120)
    actors = actors_of(psutil.Process(process.pid))
    assert len(actors) == 2
    actors[0].kill()
    _, messages = process.communicate(timeout=180)
    assert process.returncode == 3
    assert "its worker died" in messages and "it will be tried again" in messages
    assert values(tmp_path / "ray") == values(tmp_path / "local") and len(values(tmp_path / "ray")) == 9
    failed = failures(tmp_path / "ray")
    assert set(failed) == {"bad.mp4", "crash.mp4"}
    assert failed["crash.mp4"]["reason"].startswith("its worker died, 2 times of 2 (AVFER_DEBUG=1")
    assert failed["bad.mp4"]["reason"] == failures(tmp_path / "local")["bad.mp4"]["reason"]


@pytest.mark.slow
def test_limits_apply_on_ray_and_an_interrupt_ends_the_cluster(rough, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", "hang.mp4", "greedy.mp4", "a.mp4")
    limits = ("--max-seconds", "4", "--max-memory", "1.2")
    code, _, _ = run(rough, "--input", corpus, "--output", tmp_path / "out", "--ray", "local", *limits)
    failed = failures(tmp_path / "out")
    assert code == 3 and len(values(tmp_path / "out")) == 1
    assert "took longer than 4 s" in failed["hang.mp4"]["reason"]
    assert "more than 1.2 GB" in failed["greedy.mp4"]["reason"]

    process = start(rough, "--input", corpus, "--output", tmp_path / "out", "--ray", "local", "--retry-failed")
    status = psutil.Process(process.pid)
    wait_until(lambda: actors_of(status), 120)
    children = status.children(recursive=True)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert psutil.wait_procs(children, timeout=20)[1] == []


@pytest.mark.slow
def test_an_address_without_a_cluster_is_wrong_usage(rough, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", "a.mp4")
    code, _, messages = run(rough, "--input", corpus, "--output", tmp_path / "out", "--ray", "127.0.0.1:1")
    assert code == 2 and "no Ray cluster at '127.0.0.1:1'" in messages and "Traceback" not in messages
