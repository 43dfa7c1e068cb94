"""All Matplotlib figures of avfer: the affect of a clip over time, and the learning curve of a training run.

Matplotlib is imported inside the functions, because it is slow to import and an extra of the package.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from avfer.export.track_series import TrackSeries, class_names, expression_colour, line_colour, track_series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_COLUMNS = 6  # people beside each other
PANELS = (("valence", "unpleasant – pleasant"), ("arousal", "calm – excited"))


def plot_table(table: pa.Table) -> "Figure":
    """Plot valence and arousal over time, a line for each person, and a strip of expressions beneath.

    table: the columns of `AffectTrack.to_table`, also without rows. The title is the name of the clip. The caller saves
    the figure (`figure.savefig("clip.png")`) and closes it (`matplotlib.pyplot.close(figure)`).
    """
    from matplotlib import pyplot

    people, names = track_series(table), class_names(table)
    strips = 0.16 + 0.24 * max(len(people), 1)
    legend = 0.17 * (-(-len(people) // LEGEND_COLUMNS) - 1)  # inches, of the rows beyond the first
    figure, (valence, arousal, strip) = pyplot.subplots(
        3, 1, sharex=True, figsize=(9, 4.4 + strips + legend), height_ratios=(2, 2, strips), layout="constrained"
    )
    for axes, (name, hint) in zip((valence, arousal), PANELS, strict=True):
        _plot_lines(axes, people, name, hint)
    _plot_strips(strip, people, names)
    clip = (table.schema.metadata or {}).get(b"clip")
    if clip is not None:
        valence.set_title(clip.decode(), loc="left", fontsize=11, fontweight="bold")
    if len(people) > 1:
        valence.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=LEGEND_COLUMNS, frameon=False, fontsize=8)
    if len(table):
        times = table["time_s"].to_numpy()
        strip.set_xlim(times[0], times[-1] + 1e-3)
    strip.set_xlabel("time (s)")
    return figure


def plot_learning_curve(history: "pd.DataFrame") -> "Figure":
    """Plot the training loss and the scores of the partition that selects the checkpoint, by epoch.

    history: one row for each epoch with the columns "epoch", "loss", "rate" and one for each score; the column "score",
    by which the checkpoint is selected, is drawn wider. The figure needs no display and no closing.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(history["epoch"], history["loss"], color="#444444")
    losses.set(title="loss of the training partition", xlabel="epoch")
    for name in history.columns.drop(["epoch", "loss", "rate"]):
        scores.plot(history["epoch"], history[name], label=name, linewidth=2.5 if name == "score" else 1.2)
    scores.set(title="scores of the partition that decides", xlabel="epoch")
    scores.legend(fontsize="small", frameon=False)
    return figure


def _plot_lines(axes: "Axes", people: list[TrackSeries], name: str, hint: str) -> None:
    """Plot "valence" or "arousal" (`name`) of each person; `hint` explains the ends of the axis."""
    for index, person in enumerate(people):
        values = person.valence if name == "valence" else person.arousal
        axes.plot(person.times, values, color=line_colour(index), lw=1.6, label=person.label)
    axes.axhline(0, color="#80868b", lw=0.8, zorder=0)
    axes.set_ylim(-1.02, 1.02)
    axes.set_yticks((-1, -0.5, 0, 0.5, 1))
    axes.set_ylabel(f"{name}\n{hint}", fontsize=9)
    axes.grid(axis="y", color="#e8eaed", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_strips(axes: "Axes", people: list[TrackSeries], names: list[str]) -> None:
    """Plot a strip of coloured expressions for each person, with a legend of those that occur."""
    from matplotlib.patches import Patch

    colours: dict[str, str] = {}  # of the expressions that occur
    for row, person in enumerate(people):
        for start, stop, name in person.expression_spans():
            colours[name] = expression_colour(name, names)
            axes.barh(row, stop - start, left=start, height=0.8, color=colours[name], lw=0)
    axes.set_yticks(range(len(people)), [person.label for person in people], fontsize=8)
    axes.set_ylim(max(len(people), 1) - 0.4, -0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if colours:
        keys = [Patch(color=colours[name], label=name) for name in names if name in colours]
        axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.55), ncols=8, frameon=False, fontsize=8)
