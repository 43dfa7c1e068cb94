"""The content of a report in reading order.

Scores with their intervals, published rows, the protocol, numbers of steps; then valence and arousal (all scores, the
density of target and prediction, post-processing), expressions (scores by class, confusion matrix), action units, every
recording, curves over time, notes and weights. Sections without content are left out.

`write_report` renders the sections; the command line prints the headline, the numbers of steps and the published rows
as plain lines.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from avfer.datasets.example import Dimension
from avfer.errors import counted
from avfer.evaluation.evaluation_config import threshold_origin
from avfer.evaluation.evaluation_report import ActionUnitReport, DimensionReport, EvaluationReport, ExpressionReport
from avfer.evaluation.published_results import MARKS, PublishedTable
from avfer.evaluation.report_rendering import Section
from avfer.evaluation.report_warnings import absent_note, name_notes, report_warnings
from avfer.evaluation.tally import Curve, StepCounts
from avfer.export.distribution_charts import confusion_chart, density_chart, target_chart
from avfer.export.html_page import wide
from avfer.metrics import Interval

MAX_CURVES = 40  # recordings whose curves are drawn
REGRESSION = ("ccc", "pcc", "rmse", "mae", "sagr")
RECORDING_SCORES = ("ccc", "pcc", "rmse")  # of a dimension, in the table of recordings
NAMES = {  # of the scores, as reports print them
    "ccc": "CCC",
    "pcc": "PCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "sagr": "SAGR",
    "f1_macro": "macro-F1",
    "accuracy": "accuracy (WAR)",
    "uar": "UAR",
}
QUOTED = {  # scores of each kind in the headline
    "valence": ("ccc",),
    "arousal": ("ccc",),
    "expression": ("f1_macro", "accuracy", "uar"),
    "action_units": ("f1_macro", "accuracy"),
}


def report_title(report: EvaluationReport) -> str:
    """Return corpus and partition: "recola, dev"."""
    return f"{report.corpus}, {report.partition}"


def report_sections(report: EvaluationReport) -> list[Section]:
    """Return all sections of a report."""
    parts = [_headline(report), *_published(report), _protocol(report), _step_counts(report)]
    for name, dimension in report.dimensions.items():
        parts += _dimension(name, dimension)
    parts += _expression(report.expression) if report.expression else []
    parts += [_action_units(report.action_units)] if report.action_units else []
    return [*parts, *_recordings(report), *_curves(report), *_notes_and_weights(report)]


def headline_rows(report: EvaluationReport) -> list[tuple[str, str, str]]:
    """Return name, value and interval of each quoted score, as printed.

    For example ("valence, CCC", "0.4545", "0.3012 to 0.5877"); P of ABAW has no interval.
    """
    rows = [
        (_score_name(kind, name), format_score(report.quote(scores)[name]), _format_interval(interval))
        for kind, scores in report.scores.items()
        for name in QUOTED[kind]
        for interval in [report.interval(scores, name)]
    ]
    if challenge := report.challenge:
        joined = ", all steps joined" if report.quoted == "recordings" else ""
        rows.append((f"P of ABAW {challenge.year} = {challenge.rule}{joined}", format_score(challenge.score), ""))
    return rows


def step_lines(report: EvaluationReport) -> list[str]:
    """Return a line for each kind with its numbers of steps."""
    return [
        f"{_plain_name(kind)}: {s.valid} of {s.annotated} steps valid; {s.predicted} predicted, "
        f"{s.repeated + s.delayed} filled ({s.repeated} repeated, {s.delayed} by the delay)"
        for kind, s in _steps_of(report)
    ]


def published_lines(report: EvaluationReport) -> Iterator[str]:
    """Yield a line for each published row of the same corpus, partition and protocol, with its mark."""
    for table in report.published:
        yield f"published on {report.corpus}, {report.partition} ({table.protocol}):"
        for row in table.rows:
            values = ", ".join(f"{NAMES.get(name, name)} {format_score(value)}" for name, value in row.values.items())
            yield f"  {values}  {row.system} [{row.mark}]"


def format_score(value: float | None) -> str:
    """Return four decimals, never -0.0000, or a dash for None and NaN."""
    return "–" if value is None or math.isnan(value) else f"{value:z.4f}"


def _format_interval(interval: Interval) -> str:
    return "–" if math.isnan(interval.low) else f"{interval.low:z.4f} to {interval.high:z.4f}"


def _plain_name(kind: str) -> str:
    return kind.replace("_", " ")


def _score_name(kind: str, score: str) -> str:
    return f"{_plain_name(kind)}, {NAMES[score]}"


def _steps_of(report: EvaluationReport) -> list[tuple[str, StepCounts]]:
    return [(kind, scores.steps) for kind, scores in report.scores.items()]


def _headline(report: EvaluationReport) -> Section:
    """Return the quoted scores with intervals, and beside them the same scores over predicted steps alone."""
    own: dict[str, str] = {}
    notes = _absent_notes(report)
    for kind, scores in report.scores.items():
        values = scores.mean_own if report.quotes_means(scores) else scores.joined_own
        own |= {_score_name(kind, name): format_score(values.get(name)) for name in QUOTED[kind]}
    rows = [(*row, own.get(row[0], "")) for row in headline_rows(report)]
    means = any(map(report.quotes_means, report.scores.values()))
    way = "the mean of the recordings" if means else "the whole partition joined"
    text = f"Headline: {way}, filled steps included. The section Protocol lists what a comparison needs."
    heads = ("", "score", "95 % interval", "without filled steps")
    table = _with_notes(heads, rows, [notes.get(row[0], "") for row in rows])
    return Section("Scores", text, *table, warnings=tuple(report_warnings(report)))


def _with_notes(
    heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], notes: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return heads and rows of a table with a column of notes, unless there is none."""
    if not any(notes):
        return heads, tuple(rows)
    return (*heads, "note"), tuple((*row, note) for row, note in zip(rows, notes, strict=True))


