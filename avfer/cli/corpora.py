"""`avfer corpora`: list the corpora that can be read, and check a copy on disk for faults.

A check reads all labels, opens the headers of videos, and looks for files that are missing and for people who are in
two partitions. It writes nothing. Exit codes: 0 no fault, 2 wrong name, option or root, 3 faults.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avfer.cli.commands import command, command_group
from avfer.errors import FAILED

if TYPE_CHECKING:
    from avfer.datasets.corpus import CorpusCheck

WIDTH = 240  # characters of a line in a file or a pipe
ALWAYS_SHOWN = frozenset({"examples", "steps", "pictures missing", "media missing"})  # rows printed even if all are 0

app = command_group(
    "List the corpora that can be read, and check a copy on disk.", example="avfer corpora check recola /data/RECOLA"
)


@command(app, "list", example="avfer corpora list")
def list_corpora() -> None:
    """List all corpora with their options, and what is read of them."""
    from rich.table import Table

    from avfer.catalog import NAMES, find
    from avfer.datasets.corpus import options_of
    from avfer.listing_console import listing_console

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "options", "what is read"):
        table.add_column(column, no_wrap=column == "name")
    for name in NAMES["corpus"]:
        kind = find("corpus", name)
        table.add_row(name, ", ".join(options_of(kind)) or "-", _summary(kind))
    listing_console(WIDTH).print(table)


@command(app, "check", example="avfer corpora check recola /data/RECOLA")
def check_corpus(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `avfer corpora list`.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that the corpus was unpacked to.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="Set an option: --set split=46-subject.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report the contents of a corpus on disk, and what is missing.

    A subject in two partitions is a leak. The exit code is 3 if there is a fault or a leak. A corpus with several tasks
    is checked for each of them.
    """
    from avfer.datasets.corpus import check, open_tasks
    from avfer.yaml_reader import parse_overrides

    checks = {corpus.task: check(corpus) for corpus in open_tasks(name, root, **parse_overrides(settings))}
    if as_json:
        print(json.dumps(_to_json(name, root, checks), ensure_ascii=False))
    else:
        for found in checks.values():
            _print(found, root)
    if not all(found.passed for found in checks.values()):
        raise typer.Exit(FAILED)


def _to_json(name: str, root: Path, checks: dict[str, "CorpusCheck"]) -> dict[str, Any]:
    """Return the JSON object of one check; of several, each under the name of its task in "tasks"."""
    head = {"corpus": name, "root": str(root), "passed": all(found.passed for found in checks.values())}
    bodies = {task: _check_to_json(found) for task, found in checks.items()}
    return head | (next(iter(bodies.values())) if len(bodies) == 1 else {"tasks": bodies})


def _check_to_json(found: "CorpusCheck") -> dict[str, Any]:
    """Return the JSON object of a check; its keys are part of the public interface."""
    notes = found.notes
    return {
        "distribution": found.distribution,
        "protocol": found.protocol,
        "passed": found.passed,
        "partitions": {partition: asdict(counts) for partition, counts in found.partitions.items()},
        "leaks": [{"who": who, "partitions": list(partitions)} for who, partitions in found.leaks.items()],
        "notes": [
            {
                "note": note,
                "count": count,
                "first": notes.places[note][0],
                "places": notes.places[note],
                "fault": note in notes.faults,
            }
            for note, count in notes.counts.items()
        ],
    }


def _print(found: "CorpusCheck", root: Path) -> None:
    """Print a check for people: a table of counts, then one line for each note, fault and leak."""
    from rich.table import Table

    from avfer.listing_console import listing_console

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for partition in found.partitions:
        table.add_column(partition, justify="right")
    for label, cells in _count_rows(found):
        table.add_row(label, *cells)
    print(f"{found.corpus} in {root}\ndistribution: {found.distribution}\nprotocol: {found.protocol}\n")
    listing_console(WIDTH).print(table)
    print()
    for note, count in found.notes.counts.items():
        mark = "FAULT" if note in found.notes.faults else "note"
        places = found.notes.places[note]
        print(f"{mark}: {note}: {count} (first: {places[0]})")
        print(*(f"    {place}" for place in places[1:]), sep="\n", end="\n" if len(places) > 1 else "")
    for who, partitions in found.leaks.items():
        print(f"FAULT: leak: {who} is in {' and in '.join(partitions)}")
    if not found.leaks:
        print(_no_leak(found))
    print("no faults\n" if found.passed else "faults, see above\n")


def _count_rows(found: "CorpusCheck") -> list[tuple[str, list[str]]]:
    """Return a row of the table for each count: its label, and a cell for each partition.

    Rows of zeros are left out, except those that are always shown and those of valid labels.
    """
    counted = [asdict(counts) for counts in found.partitions.values()]
    valid: list[dict[str, int]] = [counts.pop("valid") for counts in counted]
    rows = {name.replace("_", " "): [counts[name] for counts in counted] for name in (counted[0] if counted else ())}
    kinds = dict.fromkeys(kind for counts in valid for kind in counts)
    valid_rows = {f"valid {kind.replace('_', ' ')}": [counts.get(kind, 0) for counts in valid] for kind in kinds}
    shown = ALWAYS_SHOWN | valid_rows.keys()
    return [
        (name, [f"{number:,}" for number in numbers])
        for name, numbers in (rows | valid_rows).items()
        if name in shown or any(numbers)
    ]


def _no_leak(found: "CorpusCheck") -> str:
    """Return the sentence that states how far leaks between partitions are excluded."""
    if not found.complete:
        return "no leak in what could be read"
    subjects = sum(counts.subjects for counts in found.partitions.values())
    examples = sum(counts.examples for counts in found.partitions.values())
    if subjects:
        return f"no leak: none of {subjects:,} subjects is in two partitions"
    return f"no leak found: subjects are unknown, and none of {examples:,} recordings is in two partitions"


def _summary(kind: type) -> str:
    """Return the first line of the docstring of a corpus."""
    return (kind.__doc__ or "").strip().split("\n")[0]
