"""What is left of every epoch: metrics.csv, events for TensorBoard, and a picture of the learning curve."""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from avfer.training.checkpoint import whole


def record(folder: Path, history: list[dict[str, float]]) -> None:
    """Write the rows of all epochs so far."""
    table = pd.DataFrame(history)
    with whole(folder / "metrics.csv") as part:
        table.to_csv(part, index=False)
    with whole(folder / "curve.png") as part:
        _draw(part, table)
    if find_spec("tensorboard") is not None:
        _events(folder / "events", history[-1])


def _events(folder: Path, row: dict[str, float]) -> None:
    from torch.utils.tensorboard.writer import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(row["epoch"]))


def _draw(path: Path, table: pd.DataFrame) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(table["epoch"], table["loss"], color="#444444")
    losses.set(title="loss of the training partition", xlabel="epoch")
    for name in table.columns.drop(["epoch", "loss", "rate"]):
        scores.plot(table["epoch"], table[name], label=name, linewidth=2.5 if name == "score" else 1.2)
    scores.set(title="scores of the partition that decides", xlabel="epoch")
    scores.legend(fontsize="small", frameon=False)
    figure.savefig(path, dpi=130, format="png")
