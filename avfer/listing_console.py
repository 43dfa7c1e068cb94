"""The console that listings are printed on, such as those of `avfer models`, `corpora`, `pipelines` and `doctor`."""

from rich.console import Console


def listing_console(width: int) -> Console:
    """Return a console on standard output: as wide as the terminal, else `width` characters, for files and pipes."""
    console = Console()
    return console if console.is_terminal else Console(width=width)
