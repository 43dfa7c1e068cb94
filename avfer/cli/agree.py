"""avfer agree: compare predictions with human codings of ELAN, BORIS, Praat or CSV."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avfer.catalog import NAMES
from avfer.cli.shared_options import AsJson, Overwrite, check_replaceable

if TYPE_CHECKING:
    from avfer.evaluation.coding_agreement import Agreement

WIDTH = 120  # characters, of the scores; a narrower terminal wraps their lines, so that no number is cut


def agree(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table of avfer, or a folder of tables.")],
    coding: Annotated[
        Path,
        typer.Argument(
            metavar="CODING", help="A file of ELAN, BORIS, Praat or CSV, or a folder of files named after the clips."
        ),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="TIER=COLUMN",
            help="Compare a tier or behaviour with this column: valence, arousal, expression, AU12, or a class such as"
            " happiness. Can be given several times.",
        ),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="The person in the coding, if it codes several.")
    ] = None,
    person: Annotated[
        int | None,
        typer.Option("--person", metavar="N", help="The person in the table; default: the largest face of each frame."),
    ] = None,
    offset: Annotated[
        float, typer.Option("--offset", metavar="S", help="Seconds to add to the times of the coding.")
    ] = 0.0,
    rest: Annotated[
        str | None,
        typer.Option(
            "--rest", metavar="CLASS", help="Expression of moments without a mark; default: they are not scored."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="P",
            help="An action unit is predicted above this value; default 0.5, required if the table has activations.",
        ),
    ] = None,
    coding_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help=f"Format of the coding: {', '.join(NAMES['coding'])}; default: by ending and header.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the result to this .csv, .json, .md or .html file."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare tables with human codings of the same clips.

    The result has Cohen's kappa, Krippendorff's alpha, CCC and F1 with bootstrap intervals over clips. Tiers and
    behaviours are compared with the column that they are named after.
    """
    from avfer.codings.columns import parse_tier_mapping
    from avfer.evaluation.agreement_report import check_suffix, write_agreement
    from avfer.evaluation.coded_recordings import CodingOptions
    from avfer.evaluation.coding_agreement import agree
    from avfer.option_types import Number, Share, check_given_option, check_option

    check_given_option("--threshold", threshold, Share)
    check_option("--offset", offset, Number)
    if output is not None:
        check_suffix(output)
        check_replaceable(output, overwrite)
    options = CodingOptions(parse_tier_mapping(mapping or []), subject, person, offset, rest, coding_format)
    agreement = agree(table, coding, options, threshold)
    for note in agreement.notes:
        print(f"avfer: warning: {note}", file=sys.stderr)
    if output is not None:
        write_agreement(agreement, output)
    if as_json:
        outputs = [str(output)] if output is not None else []
        print(json.dumps({"outputs": outputs} | agreement.to_dict(), ensure_ascii=False))
    elif output is not None:
        print(output)
    else:
        _print(agreement)


def _print(agreement: "Agreement") -> None:
    """Print the scores to standard output, and how they were made to standard error."""
    from rich.console import Console
    from rich.table import Table

    from avfer.evaluation.agreement_report import HEADS, agreement_rows

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, head in enumerate(HEADS):
        table.add_column(head, justify="left" if number < 2 else "right", no_wrap=True)
    for row in agreement_rows(agreement):
        table.add_row(*row)
    Console(width=WIDTH).print(table)
    for name, fact in agreement.facts.items():
        print(f"  {name}: {fact}", file=sys.stderr)
