"""Workers as actors of a Ray cluster, which is started here or exists. All its machines must reach the output folder.

The loop of `pool` decides what an actor does; Ray places the actors, restarts none of them (max_restarts=0), and
reports those that end. An actor checks its own memory, because its process may run on another machine.
"""

import logging
import os
import pickle
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil

from avfer.errors import AvferError, ConfigError, MissingExtra, OutputError, counted
from avfer.executors.local import THREAD_VARIABLES, worker_environment
from avfer.executors.pool import (
    POLL_SECONDS,
    Event,
    Limits,
    TaskResult,
    WorkerExited,
    WorkerReady,
    WorkerTask,
    error_reason,
    memory_reason,
    queued_items,
    run_pool,
    serialize_error,
)

LOCAL = "local"
CALL_POLL_SECONDS = 0.02  # s, longest wait for the running calls before new ones are added to them
OBJECT_STORE = 100 * 1024 * 1024  # bytes for Ray's objects; items and results are small


@dataclass(frozen=True)
class RayOptions:
    """Which cluster to use, how many actors to start, and on which devices."""

    address: str  # "local" starts a cluster on this machine
    workers: int  # at most
    device: str = "auto"  # a kind, or several with a comma: "cuda,cpu" fills GPUs first, then the remaining cores
    gpus_per_worker: float = 1.0  # share of a GPU for each actor on one


class RayExecutor:
    """Runs tasks in as many actors as the cluster has room for, each with its share of a GPU or with cores.

    options: cluster, number of actors and devices; limits: seconds and memory of one item, None for no limit; threads:
    CPU threads of each actor.
    """

    def __init__(self, options: RayOptions, limits: Limits | None = None, threads: int = 1) -> None:
        self._options, self._limits, self._threads = options, limits or Limits(), threads

    def map(self, task: WorkerTask, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """Map a task over items; see `avfer.executors.pool.Executor.map`.

        Standard output is redirected meanwhile, because Ray prints there when a worker ends, which events report.
        """
        with Path(os.devnull).open("w") as devnull, redirect_stdout(devnull):
            backend = _RayBackend(self._options, self._limits.memory, self._threads)
            yield from run_pool(backend, task, take, self._limits)


class _RayBackend:
    """Starts actors. A thread waits for their calls, because Ray would swallow a Ctrl-C in the main thread.

    Each device of the cluster (see worker_devices) has one actor at a time; it is free again when the actor ends.
    """

    def __init__(self, options: RayOptions, memory: float | None, threads: int) -> None:
        self._ray, self._is_ours = _connect(options.address)
        self._actors: list[Actor] = []  # that have not ended
        self._memory, self._threads, self._gpus = memory, threads, options.gpus_per_worker
        self._free = worker_devices(self._ray.cluster_resources(), options, threads)  # devices without an actor
        self.size = len(self._free)
        self._variables = _actor_environment(options.address, threads)
        self._calls: dict[Any, Actor] = {}  # reference to a running call -> its actor
        self._events: SimpleQueue[tuple[Actor, Event]] = SimpleQueue()
        self._closed = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="avfer-ray", daemon=True)
        self._listener.start()

    def start_worker(self, task: WorkerTask) -> "Actor":
        device = self._free.pop(0)
        options = {"num_cpus": self._threads, "num_gpus": self._gpus if device == "cuda" else 0, "max_restarts": 0}
        remote = self._ray.remote(ActorProcess).options(**options, runtime_env={"env_vars": self._variables})
        actor = Actor(self._ray, remote.remote(self._memory), device, self._calls)
        actor.load(task)
        self._actors.append(actor)
        return actor

    def events(self, seconds: float) -> "Iterator[tuple[Actor, Event]]":
        for actor, event in queued_items(self._events, seconds):
            if isinstance(event, WorkerExited):  # its device is free again
                actor.kill()
                self._actors.remove(actor)
                self._free.append(actor.device)
            yield actor, event
        if not self._listener.is_alive():
            message = "the connection to the Ray cluster is lost"
            raise OutputError(f"{message}; run the same command again, finished clips are kept")

    def close(self) -> None:
        """Disconnect from the cluster, which ends our actors; end them alone if the program was connected before."""
        self._closed.set()
        self._listener.join()
        if self._is_ours:
            self._ray.shutdown()
            return
        for actor in self._actors:
            actor.kill()

    def _listen(self) -> None:
        """Queue the results of calls as they end."""
        while not self._closed.is_set():
            calls = list(self._calls)
            ready, _ = self._ray.wait(calls, num_returns=1, timeout=CALL_POLL_SECONDS) if calls else ([], [])
            for call in ready:
                self._events.put((self._calls.pop(call), self._result(call)))
            if not calls:
                self._closed.wait(CALL_POLL_SECONDS)

    def _result(self, call: Any) -> Event:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return WorkerExited("died", " ".join(str(error).split()))


