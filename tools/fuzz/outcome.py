"""What a command did, and what is wrong with it."""

from dataclasses import dataclass, field
from pathlib import Path

from tools.fuzz.mutations import CANARY

CPU_LIMIT = 30.0  # seconds of CPU time for one case
WALL_LIMIT = 300.0  # seconds for one case; longer than CPU_LIMIT, because other work may share the cores


@dataclass
class Outcome:
    """What a command did."""

    code: int  # negative: the number of the signal that ended it
    seconds: float  # from start to end
    cpu_seconds: float  # of all its threads
    messages: str  # standard output and standard error
    left: list[str]  # names of the files in its folder afterwards
    damaged: list[str] = field(default_factory=list[str])  # names of tables that are not complete

    @property
    def problem(self) -> str:
        """Return what is wrong, "" for a right outcome."""
        if self.cpu_seconds > CPU_LIMIT:
            return f"more than {CPU_LIMIT:g} s of CPU time"
        if self.seconds > WALL_LIMIT:
            return f"longer than {WALL_LIMIT:g} s"
        if "Traceback" in self.messages or "AVFER_DEBUG" in self.messages:  # as in errors.describe_unexpected
            return "a traceback or an unexpected error"
        if self.code not in {0, 2, 3}:
            return f"exit code {self.code}"
        if self.code == 3 and "avfer:" not in self.messages and "{" not in self.messages:
            return "exit code 3 without a reason"
        if any(Path(name).name == CANARY for name in self.left):
            return "code was run"
        if any(name.endswith(".part") or ".part." in name for name in self.left):
            return "a temporary file is left"
        if self.damaged:
            return f"an incomplete table: {self.damaged[0]}"
        return ""


def incomplete_tables(folder: Path) -> list[str]:
    """Return the names of the Parquet files in the folder `out` that lack their first or last mark."""
    tables = [path for path in sorted((folder / "out").rglob("*.parquet")) if path.is_file()]
    marks = [(path, path.read_bytes()) for path in tables]
    return [str(path.relative_to(folder)) for path, data in marks if (data[:4], data[-4:]) != (b"PAR1", b"PAR1")]
