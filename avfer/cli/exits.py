"""How the command line ends."""

DONE, USAGE, FAILED, INTERRUPTED = 0, 2, 3, 130
