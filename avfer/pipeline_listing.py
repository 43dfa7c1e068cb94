"""List the bundled pipelines, and show a pipeline with every option of its stages: type, range, default and unit.

Everything is read from the classes of the stages: the fields and their types, and the comments behind the fields, which
state units. So there is no second table that could differ.
"""

import ast
import inspect
import io
import textwrap
import tokenize
import types
import typing
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from avfer.catalog import find
from avfer.configurations import FOLDERS, bundled
from avfer.listing_console import listing_console
from avfer.pipeline_config import StageSpec, read_pipeline
from avfer.provenance_comparison import resolve
from avfer.yaml_reader import write_yaml

WIDTH = 200  # characters of a line in a file or a pipe
TYPES = {
    str: "text",
    bool: "true or false",
    int: "integer",
    float: "number",
    tuple: "list",
    Path: "path",
    types.NoneType: "null",
}
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}


def print_pipelines() -> None:
    """Print the name of every bundled pipeline with the comment at the top of its YAML."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("what it does")
    for name in bundled("pipeline"):
        first = (FOLDERS["pipeline"] / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
        table.add_row(name, first.removeprefix("#").strip())
    listing_console(WIDTH).print(table)


def print_pipeline(name: str) -> None:
    """Print the YAML of a pipeline and a table of the options of each stage.

    Raises ConfigError if there is no such pipeline, or it is invalid.
    """
    spec = read_pipeline(name)
    values, console = resolve(spec)["stages"], listing_console(WIDTH)
    console.print(spec.text.rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.print("\nOptions: --set STAGE.OPTION=VALUE", markup=False, highlight=False)
    for line in spec.stages:
        kind = find("stage", line.use)
        console.print(f"\n{line.name}: {line.use}. {_summary(kind)}".rstrip(), markup=False, highlight=False)
        if table := _options_table(line, kind, values[line.name]):
            console.print(table)


def _summary(kind: type[Any]) -> str:
    """Return the first paragraph of the docstring of a class, "" if it has none of its own."""
    text = inspect.getdoc(kind) or ""
    generated = text.startswith(f"{kind.__name__}(")  # by dataclass: "DropSmall(min_side: float = 60.0)"
    return "" if generated else " ".join(text.partition("\n\n")[0].split())


def _options_table(line: StageSpec, kind: type[Any], values: dict[str, Any]) -> Table | None:
    """Return a table with a line for each option of a stage; None for a stage without options."""
    options, comments = [option for option in fields(kind) if option.init], field_comments(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for column in ("option", "value", "default", "type", "unit, meaning"):
        table.add_column(column, overflow="fold", no_wrap=column == "option")
    for option in options:
        cells = (_as_yaml(values[option.name]), _default(option), type_text(hints[option.name]))
        texts = (f"  {line.name}.{option.name}", *cells, comments.get(option.name, ""))
        table.add_row(*map(Text, texts))
    return table if options else None


def type_text(hint: Any) -> str:
    """Return the type and the range of an option in words: "number >= 12, <= 4096", "card or arcface"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        found = (rule for note in arguments[1:] if isinstance(note, FieldInfo) for rule in note.metadata)
        bounds = [
            f"{sign} {getattr(rule, key):.12g}" for rule in found for key, sign in BOUNDS.items() if hasattr(rule, key)
        ]
        return " ".join([type_text(arguments[0]), ", ".join(bounds)]).strip()
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(map(type_text, arguments)))
    return TYPES.get(origin or hint, getattr(hint, "__name__", str(hint)))


def field_comments(kind: type[Any]) -> dict[str, str]:
    """Return the comment behind each field of a dataclass, by the name of the field; fields without one are absent."""
    comments: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):  # a class without a source file
            continue
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        at = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
        (definition,) = ast.parse(source).body
        assert isinstance(definition, ast.ClassDef)
        for node in definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno in at:
                comments[node.target.id] = at[node.end_lineno]
    return comments


def _default(option: "Field[Any]") -> str:
    if option.default is not MISSING:
        return _as_yaml(option.default)
    return "" if option.default_factory is MISSING else _as_yaml(option.default_factory())


def _as_yaml(value: Any) -> str:
    """Return a value as it is written in YAML: null, 0.5, [0, 1]."""
    plain = _lists(value)
    if plain is None:
        return "null"
    return write_yaml(plain, width=10_000, default_flow_style=True).strip().removesuffix("...").strip()


def _lists(value: Any) -> Any:
    """Return the value with lists in place of tuples, at every level, and with six digits of each float in them."""
    if not isinstance(value, tuple | list):
        return value
    return [float(f"{item:.6g}") if isinstance(item, float) else _lists(item) for item in value]
