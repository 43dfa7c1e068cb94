"""A report in the order it is read: scores with their protocol, published rows, counts, then every part by itself."""

import math
from collections.abc import Iterator

from avfer.evaluation.drawings import confusion, curves, density
from avfer.evaluation.kinds import Dimension
from avfer.evaluation.published import MARKS, Table
from avfer.evaluation.report import ActionUnitReport, DimensionReport, ExpressionReport, Report, scores_of
from avfer.evaluation.sections import Section
from avfer.evaluation.tally import Curve, KindScores
from avfer.metrics.bootstrap import Interval

DRAWN = 40  # recordings whose curves are drawn
REGRESSION = ("ccc", "pcc", "rmse", "mae", "sagr")
NAMES = {
    "ccc": "CCC",
    "pcc": "PCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "sagr": "SAGR",
    "f1_macro": "macro-F1",
    "accuracy": "accuracy (WAR)",
    "uar": "UAR",
}
QUOTED = {
    "valence": ("ccc",),
    "arousal": ("ccc",),
    "expression": ("f1_macro", "accuracy", "uar"),
    "action_units": ("f1_macro", "accuracy"),
}


def title_of(report: Report) -> str:
    """`recola, dev`."""
    return f"{report.corpus}, {report.partition}"


def chapters(report: Report) -> list[Section]:
    """All sections."""
    parts = [_headline(report), *_published(report), _protocol(report), _steps(report)]
    for name, dimension in report.dimensions.items():
        parts += _dimension(report, name, dimension)
    parts += _expression(report.expression) if report.expression else []
    parts += [_action_units(report.action_units)] if report.action_units else []
    return [*parts, *_recordings(report), *_curves(report), *_ends(report)]


def headline_rows(report: Report) -> list[tuple[str, str, str]]:
    """Each score that is quoted, with its value and its interval."""
    rows = [
        (f"{kind.replace('_', ' ')}, {NAMES[name]}", number(report.quote(scores)[name]), interval(found))
        for kind, scores in scores_of(report).items()
        for name in QUOTED[kind]
        for found in [report.interval(scores, name)]
    ]
    if report.challenge:
        rows.append(
            (f"P of ABAW {report.challenge.year} = {report.challenge.rule}", number(report.challenge.score), "")
        )
    return rows