def _absent_notes(report: EvaluationReport) -> dict[str, str]:
    """Return the rows of the headline whose macro-F1 contains absent names, with a note on their number."""
    notes: dict[str, str] = {}
    if found := report.expression:
        notes[_score_name("expression", "f1_macro")] = absent_note(found.classes, found.support)
    if found := report.action_units:
        notes[_score_name("action_units", "f1_macro")] = absent_note(found.units, found.support)
    return notes


def _published(report: EvaluationReport) -> Iterator[Section]:
    """Yield published rows of the same corpus, partition and protocol, each below the row of this evaluation."""
    for table in report.published:
        heads = ("system", *(NAMES.get(name, name) for name in table.metrics), "mark")
        rows = [
            (row.system, *(format_score(row.values.get(name)) for name in table.metrics), row.mark)
            for row in table.rows
        ]
        own = ("this evaluation", *(format_score(_own_value(report, table, name)) for name in table.metrics), "")
        marks = "; ".join(f"{mark}: {meaning}" for mark, meaning in MARKS.items())
        text = f"{table.protocol}. Only rows of this partition and protocol. Marks: {marks}."
        yield Section(f"Published on {report.corpus}, {report.partition}", text, heads, (own, *rows))


def _own_value(report: EvaluationReport, table: PublishedTable, name: str) -> float | None:
    """Return the headline value of this evaluation for a column of published rows."""
    headline = report.headline
    prefix = "action_units_" if table.task == "au" else "expression_"
    return next((headline[key] for key in (name, f"ccc_{name}", prefix + name) if key in headline), None)


def _protocol(report: EvaluationReport) -> Section:
    return Section("Protocol", heads=("", "what was done"), rows=tuple(report.facts.items()))


def _step_counts(report: EvaluationReport) -> Section:
    """Return the numbers of steps of each kind: annotated, valid, predicted and filled."""
    heads = ("", "examples", "annotated", "valid", "predicted", "repeated", "filled by the delay", "filled in all")
    rows: list[tuple[str, ...]] = []
    for kind, s in _steps_of(report):
        counts = (s.recordings, s.annotated, s.valid, s.predicted, s.repeated, s.delayed, s.repeated + s.delayed)
        rows.append((_plain_name(kind), *map(str, counts)))
    text = "Steps (or pictures) with a valid label are scored: those predicted, and those filled by the rule above."
    return Section("What was scored", text, heads, tuple(rows))


def _dimension(name: Dimension, dimension: DimensionReport) -> list[Section]:
    """Return all regression scores, joined and as the mean of the recordings, each with and without filled steps."""
    scores = dimension.scores
    steps, own = scores.steps.valid, scores.steps.predicted
    lines = [("all steps joined", steps, scores.joined), ("without filled steps, joined", own, scores.joined_own)]
    if scores.mean:
        lines.insert(1, ("mean of the recordings", steps, scores.mean))
        lines.append(("without filled steps, mean of the recordings", own, scores.mean_own))
    rows = tuple((title, str(n), *(format_score(values.get(m)) for m in REGRESSION)) for title, n, values in lines)
    heads = ("", "steps", *(NAMES[m] for m in REGRESSION))
    outside = counted(dimension.outside, "prediction lies", "predictions lie")
    density = density_chart(dimension.density, f"truth, {name}", "prediction", diagonal=True)
    whole = Section(name.capitalize(), f"{outside} outside [-1, 1]." if dimension.outside else "", heads, rows, density)
    return [whole, *_variants(name, dimension)]


