"""A summary as a table for the terminal."""

from itertools import pairwise

from rich.box import SIMPLE_HEAD
from rich.table import Table

from avfer.export.summary import Person, Summary

LEVELS = "▁▂▃▄▅▆▇█"
SHOWN = 8  # people at most


def summary_table(summary: Summary, title: str, width: int = 100, plain: bool = False) -> Table:
    """One line a person, the most seen first, with the course of valence and arousal over the clip.

    width: characters of the terminal; plain: draw no curves.
    """
    curve = 0 if plain else max(6, min(24, (width - 66) // 2))
    table = Table(title=title, title_justify="left", title_style="bold", caption=coverage(summary), box=SIMPLE_HEAD)
    table.caption_justify = "left"
    table.add_column("track", justify="right", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("valence", style="cyan", no_wrap=True)
    table.add_column("arousal", style="yellow", no_wrap=True)
    table.add_column("expression")
    people = sorted(summary.people.items(), key=lambda item: -item[1].rows)
    for track, person in people[:SHOWN]:
        columns = (_column(person, 0, curve), _column(person, 1, curve))
        table.add_row("voice" if track is None else str(track), str(person.rows), *columns, _top(person))
    if len(people) > SHOWN:
        table.add_row("...", f"{len(people) - SHOWN} more", "", "", "")
    return table


def coverage(summary: Summary) -> str:
    """`130 frames in 5.2 s, a face on 98%, no_face 3`: what there was, and the reasons for rows without a face."""
    reasons = "".join(f", {reason} {count}" for reason, count in summary.reasons.most_common())
    if not summary.pictures:
        return f"{summary.instants} rows on a fixed clock in {summary.stop:.1f} s{reasons}"
    share = summary.with_face / max(summary.instants, 1)
    return f"{summary.instants} frames in {summary.stop:.1f} s, a face on {share:.0%}{reasons}"


def _column(person: Person, which: int, width: int) -> str:
    """The mean and the curve of valence (0) or arousal (1)."""
    if person.means is None:
        return "-"
    mean = round(person.means[which], 2) + 0.0  # + 0.0 makes -0.0 plain
    return f"{mean:+.2f} {sparkline(person.curve(which), width)}".rstrip()


def sparkline(values: list[float | None], width: int = 24) -> str:
    """A curve in [-1, 1] as a row of blocks; a gap where nothing is known."""
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)] if count else []
    groups = [[v for v in values[a:b] if v is not None] for a, b in pairwise(edges)]
    return "".join(_block(sum(group) / len(group)) if group else " " for group in groups)


def _block(value: float) -> str:
    return LEVELS[min(int((value + 1) / 2 * len(LEVELS)), len(LEVELS) - 1)]


def _top(person: Person) -> str:
    total = sum(person.expressions.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in person.expressions.most_common(2)) or "-"
