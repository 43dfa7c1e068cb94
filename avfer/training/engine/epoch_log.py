"""The log of a training run: metrics.csv, events for TensorBoard, and a plot of the learning curve."""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from avfer.atomic import atomic_write
from avfer.export.plot import plot_learning_curve
from avfer.training.engine.checkpoint import HINT


def log_epochs(folder: Path, history: list[dict[str, float]]) -> None:
    """Write metrics.csv and curve.png with all epochs so far, and add the last epoch to the events.

    history: one row for each epoch, with "epoch" (from 1), "loss", "rate" and the scores. TensorBoard is optional:
    without it there are no events. Raises OutputError if a file cannot be written.
    """
    table = pd.DataFrame(history)
    with atomic_write(folder / "metrics.csv", HINT) as part:
        table.to_csv(part, index=False)
    with atomic_write(folder / "curve.png", HINT) as part:
        plot_learning_curve(table).savefig(part, dpi=130, format="png")
    if find_spec("tensorboard") is not None:
        _write_events(folder / "events", history[-1])


def _write_events(folder: Path, row: dict[str, float]) -> None:
    """Add one epoch to the TensorBoard events in `folder`."""
    from torch.utils.tensorboard.writer import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(row["epoch"]))
