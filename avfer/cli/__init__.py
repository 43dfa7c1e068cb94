"""The command line: a file for each verb, with one short function that parses, calls the library and prints.

Standard output carries results (paths, or one JSON object), standard error everything else. Heavy packages are
imported inside the commands, so that `--help` answers at once.
"""

import atexit
import errno
import gc
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from avfer import __version__
from avfer.cli import corpora, models, pipelines, submit
from avfer.cli.agree import agree
from avfer.cli.commands import command, command_group
from avfer.cli.evaluate import evaluate
from avfer.cli.export import export
from avfer.cli.label import label
from avfer.cli.report import report
from avfer.cli.run import run
from avfer.cli.summarize import summarize
from avfer.cli.train import train
from avfer.errors import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    AvferError,
    AvferWarning,
    ConfigError,
    DatasetError,
    MissingExtra,
    Stopped,
    WeightsError,
    debugging,
    describe_unexpected,
)

# A path that no file can have, or that may not be opened, wherever it was named.
REFUSED_PATHS = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR}
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
STOP_SIGNALS = INTERRUPTS if sys.platform == "win32" else (*INTERRUPTS, signal.SIGHUP)  # the terminal was closed
app = command_group(
    "Continuous affect from video with sound: valence, arousal, expressions and action units.",
    example="avfer run aver --input clip.mp4 --report",
)
command(
    app,
    "run",
    example="avfer run aver --input clips/ --start 0:30 --report",
    note="Valence and arousal of the embedded weights are mapped from expressions by published tables, and arousal in"
    " speech also from the voice; they are not measured: rank moments by them. Action units, head pose and gaze are"
    " measured.",
)(run)
command(app, "evaluate", example="avfer evaluate aff_wild2 --root /data/Aff-Wild2 --pipeline aver")(evaluate)
command(app, "agree", example="avfer agree avfer_out/talk.parquet talk.eaf --threshold 0.5")(agree)
command(app, "label", example="avfer label aver --input corpus/ --output labels/ --workers 2")(label)
command(app, "report", example="avfer report avfer_out/talk.parquet --output talk.html --clip talk.mp4")(report)
command(app, "summarize", example="avfer summarize labels/ --window 10 --output labels.csv")(summarize)
command(app, "export", example="avfer export elan talk.parquet --output talk.eaf --clip talk.mp4")(export)
command(app, "train", example="avfer train my_labels --set root=/data/mine")(train)
app.add_typer(pipelines.app, name="pipelines")
app.add_typer(models.app, name="models")
app.add_typer(corpora.app, name="corpora")
app.add_typer(submit.app, name="submit")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"avfer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@command(app, "doctor", example="avfer doctor")
def doctor() -> None:
    """Show versions, devices, codecs, weights, and what is missing.

    What is missing comes with the line that installs it.
    """
    from avfer.doctor import examine

    if not examine():
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code. Tracebacks are printed only if AVFER_DEBUG is set.

    If the program that reads the output has ended, such as `head`, typer ends this one silently, with code 1.

    arguments: without the name of the program; None: those of this process.
    """
    for number in STOP_SIGNALS:
        if number in INTERRUPTS or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _stop)
    warnings.showwarning = _warn
    atexit.register(gc.freeze)  # else the last collection takes half a second to visit the objects of torch
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(args=[_expand_home(argument) for argument in _check_text(given)], prog_name="avfer")
    except Stopped as stopped:
        _leave_interrupted(stopped)
    except (ConfigError, DatasetError, MissingExtra, WeightsError) as error:
        _leave(str(error), USAGE)
    except AvferError as error:
        _leave(str(error), FAILED)
    except OSError as error:
        if error.errno not in REFUSED_PATHS:
            _leave(describe_unexpected(error), FAILED)
        _leave(f"{error.filename}: {error.strerror}; check the path and its permissions", USAGE)
    except ModuleNotFoundError as error:
        _leave(f"{error}; avfer doctor shows which packages are missing, and how to install them", USAGE)
    except Exception as error:
        _leave(describe_unexpected(error), FAILED)
    sys.exit(DONE)


def _check_text(arguments: list[str]) -> list[str]:
    """Return the arguments. Raises ConfigError for one that is not UTF-8: no table and no message could name it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"the argument {argument!a} is not valid UTF-8 text; rename the file") from None
    return arguments


def _expand_home(argument: str) -> str:
    """Return an argument with `~` at its start, or behind the `=` of an option, replaced by the home folder.

    Most shells do so for `--output ~/results`, but not for `--output=~/results`, and that of Windows never does.
    """
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return option + equals + os.path.expanduser(value)  # noqa: PTH111  (a path of pathlib loses the "/" of a folder)


def _stop(number: int, frame: object) -> NoReturn:
    raise Stopped


def _leave_interrupted(stopped: Stopped) -> NoReturn:
    """Exit with INTERRUPTED; a further signal does not change that.

    A second interrupt ends the wait for the threads of a pipeline. A thread that still computes would abort the process
    while Python ends, so the process ends without that.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if not any(thread.name.startswith("avfer-") for thread in threading.enumerate()):
        _leave(f"interrupted; {stopped}", INTERRUPTED)
    with suppress(OSError):
        sys.stdout.flush()
        print(f"avfer: interrupted; {stopped}", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)


def _warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning of avfer as one line; show those of other packages only if AVFER_DEBUG is set."""
    if issubclass(category, AvferWarning) or debugging():
        print(f"avfer: warning: {message}", file=sys.stderr)


def _leave(message: str, code: int) -> NoReturn:
    if debugging():
        traceback.print_exc()
    print(f"avfer: {message}", file=sys.stderr)
    sys.exit(code)
