"""Workers as actors of a Ray cluster, started here or joined; the output folder must be one that all of them see."""

import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil

from avfer.errors import AvferError, ConfigError, MissingExtra, OutputError
from avfer.executors import crew
from avfer.executors.local import POOLS, environment
from avfer.executors.protocol import Answer, Event, Gone, Limits, Ready, Task

LOCAL = "local"
POLL = 0.02  # seconds until a new call is waited for, too
STORE = 100 * 1024 * 1024  # bytes for Ray's objects: ours are small


@dataclass(frozen=True)
class RayWishes:
    """Where, how many, and on what."""

    address: str  # "local" starts a cluster on this machine
    workers: int  # at most
    device: str = "auto"  # a kind, or several with a comma: "cuda,cpu" fills GPUs first, then the cores that are left
    gpus_per_worker: float = 1.0


class RayExecutor:
    """As many actors as the cluster has room for, each with its share of a GPU or with cores."""

    def __init__(self, wishes: RayWishes, limits: Limits | None = None, threads: int = 1) -> None:
        self._wishes, self._limits, self._threads = wishes, limits or Limits(), threads

    def map(self, task: Task, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """See `Executor.map`. Ray prints on standard output when a worker dies; that is told by us, elsewhere."""
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            place = _Cluster(self._wishes, self._limits.memory, self._threads)
            yield from crew.work(place, task, take, self._limits)


class _Cluster:
    """Hires actors.

    A thread waits for them: the exception of a Ctrl-C would be lost inside Ray's own waiting.
    """

    def __init__(self, wishes: RayWishes, memory: float | None, threads: int) -> None:
        self._ray = _connected(wishes.address)
        self._memory, self._threads, self._gpus = memory, threads, wishes.gpus_per_worker
        self._free = kinds(self._ray.cluster_resources(), wishes, threads)
        self.size = len(self._free)
        self._variables = _variables(wishes.address, threads)
        self._calls: dict[Any, Actor] = {}  # a reference to what is being done -> who does it
        self._heard: SimpleQueue[tuple[Actor, Event]] = SimpleQueue()
        self._closed = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def hire(self, task: Task) -> "Actor":
        device = self._free.pop(0)
        options = {"num_cpus": self._threads, "num_gpus": self._gpus if device == "cuda" else 0, "max_restarts": 0}
        remote = self._ray.remote(Bench).options(**options, runtime_env={"env_vars": self._variables})
        actor = Actor(self._ray, remote.remote(self._memory), device, self._calls)
        actor.load(task)
        return actor

    def events(self, seconds: float) -> "Iterator[tuple[Actor, Event]]":
        """All that is waiting; the device of a dead actor is free again."""
        with suppress(Empty):
            yield self._hear(self._heard.get(timeout=seconds))
            while True:
                yield self._hear(self._heard.get_nowait())
        if not self._listener.is_alive():
            raise OutputError("the Ray cluster is gone; run the same command again, finished clips are kept")

    def close(self) -> None:
        """Leave the cluster; its actors end with us."""
        self._closed.set()
        self._listener.join()
        self._ray.shutdown()

    def _hear(self, heard: "tuple[Actor, Event]") -> "tuple[Actor, Event]":
        if isinstance(heard[1], Gone):
            heard[0].kill()
            self._free.append(heard[0].device)
        return heard

    def _listen(self) -> None:
        """Queue what calls give, as they end."""
        while not self._closed.is_set():
            calls = list(self._calls)
            ready, _ = self._ray.wait(calls, num_returns=1, timeout=POLL) if calls else ([], [])
            for call in ready:
                self._heard.put((self._calls.pop(call), self._result(call)))
            if not calls:
                self._closed.wait(POLL)

    def _result(self, call: Any) -> Event:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return Gone("died", " ".join(str(error).split()))


class Actor:
    """One worker, as the driver sees it."""

    def __init__(self, ray: Any, handle: Any, device: str, calls: "dict[Any, Actor]") -> None:
        self._ray, self._handle, self.device, self._calls = ray, handle, device, calls

    def load(self, task: Task) -> None:
        self._calls[self._handle.load.remote(pickle.dumps(task.on(self.device)))] = self

    def give(self, item: Any) -> None:
        self._calls[self._handle.call.remote(item)] = self

    def memory(self) -> float:
        """The actor looks after that itself: it is the one that stands beside."""
        return 0.0

    def kill(self) -> None:
        self._ray.kill(self._handle)


class Bench:
    """The process of an actor. What is called runs in a thread, so that its memory can be looked at meanwhile."""

    def __init__(self, memory: float | None) -> None:
        self._memory = memory
        self._call: Callable[[Any], Any] | None = None

    def load(self, task: bytes) -> Event:
        """Make ready; Refused where the task cannot work."""
        return self._beside(self._load, task)

    def call(self, item: Any) -> Event:
        """Work on an item; Gone where that takes too much memory, after which the actor is of no more use."""
        return self._beside(self._work, item)

    def _load(self, task: bytes) -> Event:
        self._call = pickle.loads(task).load()
        return Ready()

    def _work(self, item: Any) -> Event:
        assert self._call is not None
        return Answer(self._call(item))

    def _beside(self, function: Callable[[Any], Event], argument: Any) -> Event:
        result: list[Event] = []

        def run() -> None:
            try:
                result.append(function(argument))
            except AvferError as error:
                result.append(crew.told(error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        process = psutil.Process()
        while thread.is_alive():
            thread.join(crew.TICK)
            if self._memory is not None and not result and process.memory_info().rss > self._memory:
                return Gone(crew.over_memory(self._memory))
        return result[0] if result else Gone("broke down")


def _connected(address: str) -> Any:
    """Ray, connected. MissingExtra without it, ConfigError where no cluster answers."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("--ray", "ray", "ray") from error
    here: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE}
    before = signal.getsignal(signal.SIGTERM)
    try:
        _check_address(address)
        ray.init(
            address=address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            **(here if address == LOCAL else {}),
        )
    except (OSError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(f"no Ray cluster at '{address}': {told}; --ray local starts one here") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has put its own there
    return ray


def _check_address(address: str) -> None:
    """OSError where nobody listens: Ray itself would wait for minutes."""
    host, _, port = address.partition("://")[2 if "://" in address else 0].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()


def kinds(resources: dict[str, float], wishes: RayWishes, threads: int) -> list[str]:
    """The device of every worker there is room for. ConfigError where there is room for none."""
    gpus, cpus = resources.get("GPU", 0.0), resources.get("CPU", 0.0)
    asked = wishes.device.split(",")
    if asked == ["auto"]:
        asked = ["cuda"] if gpus else ["cpu"]
    found: list[str] = []
    for device in asked:
        room = (cpus - len(found) * threads) / threads
        if device.startswith("cuda"):
            room = min(room, gpus / wishes.gpus_per_worker)
        found += [device] * int(room + 1e-9)
    if not found:
        raise ConfigError(f"the Ray cluster has no room for a worker: {gpus:g} GPUs and {cpus:g} cores in all")
    return found[: wishes.workers]


def _variables(address: str, threads: int) -> dict[str, str]:
    """What workers find in their environment; other machines have import paths of their own."""
    pools = dict.fromkeys(POOLS, str(threads))
    return pools | {"PYTHONPATH": environment(threads)["PYTHONPATH"]} if address == LOCAL else pools
