"""Workers as processes of this machine, each with a model of its own."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import psutil

from avfer.executors import crew
from avfer.executors.protocol import Event, Gone, Limits, Task

POOLS: tuple[str, ...] = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
TAIL = 20_000  # bytes of what a dead worker wrote last

Events = SimpleQueue[tuple["Process", Event]]


class LocalExecutor:
    """`workers` processes at most; `threads` of each numeric library in each, which must not depend on `workers`.

    The number of threads can change the last bits of a product of matrices, so it is the pipeline's to say.
    """

    def __init__(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> None:
        self._workers, self._limits, self._threads = workers, limits or Limits(), threads

    def map(self, task: Task, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """See `Executor.map`."""
        place = _Machine(self._workers, environment(self._threads))
        yield from crew.work(place, task, take, self._limits)


def environment(threads: int) -> dict[str, str]:
    """The variables of a worker: this process' own, its import path, and so many threads for every library."""
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    return os.environ | dict.fromkeys(POOLS, str(threads)) | {"PYTHONPATH": path}


class _Machine:
    """Hires processes here."""

    def __init__(self, size: int, variables: dict[str, str]) -> None:
        self.size, self._variables = size, variables
        self._events: Events = SimpleQueue()
        self._processes: list[Process] = []

    def hire(self, task: Task) -> "Process":
        process = Process(self._variables, self._events)
        self._processes.append(process)
        process.give(task)
        return process

    def events(self, seconds: float) -> "Iterator[tuple[Process, Event]]":
        """All that is waiting; dead processes are forgotten."""
        with suppress(Empty):
            yield self._hear(self._events.get(timeout=seconds))
            while True:
                yield self._hear(self._events.get_nowait())

    def close(self) -> None:
        """End all: what a worker has half done lies aside, where the run sweeps it away."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def _hear(self, heard: "tuple[Process, Event]") -> "tuple[Process, Event]":
        if isinstance(heard[1], Gone):
            self._processes.remove(heard[0])
        return heard


class Process:
    """A worker that hears orders on its standard input and answers on its standard output, both as pickles.

    It is no child of `multiprocessing`, so a script needs no `if __name__ == "__main__"` and a notebook works too.
    """

    def __init__(self, variables: dict[str, str], events: Events) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from avfer.executors.child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=variables,
            start_new_session=True,  # Ctrl-C is for the parent alone
        )
        self._seen = psutil.Process(self._process.pid)
        self._listener = threading.Thread(target=self._hear, args=(events,), daemon=True)
        self._listener.start()

    def give(self, item: Any) -> None:
        assert self._process.stdin
        with suppress(OSError):  # it is dead, of which an event will tell
            pickle.dump(item, self._process.stdin)
            self._process.stdin.flush()

    def memory(self) -> float:
        """Bytes resident."""
        with suppress(psutil.Error):
            return float(self._seen.memory_info().rss)
        return 0.0

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        """Wait for the end and all that is said of it."""
        self._listener.join()

    def _hear(self, events: Events) -> None:
        """Pass on what the worker says until it ends."""
        assert self._process.stdout
        with self._process.stdout as answers, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                events.put((self, pickle.load(answers)))
        self._process.kill()  # it cannot be understood any more, if it lives
        code = self._process.wait()
        with suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        events.put((self, Gone(_death(code), self._last_words())))

    def _last_words(self) -> str:
        with self._log as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith("Extension modules:")).strip()


def _death(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"left with code {code}"
    if -code == signal.SIGKILL:
        return "was killed (SIGKILL), by hand or for want of memory"
    return f"crashed ({signal.Signals(-code).name})"
