"""Every public class documents the arguments of its constructor: names, and with them units, ranges and shapes.

An argument is documented if the docstring of the class or of `__init__` names it. A field of a dataclass may have a
comment instead, behind it or on the line before.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avfer"
FILES = sorted(PACKAGE.rglob("*.py"))


def undocumented(source: str) -> list[str]:
    """Return `Class.argument` for each argument of a public constructor that is documented nowhere."""
    lines = source.splitlines()
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    found: list[str] = []
    for node in (node for node in classes if not node.name.startswith("_")):
        text = ast.get_docstring(node) or ""
        if is_dataclass(node):
            names = (field.target.id for field in fields(node) if not has_comment(field, lines))
        else:
            text += "".join(ast.get_docstring(constructor) or "" for constructor in constructors(node))
            names = (name for constructor in constructors(node) for name in arguments(constructor))
        found += [f"{node.name}.{name}" for name in names if not re.search(rf"\b{name}\b", text)]
    return found


def is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def fields(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    options = (line for line in node.body if isinstance(line, ast.AnnAssign))
    public = (line for line in options if not line.target.id.startswith("_"))
    yield from (line for line in public if "ClassVar" not in ast.unparse(line.annotation))


def has_comment(field: ast.AnnAssign, lines: list[str]) -> bool:
    before, own = lines[field.lineno - 2], lines[field.lineno - 1 : field.end_lineno]
    return before.strip().startswith("#") or any("  # " in line for line in own)


def constructors(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == "__init__"]


def arguments(constructor: ast.FunctionDef) -> list[str]:
    found = constructor.args
    return [argument.arg for argument in [*found.posonlyargs, *found.args, *found.kwonlyargs]][1:]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_constructors_document_their_arguments(path):
    assert undocumented(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('class A:\n    """Adds."""\n    def __init__(self, width, *, rate=1): ...', ["A.width", "A.rate"]),
        ('class A:\n    """Adds.   width: px; rate: Hz."""\n    def __init__(self, width, rate): ...', []),
        ('class A:\n    """Adds."""\n    def __init__(self, width):\n        """width: px."""', []),
        ('@dataclass(frozen=True)\nclass A:\n    """Adds."""\n    width: int\n    rate: int  # Hz\n', ["A.width"]),
        ('@dataclass\nclass A:\n    """Adds."""\n    # px\n    width: int\n    limit: ClassVar[int] = 1\n', []),
        ("class _A:\n    def __init__(self, width): ...", []),
    ],
)
def test_an_argument_without_documentation_is_found(source, found):
    assert undocumented(source) == found
