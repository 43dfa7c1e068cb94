"""A summary as a table for the terminal."""

from itertools import pairwise

from rich.table import Table

from avfer.export.summary import Person, Summary

LEVELS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # characters of a curve
SHOWN = 8  # people at most


def summary_table(summary: Summary, title: str, plain: bool = False) -> Table:
    """One line a person, the most seen first, with the course of valence and arousal over the clip."""
    table = Table(title=title, title_justify="left", title_style="bold", caption=coverage(summary))
    table.caption_justify = "left"
    for name in ("track", "rows", "valence", "arousal"):
        table.add_column(name, justify="right")
    table.add_column("expression")
    if not plain:
        table.add_column("valence over time", style="cyan", no_wrap=True)
        table.add_column("arousal over time", style="yellow", no_wrap=True)
    people = sorted(summary.people.items(), key=lambda item: -item[1].rows)
    for track, person in people[:SHOWN]:
        curves = [] if plain else [sparkline(person.curve(0)), sparkline(person.curve(1))]
        table.add_row(
            "voice alone" if track is None else str(track), str(person.rows), *_means(person), _top(person), *curves
        )
    if len(people) > SHOWN:
        table.add_row("...", *[""] * 4, *([] if plain else ["", ""]))
    return table


def coverage(summary: Summary) -> str:
    """`125 frames in 5.0 s, a face on 100 %`, and the reasons for rows without one."""
    share = summary.with_face / max(summary.instants, 1)
    reasons = "".join(f", {reason} {count}" for reason, count in summary.reasons.most_common())
    return f"{summary.instants} frames in {summary.stop:.1f} s, a face on {share:.0%}{reasons}"


def sparkline(values: list[float | None]) -> str:
    """A curve in [-1, 1] as a row of blocks; a gap where nothing is known."""
    count = min(WIDTH, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)] if count else []
    groups = [[v for v in values[a:b] if v is not None] for a, b in pairwise(edges)]
    return "".join(_block(sum(group) / len(group)) if group else " " for group in groups)


def _block(value: float) -> str:
    return LEVELS[min(int((value + 1) / 2 * len(LEVELS)), len(LEVELS) - 1)]


def _means(person: Person) -> tuple[str, str]:
    if person.means is None:
        return "-", "-"
    valence, arousal = (round(mean, 2) + 0.0 for mean in person.means)  # + 0.0 makes -0.0 plain
    return f"{valence:+.2f}", f"{arousal:+.2f}"


def _top(person: Person) -> str:
    total = sum(person.expressions.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in person.expressions.most_common(2)) or "-"
