"""Exit codes of the command line, and how an interrupt ends it."""

DONE, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130


class Stopped(BaseException):
    """Ctrl-C or SIGTERM. The message says which results are kept."""

    def __str__(self) -> str:
        return super().__str__() or "finished clips are kept"