def _variants(name: Dimension, dimension: DimensionReport) -> Iterator[Section]:
    """Yield the CCC after each post-processing, and every operation that was tried while it was fitted."""
    if dimension.variants:
        rows = tuple((v.name, format_score(v.joined), format_score(v.mean), v.chain) for v in dimension.variants)
        text = "CCC. The headline has no post-processing; a score fitted on the scored partition is optimistic."
        heads = ("", "joined", "mean of the recordings", "what was done")
        yield Section(f"Post-processing of {name}", text, heads, rows)
        tried = tuple((v.name, trial) for v in dimension.variants for trial in v.trials)
        if tried:
            yield Section(f"What was tried on {name}", heads=("", "step: CCC where it was fitted"), rows=tried)


def _expression(found: ExpressionReport) -> list[Section]:
    """Return the scores by class, and the confusion matrix as table and chart."""
    scores = zip(found.support, found.f1, found.recall, found.precision, strict=True)
    values = [(str(n), *(format_score(float(value)) for value in row)) for n, *row in scores]
    notes = name_notes(found.classes, found.support, found.never_predicted)
    rows = [(name, *row) for name, row in zip(found.classes, values, strict=True)]
    joined, count = found.scores.joined, len(found.classes)
    mean = ("all", str(found.support.sum()), format_score(joined["f1_macro"]), format_score(joined["uar"]), "")
    text = (
        f"Macro-F1 is the sum over the fixed list of {count} classes, divided by {count}; that of an absent class is 0."
    )
    matrix = zip(found.classes, found.confusion.tolist(), strict=True)
    counts = tuple((name, *map(str, row)) for name, row in matrix)
    heads = ("class", "support", "F1", "recall", "precision")
    chart = wide(confusion_chart(found.confusion, found.classes))
    return [
        Section("Expression by class", text, *_with_notes(heads, [*rows, mean], [*notes, ""])),
        Section("Confusion matrix", "", ("truth \\ predicted", *found.classes), counts, chart, chart_only=True),
    ]


def _action_units(found: ActionUnitReport) -> Section:
    """Return F1 and support of each action unit, and their mean."""
    notes = name_notes(found.units, found.support, found.never_predicted)
    columns = zip(found.units, found.support, found.f1, strict=True)
    rows = [(unit, str(support), format_score(float(f1))) for unit, support, f1 in columns]
    rows.append(("mean", "", format_score(found.scores.joined["f1_macro"])))
    origin = threshold_origin(found.threshold)
    text = f"A unit is predicted where its value is above {found.threshold:g}; this threshold is {origin}. "
    text += "F1 is 0 for a unit that never occurs. A unit without predictions counts as never occurring."
    mixed = f" Left out: {counted(found.mixed, 'step')} with some units unknown." if found.mixed else ""
    return Section("Action units", text + mixed, *_with_notes(("unit", "support", "F1"), rows, [*notes, ""]))


def _recordings(report: EvaluationReport) -> Iterator[Section]:
    """Yield the main scores of each recording, one row for each."""
    by_kind = {kind: scores.recordings for kind, scores in report.scores.items() if scores.recordings}
    if not by_kind:
        return
    columns = [
        (kind, name) for kind in by_kind for name in (RECORDING_SCORES if kind in report.dimensions else QUOTED[kind])
    ]
    rows = tuple(
        (name, *(format_score(by_kind[kind].get(name, {}).get(score)) for kind, score in columns))
        for name in dict.fromkeys(chain.from_iterable(by_kind.values()))
    )
    yield Section("Recordings", "", ("recording", *(_score_name(kind, score) for kind, score in columns)), rows)


def _curves(report: EvaluationReport) -> Iterator[Section]:
    """Yield target and prediction over time for the first MAX_CURVES recordings."""
    by_recording: dict[str, list[tuple[str, Curve]]] = {}
    for name, dimension in report.dimensions.items():
        for curve in dimension.curves:
            by_recording.setdefault(curve.recording, []).append((name, curve))
    shown = list(by_recording.items())[:MAX_CURVES]
    if shown:
        left = f" The first {MAX_CURVES} of {len(by_recording)} recordings." if len(by_recording) > MAX_CURVES else ""
        text = f"Truth grey, prediction blue, over seconds (or steps where no time is known).{left}"
        charts = [
            target_chart(recording, [(name, curve.times, curve.target, curve.prediction) for name, curve in curves])
            for recording, curves in shown
        ]
        yield Section("Over time", text, chart=wide("\n".join(charts)))


def _notes_and_weights(report: EvaluationReport) -> Iterator[Section]:
    """Yield what the corpus reader and the evaluation noted, and the sha256 of every weight file."""
    notes = tuple((note, str(count), place) for note, (count, place) in report.notes.items())
    yield Section("Notes", "" if notes else "Nothing.", ("", "count", "first"), notes)
    weights = tuple(report.weights.items())
    yield Section("Weights", "" if weights else "The predictions do not state them.", ("file", "sha256"), weights)
