"""avfer corpora: list, check."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avfer.cli.exits import FAILED

if TYPE_CHECKING:
    from avfer.datasets.corpus import CorpusCheck

app = typer.Typer(help="The corpora that can be read: RECOLA, Aff-Wild2, AffectNet, ...", no_args_is_help=True)


@app.command("list")
def list_corpora() -> None:
    """List all corpora with their options."""
    from rich.console import Console
    from rich.table import Table

    from avfer.catalog import NAMES, find
    from avfer.datasets.corpus import options_of

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "options", "what is read"):
        table.add_column(column, no_wrap=column == "name")
    for name in NAMES["corpus"]:
        kind = find("corpus", name)
        table.add_row(name, ", ".join(options_of(kind)) or "-", _first_sentence(kind))
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)


@app.command("check")
def check_corpus(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer corpora list`.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that the corpus was unpacked to.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="Set an option: --set split=46-subject.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a corpus as it lies there: what is there, what is missing, and whether a subject is in two partitions."""
    from avfer.datasets.corpus import check, open_tasks
    from avfer.pipeline_config import parse_override

    options: dict[str, Any] = dict(parse_override(text) for text in settings or [])
    corpora = open_tasks(name, root, **options)
    reports = [check(corpus) for corpus in corpora]
    if as_json:
        tasks = [corpus.task for corpus in corpora]
        print(json.dumps(_as_json(name, root, dict(zip(tasks, reports, strict=True))), ensure_ascii=False))
    else:
        for report in reports:
            _print(report, root)
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)


def _as_json(name: str, root: Path, reports: dict[str, "CorpusCheck"]) -> dict[str, Any]:
    """One report as it is; several, each under the name of its task."""
    head = {"corpus": name, "root": str(root), "sound": all(report.passed for report in reports.values())}
    told = {task: _report_as_json(report) for task, report in reports.items()}
    return head | (next(iter(told.values())) if len(told) == 1 else {"tasks": told})


def _report_as_json(report: "CorpusCheck") -> dict[str, Any]:
    notes = report.notes
    return {
        "distribution": report.distribution,
        "protocol": report.protocol,
        "sound": report.passed,
        "partitions": {partition: asdict(counts) for partition, counts in report.partitions.items()},
        "leaks": [{"who": who, "partitions": list(where)} for who, where in report.leaks.items()],
        "notes": [
            {"told": told, "count": count, "first": notes.places[told], "fault": told in notes.faults}
            for told, count in notes.counts.items()
        ],
    }


def _print(report: "CorpusCheck", root: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for partition in report.partitions:
        table.add_column(partition, justify="right")
    for label, cells in _lines(report):
        table.add_row(label, *cells)
    print(f"{report.corpus} in {root}\ndistribution: {report.distribution}\nprotocol: {report.protocol}\n")
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)
    print()
    for told, count in report.notes.counts.items():
        mark = "FAULT" if told in report.notes.faults else "note"
        print(f"{mark}: {told}: {count} (first: {report.notes.places[told]})")
    for who, where in report.leaks.items():
        print(f"FAULT: a leak: {who} is in {' and in '.join(where)}")
    if not report.leaks:
        print(_proof(report))
    print("sound\n" if report.passed else "faults, see above\n")


def _lines(report: "CorpusCheck") -> list[tuple[str, list[str]]]:
    """What is counted, a row each; counts of which there are none anywhere are left out."""
    counted = [asdict(counts) for counts in report.partitions.values()]
    valid: list[dict[str, int]] = [counts.pop("valid") for counts in counted]
    rows = {name.replace("_", " "): [counts[name] for counts in counted] for name in (counted[0] if counted else ())}
    kinds = dict.fromkeys(kind for counts in valid for kind in counts)
    rows |= {f"valid {kind.replace('_', ' ')}": [counts.get(kind, 0) for counts in valid] for kind in kinds}
    told = {"examples", "steps", "pictures missing", "media missing", *(name for name in rows if name[:5] == "valid")}
    return [(name, [f"{n:,}" for n in numbers]) for name, numbers in rows.items() if name in told or any(numbers)]


def _proof(report: "CorpusCheck") -> str:
    if not report.complete:
        return "no leak in what could be read"
    subjects = sum(counts.subjects for counts in report.partitions.values())
    examples = sum(counts.examples for counts in report.partitions.values())
    if subjects:
        return f"no leak: none of {subjects:,} subjects is in two partitions"
    return f"no leak found: subjects are not told, and none of {examples:,} recordings is in two partitions"


def _first_sentence(kind: type) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]
