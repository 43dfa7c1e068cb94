"""avfer evaluate: the score of a partition of a corpus, with all that makes it comparable."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avfer.errors import ConfigError

if TYPE_CHECKING:
    from avfer.evaluation.report import Report


def evaluate(
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="A YAML file, or a bundled name such as aff_wild2.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(metavar="NAME", help="A name from `avfer corpora list`.")] = None,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of the corpus.")] = None,
    partition: Annotated[str | None, typer.Option(metavar="P", help="train, dev or test.")] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="X", help="Label the recordings first: a YAML, or aver, vision or voice.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Read the pictures with a face network.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="W", help="Of --model: builtin, a path or a URL.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Tables that are made already, one a recording.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for the report [avfer_eval].")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any key of a configuration: convention=sample, options.gold=mean."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Label anew what is labelled already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of paths.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")] = False,
) -> None:
    """Score a corpus: report.json, report.md and report.html, made anew each time; tables are kept.

    Either a configuration, or --corpus, --root, --partition and one of --pipeline, --model and --predictions; what is
    named beside a configuration takes the place of what stands in it.
    """
    named = {
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
    changes = _settings(settings or []) | {key: value for key, value in named.items() if value is not None}
    _evaluate(config, changes, overwrite, quiet, as_json)


def _evaluate(path: str | None, changes: dict[str, Any], overwrite: bool, quiet: bool, as_json: bool) -> None:
    from avfer.evaluation.evaluate import score, write
    from avfer.evaluation.evaluation_config import make_config, read_config

    config = make_config(_nested(changes), "avfer evaluate") if path is None else read_config(path, _nested(changes))
    report = score(config, overwrite=overwrite, quiet=quiet)
    paths = write(report, config.output)
    if not quiet:
        _tell(report)
    if as_json:
        told = {"outputs": [str(path) for path in paths], "headline": report.to_dict()["headline"]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(*paths, sep="\n")


def _tell(report: "Report") -> None:
    """The quoted scores, their protocol, and the published rows that may stand beside them, on standard error."""
    from avfer.evaluation.chapters import headline_rows, published_lines, step_lines, title_of

    print(title_of(report), file=sys.stderr)
    rows = headline_rows(report)
    width = max(len(name) for name, _, _ in rows)
    for name, value, interval in rows:
        print(f"  {name:<{width}}  {value}  {interval}".rstrip(), file=sys.stderr)
    protocol = [f"{name}: {fact}" for name, fact in report.facts.items()]
    for line in (*step_lines(report), *protocol, *published_lines(report)):
        print(f"  {line}", file=sys.stderr)


def _settings(texts: list[str]) -> dict[str, Any]:
    from avfer.pipeline_config import parse_override

    return dict(parse_override(text) for text in texts)


def _nested(changes: dict[str, Any]) -> dict[str, Any]:
    """`options.gold` as a key of `options`; the keys of `settings` are a stage's and have a dot of their own."""
    nested: dict[str, Any] = {}
    for key, value in changes.items():
        outer, dot, inner = key.partition(".")
        if not dot:
            nested[key] = value
        elif not isinstance(nested.setdefault(outer, {}), dict):
            raise ConfigError(f"--set {key}: {outer} is set to a value already")
        else:
            nested[outer][inner] = value
    return nested
