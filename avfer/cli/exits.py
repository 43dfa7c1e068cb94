"""How the command line ends."""


class Stopped(BaseException):
    """Ctrl-C, or a request to end; its text says what is kept of the work."""

    def __str__(self) -> str:
        return super().__str__() or "finished clips are kept"


DONE, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130
