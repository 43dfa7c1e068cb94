"""avfer evaluate: score a partition of a corpus, with everything that makes the score comparable."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avfer.cli.shared_options import DEVICE, AsJson
from avfer.errors import ConfigError

if TYPE_CHECKING:
    from avfer.evaluation.evaluation_report import EvaluationReport


def evaluate(
    config: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help="A YAML file, or a bundled name such as aff_wild2.")
    ] = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", metavar="NAME", help="A name from `avfer corpora list`.")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="Folder of the corpus.")] = None,
    partition: Annotated[
        str | None, typer.Option("--partition", metavar="NAME", help="The part to score: train, dev or test.")
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            "--pipeline", metavar="PIPELINE", help="Label the recordings first: a YAML file, or aver, vision or voice."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Score the pictures with this face network.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="FILE", help="Weights of the face network: builtin, a path or a URL."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", metavar="DIR", help="Score existing tables, one for each recording, in DIR or below it."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Folder of the report; default: avfer_eval.")
    ] = None,
    device: Annotated[str | None, DEVICE] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any key of a configuration: convention=sample, options.gold=mean."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Label again what is labelled already.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")] = False,
) -> None:
    """Score a corpus; write report.json, report.md and report.html.

    Give a configuration, or --corpus, --root, --partition and one of --pipeline, --model and --predictions. Options
    replace the values in a configuration.

    An existing report is replaced, tables are kept; without --output, the report of another corpus is not replaced.
    """
    from avfer.yaml_reader import parse_overrides

    options = {
        "corpus": corpus,
        "root": root,
        "partition": partition,
        "pipeline": pipeline,
        "model": model,
        "weights": weights,
        "predictions": predictions,
        "output": output,
        "device": device,
    }
    changes = parse_overrides(settings) | {key: value for key, value in options.items() if value is not None}
    _evaluate(config, changes, overwrite, quiet, as_json)


def _evaluate(path: str | None, changes: dict[str, Any], overwrite: bool, quiet: bool, as_json: bool) -> None:
    from avfer.evaluation.evaluation_config import check_names, make_config, read_config

    missing = [f"--{name}" for name in ("corpus", "root", "partition") if path is None and name not in changes]
    if missing:
        raise ConfigError(f"missing {', '.join(missing)}, or a CONFIG; see avfer evaluate --help")
    config = make_config(_nest(changes), "avfer evaluate") if path is None else read_config(path, _nest(changes))
    check_names(config)

    from avfer.evaluation.scoring import score, write_report  # imports torch, which takes seconds

    report = score(config, overwrite=overwrite, quiet=quiet)
    paths = write_report(report, config.output)
    if not quiet:
        _print_summary(report)
    if as_json:
        result = {"outputs": [str(path) for path in paths], "headline": report.to_dict()["headline"]}
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(*paths, sep="\n")


def _print_summary(report: "EvaluationReport") -> None:
    """Print the headline, its warnings, the protocol and comparable published rows to standard error."""
    from avfer.evaluation.report_sections import headline_rows, published_lines, report_title, step_lines
    from avfer.evaluation.report_warnings import report_warnings

    print(report_title(report), file=sys.stderr)
    rows = headline_rows(report)
    width = max(len(name) for name, _, _ in rows)
    for name, value, interval in rows:
        print(f"  {name:<{width}}  {value}  {interval}".rstrip(), file=sys.stderr)
    for warning in report_warnings(report):
        print(f"  warning: {warning}", file=sys.stderr)
    protocol = [f"{name}: {fact}" for name, fact in report.facts.items()]
    for line in (*step_lines(report), *protocol, *published_lines(report)):
        print(f"  {line}", file=sys.stderr)


def _nest(changes: dict[str, Any]) -> dict[str, Any]:
    """Turn `options.gold` into the key `gold` of `options`; only the first dot counts, because keys of `settings` have
    dots of their own.
    """
    nested: dict[str, Any] = {}
    for key, value in changes.items():
        outer, dot, inner = key.partition(".")
        if not dot:
            nested[key] = value
        elif not isinstance(nested.setdefault(outer, {}), dict):
            raise ConfigError(f"--set {key}: {outer} is already set to {nested[outer]!r}; remove one of the two")
        else:
            nested[outer][inner] = value
    return nested