def number(value: float | None) -> str:
    """Four decimals, or a dash where it is not defined."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def interval(found: Interval) -> str:
    """`0.4512 to 0.6130`."""
    return "–" if math.isnan(found.low) else f"{found.low:.4f} to {found.high:.4f}"


def _headline(report: Report) -> Section:
    own: dict[str, str] = {}
    for kind, scores in scores_of(report).items():
        means = report.quoted == "recordings" and scores.mean
        values = scores.mean_own if means else scores.joined_own
        own |= {f"{kind.replace('_', ' ')}, {NAMES[name]}": number(values.get(name)) for name in QUOTED[kind]}
    rows = tuple((*row, own.get(row[0], "")) for row in headline_rows(report))
    way = "the mean of the recordings" if report.quoted == "recordings" else "the whole partition joined"
    text = f"Headline: {way}, filled steps included. Everything needed to compare these numbers stands under Protocol."
    return Section("Scores", text, ("", "score", "95 % interval", "without filled steps"), rows)


def _published(report: Report) -> Iterator[Section]:
    for table in report.published:
        heads = ("system", *(NAMES.get(name, name) for name in table.metrics), "mark")
        rows = [(row.system, *(number(row.values.get(name)) for name in table.metrics), row.mark) for row in table.rows]
        here = ("this evaluation", *(number(_value(report, table, name)) for name in table.metrics), "")
        marks = "; ".join(f"{mark}: {told}" for mark, told in MARKS.items())
        text = f"{table.protocol}. Only rows of this partition and protocol. Marks: {marks}."
        yield Section(f"Published on {report.corpus}, {report.partition}", text, heads, (here, *rows))


def _value(report: Report, table: Table, name: str) -> float | None:
    """What this evaluation has for a column of published rows."""
    headline = report.headline
    prefix = "action_units_" if table.task == "au" else "expression_"
    return next((headline[key] for key in (name, f"ccc_{name}", prefix + name) if key in headline), None)


def _protocol(report: Report) -> Section:
    return Section("Protocol", heads=("", "what was done"), rows=tuple(report.facts.items()))


def _steps(report: Report) -> Section:
    heads = ("", "examples", "annotated", "valid", "predicted", "held", "filled by the delay", "filled in all")
    rows = tuple(
        (
            kind.replace("_", " "),
            *(str(n) for n in (s.recordings, s.annotated, s.valid, s.predicted, s.held, s.delayed)),
        )
        + (str(s.held + s.delayed),)
        for kind, s in ((kind, scores.steps) for kind, scores in scores_of(report).items())
    )
    text = "Steps (or pictures) with a valid label are scored: those predicted, and those filled by the rule above."
    return Section("What was scored", text, heads, rows)


def _dimension(report: Report, name: Dimension, dimension: DimensionReport) -> list[Section]:
    scores = dimension.scores
    steps, own = scores.steps.valid, scores.steps.predicted
    lines = [("all steps joined", steps, scores.joined), ("without filled steps, joined", own, scores.joined_own)]
    if scores.mean:
        lines.insert(1, ("mean of the recordings", steps, scores.mean))
        lines.append(("without filled steps, mean of the recordings", own, scores.mean_own))
    rows = tuple((told, str(n), *(number(values.get(m)) for m in REGRESSION)) for told, n, values in lines)
    heads = ("", "steps", *(NAMES[m] for m in REGRESSION))
    outside = f"{dimension.outside} predictions lie outside [-1, 1]." if dimension.outside else ""
    whole = Section(name.capitalize(), outside, heads, rows, density(dimension.density, name))
    return [whole, *_variants(name, dimension)]


def _variants(name: Dimension, dimension: DimensionReport) -> Iterator[Section]:
    if dimension.variants:
        rows = tuple((v.name, number(v.joined), number(v.mean), v.chain) for v in dimension.variants)
        text = "CCC. The headline is raw; what was fitted on the partition that is scored is optimistic."
        heads = ("", "joined", "mean of the recordings", "what was done")
        yield Section(f"Post-processing of {name}", text, heads, rows)
        tried = tuple((v.name, trial) for v in dimension.variants for trial in v.trials)
        yield Section(f"What was tried on {name}", heads=("", "step: CCC where it was fitted"), rows=tried)


def _expression(found: ExpressionReport) -> list[Section]:
    columns = zip(found.classes, found.support, found.f1, found.recall, found.precision, strict=True)
    rows = tuple((name, str(n), *(number(float(value)) for value in values)) for name, n, *values in columns)
    joined = found.scores.joined
    mean = ("all", str(found.support.sum()), number(joined["f1_macro"]), number(joined["uar"]), "")
    told = f"Macro-F1 is the sum over the fixed list of {len(found.classes)} classes, divided by {len(found.classes)}."
    silent = f" No prediction tells {', '.join(found.not_told)}: never predicted." if found.not_told else ""
    heads = ("class", "support", "F1", "recall", "precision")
    drawing = confusion(found.confusion, found.classes)
    return [
        Section("Expression by class", told + silent, heads, (*rows, mean)),
        Section("Confusion matrix", "", ("truth \\ predicted", *found.classes), _matrix(found), drawing, drawn=True),
    ]


def _matrix(found: ExpressionReport) -> tuple[tuple[str, ...], ...]:
    rows = zip(found.classes, found.confusion.tolist(), strict=True)
    return tuple((name, *(str(count) for count in counts)) for name, counts in rows)


def _action_units(found: ActionUnitReport) -> Section:
    rows = [
        (unit, str(support), number(float(f1)), "not told" if unit in found.not_told else "")
        for unit, support, f1 in zip(found.units, found.support, found.f1, strict=True)
    ]
    rows.append(("mean", "", number(found.scores.joined["f1_macro"]), ""))
    text = f"F1 of the occurrence above {found.threshold:g}, the same for all units, not tuned; 0 where a unit neither "
    text += "occurs nor is told. Units that no prediction tells are taken as never occurring."
    mixed = f" {found.mixed} steps with some units unknown were left out." if found.mixed else ""
    return Section("Action units", text + mixed, ("unit", "support", "F1", ""), tuple(rows))


def _recordings(report: Report) -> Iterator[Section]:
    of_each = {kind: scores for kind, scores in scores_of(report).items() if scores.recordings}
    if not of_each:
        return
    columns = [
        (kind, name)
        for kind in of_each
        for name in (("ccc", "pcc", "rmse") if "ccc" in _any(of_each[kind]) else QUOTED[kind])
    ]
    names = list(dict.fromkeys(name for scores in of_each.values() for name in scores.recordings))
    rows = tuple(
        (name, *(number(of_each[kind].recordings.get(name, {}).get(score)) for kind, score in columns))
        for name in names
    )
    heads = ("recording", *(f"{kind.replace('_', ' ')}, {NAMES[score]}" for kind, score in columns))
    yield Section("Recordings", "", heads, rows)


def _any(scores: KindScores) -> dict[str, float]:
    return next(iter(scores.recordings.values()))


def _curves(report: Report) -> Iterator[Section]:
    by_recording: dict[str, list[tuple[str, Curve]]] = {}
    for name, dimension in report.dimensions.items():
        for curve in dimension.curves:
            by_recording.setdefault(curve.recording, []).append((name, curve))
    shown = list(by_recording.values())[:DRAWN]
    if shown:
        left = f" The first {DRAWN} of {len(by_recording)} recordings." if len(by_recording) > DRAWN else ""
        text = f"Truth grey, prediction blue, over seconds (or steps where no time is known).{left}"
        yield Section("Over time", text, picture="\n".join(curves(of_each) for of_each in shown))


def _ends(report: Report) -> Iterator[Section]:
    notes = tuple((told, str(count), place) for told, (count, place) in report.notes.items())
    yield Section("What was met and decided", "" if notes else "Nothing.", ("", "times", "first"), notes)
    weights = tuple(report.weights.items())
    yield Section("Weights", "" if weights else "Not told by the predictions.", ("file", "sha256"), weights)


def step_lines(report: Report) -> list[str]:
    """What was counted of each kind, a line each."""
    return [
        f"{kind.replace('_', ' ')}: {s.valid} of {s.annotated} steps valid; {s.predicted} predicted, "
        f"{s.held + s.delayed} filled ({s.held} held, {s.delayed} by the delay)"
        for kind, s in ((kind, scores.steps) for kind, scores in scores_of(report).items())
    ]


def published_lines(report: Report) -> Iterator[str]:
    """Published rows of the same corpus, partition and protocol, a line each, with the mark of each."""
    for table in report.published:
        yield f"published on {report.corpus}, {report.partition} ({table.protocol}):"
        for row in table.rows:
            values = ", ".join(f"{NAMES.get(name, name)} {number(value)}" for name, value in row.values.items())
            yield f"  {values}  {row.system} [{row.mark}]"
