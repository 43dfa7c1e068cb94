"""Workers as processes of this machine, each with a pipeline of its own.

A worker is `python -c "...worker_main()"` with pickles on its standard input (the task, then items) and output
(events). It is not a child of `multiprocessing`, so that a script needs no `if __name__ == "__main__"` and a notebook
works too. What libraries print goes to a log file, whose end becomes the trace of a worker that crashes. A worker ends
as soon as its standard input does, so none outlives the parent, however that ends.
"""

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, BinaryIO

import psutil

from avfer.atomic import output_error
from avfer.errors import AvferError
from avfer.executors.pool import (
    Event,
    Limits,
    TaskResult,
    WorkerExited,
    WorkerReady,
    WorkerTask,
    error_reason,
    queued_items,
    run_pool,
    serialize_error,
)
from avfer.garbage import lasting_objects

# Variables that set the number of threads of numeric libraries.
THREAD_VARIABLES: tuple[str, ...] = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
LOG_TAIL = 20_000  # bytes at the end of a worker's log that are kept when it ends
EXIT_SECONDS = 10.0  # that a process may take to end after it has closed its output

EventQueue = SimpleQueue[tuple["WorkerProcess", Event]]


class LocalExecutor:
    """Runs tasks in at most `workers` processes, each with `threads` threads in every numeric library.

    The number of threads can change the last bits of a matrix product, so it comes from the pipeline and must not
    depend on the number of workers.

    limits: seconds and memory of one item, None for no limit.
    """

    def __init__(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> None:
        self._workers, self._limits, self._threads = workers, limits or Limits(), threads

    def map(self, task: WorkerTask, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """Map a task over items; see `avfer.executors.pool.Executor.map`."""
        backend = _LocalBackend(self._workers, worker_environment(self._threads))
        yield from run_pool(backend, task, take, self._limits)


def worker_environment(threads: int) -> dict[str, str]:
    """Return the variables of a worker: those of this process, its import path, and the number of threads."""
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONPATH": path}


class _LocalBackend:
    """Starts processes on this machine.

    size: processes at the same time; variables: their environment, see worker_environment.
    """

    def __init__(self, size: int, variables: dict[str, str]) -> None:
        self.size, self._variables = size, variables
        self._events: EventQueue = SimpleQueue()
        self._processes: list[WorkerProcess] = []

    def start_worker(self, task: WorkerTask) -> "WorkerProcess":
        process = WorkerProcess(self._variables, self._events)
        self._processes.append(process)
        process.send(task)
        return process

    def events(self, seconds: float) -> "Iterator[tuple[WorkerProcess, Event]]":
        for process, event in queued_items(self._events, seconds):
            if isinstance(event, WorkerExited):
                process.wait()
                self._processes.remove(process)
            yield process, event

    def close(self) -> None:
        """Kill all processes and wait for their end; the run removes the unfinished files that they leave."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


class WorkerProcess:
    """The parent's end of a worker process. A thread moves what the process sends into the queue of events.

    variables: environment variables of the process, such as its number of threads.
    """

    def __init__(self, variables: dict[str, str], events: EventQueue) -> None:
        self._log = _open_log()
        self._process = subprocess.Popen(
            # -P: import nothing from the current folder, unless this process does so too.
            [sys.executable, "-P", "-c", "from avfer.executors.local import worker_main; worker_main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=variables,
            start_new_session=True,  # Ctrl-C reaches the parent alone
        )
        self._status = psutil.Process(self._process.pid)
        self._listener = threading.Thread(target=self._listen, args=(events,), name="avfer-worker", daemon=True)
        self._listener.start()

    def send(self, item: Any) -> None:
        """Send the task or an item; a process that has ended is reported by an event."""
        assert self._process.stdin
        with suppress(OSError, ValueError):  # ValueError: the listener has closed the pipe
            pickle.dump(item, self._process.stdin)
            self._process.stdin.flush()

    def memory(self) -> float:
        """Return the resident bytes of the process; 0 if it has ended."""
        with suppress(psutil.Error):
            return float(self._status.memory_info().rss)
        return 0.0

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def wait(self) -> None:
        """Wait for the end of the process and of the thread that listens to it."""
        self._listener.join()

    def _listen(self, events: EventQueue) -> None:
        """Queue the events of the process until it ends, then the end itself."""
        assert self._process.stdout
        event, reason = None, ""
        with self._process.stdout as output, suppress(Exception):  # damaged pickles raise errors of any class
            while not isinstance(event := pickle.load(output), WorkerExited):
                events.put((self, event))
            reason = event.reason
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_SECONDS)
        self._process.kill()  # if it is still running, its output cannot be read any more
        code = self._process.wait()
        with suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        events.put((self, WorkerExited(reason or _exit_reason(code), self._log_tail())))

    def _log_tail(self) -> str:
        """Return the last lines of the standard error of the process, and close it."""
        with self._log as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith("Extension modules:")).strip()


def _open_log() -> IO[bytes]:
    """Return a new file without a name for what a worker prints. Raises OutputError if no folder takes one."""
    try:
        return tempfile.TemporaryFile("a+b")
    except OSError as error:
        hint = "free some space there, or set TMPDIR to a folder that can be written"
        raise output_error(Path(os.environ.get("TMPDIR", "/tmp")), error, hint) from error


def _exit_reason(code: int) -> str:
    """Return how a process ended, in words that complete "its worker ...".

    code: as subprocess.Popen.returncode, negative for a signal.

    >>> _exit_reason(-11)
    'crashed (SIGSEGV)'
    """
    if code >= 0:
        return f"exited with code {code}"
    if -code == signal.SIGKILL:
        return "was killed (SIGKILL), by a user or because memory ran out"
    names = {number.value: number.name for number in signal.Signals}  # without those between SIGRTMIN and SIGRTMAX
    return f"crashed ({names.get(-code, f'signal {-code}')})"


def worker_main() -> None:
    """Run a worker process: load the task from standard input, then return a result for each item.

    When standard input ends the process ends at once, in the middle of an item too. An error of the task ends it as
    well, and is its last event.
    """
    faulthandler.enable()
    _prefer_for_oom_killer()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the events
    items: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read_items, args=(sys.stdin.buffer, items), daemon=True).start()
    try:
        task = _received(items)
        with lasting_objects():
            call = task.load()
        _write_event(output, WorkerReady())
        while True:
            item = _received(items)
            os.ftruncate(2, 0)  # so that the log is about one item only
            _write_event(output, TaskResult(call(item)))
    except AvferError as error:
        _write_event(output, serialize_error(error))
    except Exception as error:
        traceback.print_exc()  # into the log
        _write_event(output, WorkerExited(error_reason(error)))
    os._exit(1)  # the usual way waits for libraries, which may hang after an error of a GPU


def _received(items: "SimpleQueue[Any]") -> Any:
    """Wait for the task or an item and return it. Raises the error of one that cannot be loaded here."""
    received = items.get()
    if isinstance(received, Exception):
        raise received
    return received


def _read_items(source: BinaryIO, items: "SimpleQueue[Any]") -> None:
    """Queue what arrives on standard input; end the process when the parent is gone."""
    try:
        while True:
            items.put(pickle.load(source))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)
    except Exception as error:  # such as a module that cannot be imported here
        items.put(error)


def _write_event(output: BinaryIO, event: Event) -> None:
    pickle.dump(event, output)
    output.flush()


def _prefer_for_oom_killer() -> None:
    """Make Linux kill this worker rather than its parent if memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
