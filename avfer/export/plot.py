"""A result as a Matplotlib figure."""

from typing import TYPE_CHECKING

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.export.series import LINE_COLOURS, Series, class_names, colour_of, series_of
from avfer.export.table import to_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (("valence", "unpleasant – pleasant"), ("arousal", "calm – excited"))


def plot(track: AffectTrack) -> "Figure":
    """Valence and arousal over time, a line for each person, and a strip of expressions beneath."""
    from matplotlib import pyplot

    table = to_table(track)
    people, names = series_of(table), class_names(table)
    strips = 0.16 + 0.24 * max(len(people), 1)
    figure, (valence, arousal, strip) = pyplot.subplots(
        3, 1, sharex=True, figsize=(9, 4.4 + strips), height_ratios=(2, 2, strips), layout="constrained"
    )
    for axes, (name, hint) in zip((valence, arousal), PANELS, strict=True):
        _lines(axes, people, name, hint)
    _strips(strip, people, names)
    if track.source:
        valence.set_title(track.source.clip, loc="left", fontsize=11, fontweight="bold")
    if len(people) > 1:
        valence.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=6, frameon=False, fontsize=8)
    if len(track.clock):
        strip.set_xlim(track.clock.times[0], track.clock.times[-1] + 1e-3)
    strip.set_xlabel("time (s)")
    return figure


def _lines(axes: "Axes", people: list[Series], name: str, hint: str) -> None:
    for index, person in enumerate(people):
        values = person.valence if name == "valence" else person.arousal
        axes.plot(person.times, values, color=LINE_COLOURS[index % len(LINE_COLOURS)], lw=1.6, label=person.label)
    axes.axhline(0, color="#80868b", lw=0.8, zorder=0)
    axes.set_ylim(-1.02, 1.02)
    axes.set_yticks((-1, -0.5, 0, 0.5, 1))
    axes.set_ylabel(f"{name}\n{hint}", fontsize=9)
    axes.grid(axis="y", color="#e8eaed", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _strips(axes: "Axes", people: list[Series], names: list[str]) -> None:
    from matplotlib.patches import Patch

    shown: dict[str, str] = {}
    for row, person in enumerate(people):
        for start, stop, name in runs(person):
            shown[name] = colour_of(name, names)
            axes.barh(row, stop - start, left=start, height=0.8, color=shown[name], lw=0)
    axes.set_yticks(range(len(people)), [person.label for person in people], fontsize=8)
    axes.set_ylim(max(len(people), 1) - 0.4, -0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if shown:
        keys = [Patch(color=shown[name], label=name) for name in names if name in shown]
        axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.55), ncols=8, frameon=False, fontsize=8)


def runs(person: Series) -> list[tuple[float, float, str]]:
    """Stretches of time with the same expression: (start, stop, name)."""
    if not len(person.times):
        return []
    step = float(np.median(np.diff(person.times))) if len(person.times) > 1 else 0.04
    edges = np.flatnonzero(person.expressions[1:] != person.expressions[:-1]) + 1
    starts = np.concatenate([[0], edges])
    stops = np.append(person.times[edges], person.times[-1] + step)
    found = zip(person.times[starts], stops, person.expressions[starts], strict=True)
    return [(float(start), float(stop), str(name)) for start, stop, name in found if name]
