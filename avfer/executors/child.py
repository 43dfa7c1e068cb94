"""The process of a local worker: reads a task, loads it, then answers item by item."""

import faulthandler
import os
import pickle
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from avfer.errors import AvferError
from avfer.executors.crew import told
from avfer.executors.protocol import Answer, Event, Ready


def main() -> None:
    """Obey the orders on standard input until they end, then end at once, whatever is being done."""
    faulthandler.enable()
    _be_the_first_to_go()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not stand among the answers
    orders: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, orders), daemon=True).start()
    try:
        call = orders.get().load()
        _say(answers, Ready())
        while True:
            item = orders.get()
            os.ftruncate(2, 0)  # a trace tells of one item
            _say(answers, Answer(call(item)))
    except AvferError as error:
        _say(answers, told(error))


def _read(source: BinaryIO, orders: "SimpleQueue[Any]") -> None:
    """Queue the orders; without a parent to answer there is nothing more to do."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            orders.put(pickle.load(source))
    os._exit(0)


def _say(answers: BinaryIO, event: Event) -> None:
    pickle.dump(event, answers)
    answers.flush()


def _be_the_first_to_go() -> None:
    """Where memory runs out, Linux shall end a worker, not the run."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
