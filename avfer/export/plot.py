"""All Matplotlib figures of avfer: the affect of a clip over time, and the learning curve of a training run.

Matplotlib is imported inside the functions, because it is slow to import and an extra of the package.
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from avfer.export import metadata_of
from avfer.export.colours import expression_colour, line_colour
from avfer.export.measure_labels import (
    ANGLES,
    action_unit_name,
    action_unit_title,
    angle_limit,
    has_values,
    present_columns,
)
from avfer.export.open_eyes import GAZE_COLUMNS
from avfer.export.track_series import (
    POSE_COLUMNS,
    TrackSeries,
    action_unit_columns,
    class_names,
    track_series,
)
from avfer.segments import row_stops

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_COLUMNS, LEGEND_ROW = 6, 0.18  # people beside each other; inches, of a row of them
POINTS = 72  # in an inch
TITLE_WIDTH, TITLE_LINE = 68, 0.2  # letters of a line of the title; inches, of each further line
PANELS = (("valence", "unpleasant – pleasant"), ("arousal", "calm – excited"))
MAP_COLUMNS = 900  # steps in time of a heat map
MAP_ROW, MAPS_HEIGHT = 0.14, 200.0  # inches, of an action unit, and of all of them at most
COLOUR_BAR = 0.08  # inches, height of the scale of action units
ANGLE_HEIGHT = 0.9  # inches
LEGEND_BELOW = 0.22  # inches, of the expressions, below the strips


def plot_table(table: pa.Table) -> "Figure":
    """Plot the values of a clip over time, a line or a strip for each person.

    From top to bottom: valence, arousal, expressions; then, where the table has values, a heat map of action units for
    each person (empty where a value is missing), and the angles of head pose and gaze.

    table: the columns of `AffectTrack.to_table`, also without rows. The title is the name of the clip. The caller saves
    the figure (`figure.savefig("clip.png")`) and closes it (`matplotlib.pyplot.close(figure)`).
    """
    from matplotlib import pyplot

    people, names, metadata = track_series(table), class_names(table), metadata_of(table.schema)
    units = action_unit_columns(table)
    mapped = [person for person in people if units and has_values(person, units)]
    angles = [shown for columns in (POSE_COLUMNS, GAZE_COLUMNS) if (shown := present_columns(people, columns))]
    strips = _strips_height(people)
    legend = LEGEND_ROW * -(-len(people) // LEGEND_COLUMNS) if len(people) > 1 else 0.0  # inches, below the title
    title = wrap(metadata.get("clip", ""), TITLE_WIDTH, break_on_hyphens=False)
    heights = [2.0, 2.0, strips]
    heights += [min(MAP_ROW * len(units), MAPS_HEIGHT / len(mapped)) for _ in mapped]
    heights += [ANGLE_HEIGHT for columns in angles for _ in columns]
    figure, (valence, arousal, strip, *others) = pyplot.subplots(
        len(heights),
        1,
        sharex=True,
        figsize=(9, 0.4 + legend + sum(heights) + 0.3 * (len(heights) - 3) + TITLE_LINE * max(len(title) - 1, 0)),
        height_ratios=heights,
        layout="constrained",
    )
    for axes, (name, hint) in zip((valence, arousal), PANELS, strict=True):
        _plot_lines(axes, people, name, hint)
    _plot_strips(strip, people, names)
    if title:
        above = pyplot.rcParams["axes.titlepad"] + POINTS * legend
        valence.set_title("\n".join(title), loc="left", pad=above, fontsize=11, fontweight="bold", parse_math=False)
    if not people:
        middle = {"ha": "center", "va": "center", "transform": valence.transAxes, "color": "#5f6368"}
        valence.text(0.5, 0.6, "no values were predicted; the column reason says why", **middle)
    if len(people) > 1:
        valence.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=LEGEND_COLUMNS, frameon=False, fontsize=8)
    if len(table):
        times = table["time_s"].to_numpy()
        strip.set_xlim(times[0], row_stops(times).max())
    _plot_action_units(others[: len(mapped)], mapped, units, action_unit_title(units, metadata))
    rest = iter(others[len(mapped) :])
    for columns in angles:
        _plot_angles(rest, people, columns)
    figure.axes[len(heights) - 1].set_xlabel("time (s)")
    return figure


def plot_learning_curve(history: "pd.DataFrame") -> "Figure":
    """Plot the training loss and the scores of the partition that selects the checkpoint, by epoch.

    history: one row for each epoch with the columns "epoch", "loss", "rate" and one for each score; the column "score",
    by which the checkpoint is selected, is drawn wider. The figure needs no display and no closing.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2))
    margins = {"left": 0.07, "right": 0.98, "bottom": 0.15, "top": 0.9, "wspace": 0.16}  # a layout takes twice as long
    losses, scores = figure.subplots(1, 2, gridspec_kw=margins)
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
        _plot_lone_points(axes, person.times, values, line_colour(index))
    axes.axhline(0, color="#80868b", lw=0.8, zorder=0)
    axes.set_ylim(-1.02, 1.02)
    axes.set_yticks((-1, -0.5, 0, 0.5, 1))
    axes.set_ylabel(f"{name}\n{hint}", fontsize=9)
    axes.grid(axis="y", color="#e8eaed", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_lone_points(axes: "Axes", times: np.ndarray, values: np.ndarray, colour: str) -> None:
    """Plot the values that have no neighbour to be joined with as dots.   times, values: (M,), NaN where missing"""
    known = np.concatenate([[False], ~np.isnan(values), [False]])
    lone = known[1:-1] & ~known[:-2] & ~known[2:]
    if lone.any():
        axes.plot(times[lone], values[lone], ".", color=colour, ms=6, clip_on=False)


def _plot_action_units(
    panels: "Sequence[Axes]", people: Sequence[TrackSeries], columns: Sequence[str], title: str
) -> None:
    """Plot a heat map for each person in a panel of its own, a row for each action unit; `title` states the scale."""
    for number, (axes, person) in enumerate(zip(panels, people, strict=True)):
        start, stop = axes.get_xlim()
        values = person.sampled(columns, start, stop, MAP_COLUMNS)
        extent = (start, stop, len(columns), 0)
        image = axes.imshow(values, "viridis", aspect="auto", interpolation="nearest", vmin=0, vmax=1, extent=extent)
        axes.set_facecolor("#eef1f4")
        axes.set_yticks([row + 0.5 for row in range(len(columns))], map(action_unit_name, columns), fontsize=6)
        axes.tick_params(axis="y", length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{title}\n{person.label}" if number == 0 else person.label, loc="left", fontsize=9)
        if number == 0:
            height = COLOUR_BAR / min(MAP_ROW * len(columns), MAPS_HEIGHT / len(people))
            bar = axes.inset_axes((0.8, 1 + height, 0.2, height))
            axes.figure.colorbar(image, cax=bar, orientation="horizontal", ticks=(0, 0.5, 1))
            bar.tick_params(labelsize=7, top=True, labeltop=True, bottom=False, labelbottom=False)


def _plot_angles(panels: "Iterator[Axes]", people: Sequence[TrackSeries], columns: Sequence[str]) -> None:
    """Plot each column of angles in the next panel, a line for each person; all have the same scale."""
    limit = angle_limit(people, columns)
    for column in columns:
        axes, (name, direction) = next(panels), ANGLES[column]
        for index, person in enumerate(people):
            axes.plot(person.times, person.measures[column], color=line_colour(index), lw=1.4)
            _plot_lone_points(axes, person.times, person.measures[column], line_colour(index))
        axes.axhline(0, color="#80868b", lw=0.8, zorder=0)
        axes.set_ylim(-limit, limit)
        axes.set_yticks((-limit, 0, limit))
        axes.set_title(f"{name} (degrees, + {direction})", loc="left", fontsize=9)
        axes.grid(axis="y", color="#e8eaed", lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)


def _strips_height(people: list[TrackSeries]) -> float:
    """Return the height in inches of the strips of expressions."""
    return 0.16 + 0.24 * max(len(people), 1)


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
        keys = [Patch(color=colours[name], label=name) for name in dict.fromkeys([*names, *colours]) if name in colours]
        below = (0, -LEGEND_BELOW / _strips_height(people))
        axes.legend(handles=keys, loc="upper left", bbox_to_anchor=below, ncols=8, frameon=False, fontsize=8)