class Actor:
    """The handle of a worker on a Ray cluster.

    ray: the imported module; device: kind of its device; calls: running call -> its actor, shared by all actors.
    """

    def __init__(self, ray: Any, handle: Any, device: str, calls: "dict[Any, Actor]") -> None:
        self._ray, self._handle, self.device, self._calls = ray, handle, device, calls

    def load(self, task: WorkerTask) -> None:
        """Send the task, for the device of this actor."""
        self._calls[self._handle.load.remote(pickle.dumps(task.with_device(self.device)))] = self

    def send(self, item: Any) -> None:
        """Send an item."""
        self._calls[self._handle.call.remote(item)] = self

    def memory(self) -> float:
        """Return 0: the actor checks its memory itself, because it may run on another machine."""
        return 0.0

    def kill(self) -> None:
        """End the actor at once."""
        self._ray.kill(self._handle)


class ActorProcess:
    """The remote side of an actor. Calls run in a thread, so that the memory can be checked meanwhile.

    memory: limit in bytes of resident memory; None: no limit. The methods return events of `pool`.
    """

    def __init__(self, memory: float | None) -> None:
        self._memory = memory  # limit in bytes
        self._call: Callable[[Any], Any] | None = None

    def load(self, task: bytes) -> Event:
        """Load a pickled task; return WorkerReady, or TaskError if it raised an AvferError."""
        return self._in_thread(self._load, task)

    def call(self, item: Any) -> Event:
        """Return the result of an item; WorkerExited if it took too much memory, after which the actor is unusable."""
        return self._in_thread(self._work, item)

    def _load(self, task: bytes) -> Event:
        self._call = pickle.loads(task).load()
        return WorkerReady()

    def _work(self, item: Any) -> Event:
        assert self._call is not None
        return TaskResult(self._call(item))

    def _in_thread(self, function: Callable[[Any], Event], argument: Any) -> Event:
        result: list[Event] = []

        def run() -> None:
            try:
                result.append(function(argument))
            except AvferError as error:
                result.append(serialize_error(error))
            except Exception as error:
                result.append(WorkerExited(error_reason(error), traceback.format_exc()))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        process = psutil.Process()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if self._memory is not None and not result and process.memory_info().rss > self._memory:
                return WorkerExited(memory_reason(self._memory))
        return result[0] if result else WorkerExited("ended its thread")  # sys.exit in the task


def _connect(address: str) -> tuple[Any, bool]:
    """Return the module ray, connected to a cluster, and whether this call connected it; "local" starts one here.

    A program that is connected to a cluster already stays so.

    Raises MissingExtra if Ray is not installed, ConfigError if no cluster answers at the address.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("--ray", "ray", "ray") from error
    is_ours = not ray.is_initialized()
    local_options: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _check_address(address)
        ray.init(
            address=address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            **(local_options if address == LOCAL else {}),
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"no Ray cluster at '{address}': {reason}; --ray local starts one here") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # ray.init has replaced it
    return ray, is_ours


def _check_address(address: str) -> None:
    """Raise OSError if no process accepts connections at an address; Ray itself would wait for minutes."""
    host, _, port = address.partition("://")[2 if "://" in address else 0].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()


def worker_devices(resources: dict[str, float], options: RayOptions, threads: int) -> list[str]:
    """Return the device of every worker that the cluster has room for, at most `options.workers`.

    Devices are used in the order of `options.device`; "auto" means GPUs if there are any, else cores. A worker on a
    GPU takes `options.gpus_per_worker` of it and `threads` cores, a worker on the CPU `threads` cores.

    resources: of the whole cluster: {"CPU": 8.0, "GPU": 2.0}; threads: cores of each worker.
    Raises ConfigError if there is no room for a single one.
    """
    gpus, cpus = resources.get("GPU", 0.0), resources.get("CPU", 0.0)
    devices, share = list(dict.fromkeys(options.device.split(","))), options.gpus_per_worker
    if devices == ["auto"]:
        devices = ["cuda"] if gpus else ["cpu"]
    found: list[str] = []
    for device in devices:
        room = (cpus - len(found) * threads) / threads
        if device.startswith("cuda"):
            # A worker that needs a part of a GPU takes it from a single one.
            room = min(room, gpus / share if share > 1 else gpus * int(1 / share + 1e-9))
        found += [device] * int(room + 1e-9)
    if not found:
        raise ConfigError(
            f"the Ray cluster has no room for a worker: {gpus:g} GPUs and {cpus:g} cores in all;"
            f" a worker on {options.device} needs {counted(threads, 'core')} (threads: in the pipeline);"
            " see --gpus-per-worker"
        )
    return found[: options.workers]


def _actor_environment(address: str, threads: int) -> dict[str, str]:
    """Return the variables of the actors; machines of another cluster keep their own import paths."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return variables | {"PYTHONPATH": worker_environment(threads)["PYTHONPATH"]} if address == LOCAL else variables
