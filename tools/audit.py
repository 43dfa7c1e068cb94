"""Measure the text of the package: files, lines, docstrings, shapes, import circles, words, repeated names.

`python -m tools.audit` prints the figures of avfer/; `python -m tools.audit --list` names every finding;
`python -m tools.audit --list avfer/stages tests/stages` restricts the findings to some folders or files.
"""

import argparse
import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "avfer"
LONGEST = 300  # lines of a file
# Words that are no technical terms, in identifiers, docstrings, comments and messages.
WORDS = re.compile(
    r"(?<![a-z])(tells?|told|telling|asks?|asked|asking|hears?|heard|sees|seen|stands?|stood|holds good|blamed?|blames|"
    r"mourns?|mourned|bury|buried|buries|hires?|hired|verdicts?|stillborn|whoever|nobody|is no number|are no numbers|"
    r"forgives?|anew)(?![a-z])",
    re.IGNORECASE,
)
ARRAYS = re.compile(r"\b(Tensor|ndarray|NDArray|ArrayLike)\b")
SHAPE = re.compile(r"\([^()]*\b(?:\.\.\.|[A-Z]\w?|\d+)\b[^()]*\)|\(\)|scalar|float")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Findings:
    """All findings by kind, a line for each."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, path: Path, line: int, text: str) -> None:
        self.lines[kind].append(f"{path.relative_to(ROOT)}:{line}: {text}")


def functions(tree: ast.Module) -> Iterator[tuple[Function, str, bool]]:
    """Yield every function and method of a module with its qualified name, and whether it is public."""

    def walk(node: ast.AST, prefix: str, public: bool) -> Iterator[tuple[Function, str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child, prefix + child.name, public and not child.name.startswith("_")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.", public and not child.name.startswith("_"))
            elif isinstance(child, ast.If | ast.Try):
                yield from walk(child, prefix, public)

    yield from walk(tree, "", True)


def docstring_lines(tree: ast.Module) -> int:
    """Return the number of lines that docstrings cover."""
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                count += (first.end_lineno or first.lineno) - first.lineno + 1
    return count


def takes_arrays(node: Function) -> bool:
    """Return whether an argument or the result is annotated as a tensor or an array."""
    notes = [arg.annotation for arg in (*node.args.args, *node.args.kwonlyargs)] + [node.returns]
    return any(note is not None and ARRAYS.search(ast.unparse(note)) for note in notes)


def check_functions(path: Path, tree: ast.Module, source: str, found: Findings, counts: Counter[str]) -> None:
    """Add public functions without a docstring, or without the shapes of their arrays."""
    for node, name, public in functions(tree):
        if not public or any("overload" in ast.unparse(d) for d in node.decorator_list):
            continue
        text = ast.get_docstring(node)
        if text is None and not (name.count(".") and node.name == "forward"):
            found.add("public function without docstring", path, node.lineno, name)
        if takes_arrays(node):
            counts["public functions with arrays"] += 1
            body = "\n".join(source.splitlines()[node.lineno - 1 : node.body[0].end_lineno])
            if not SHAPE.search(text or "") and not re.search(r"#.*\([A-Z.]", body.split('"""')[0]):
                found.add("arrays without shapes", path, node.lineno, name)
            else:
                counts["of them with shapes"] += 1


def check_words(path: Path, source: str, found: Findings) -> None:
    """Add lines with words of the list."""
    for number, line in enumerate(source.splitlines(), start=1):
        for match in WORDS.finditer(line.replace("_", " ")):
            found.add("word", path, number, f"{match.group()}: {line.strip()[:100]}")


def module_name(path: Path) -> str:
    """Return the name of a module: avfer.stages.detect for avfer/stages/detect.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, tree: ast.Module, modules: set[str]) -> set[str]:
    """Return the modules of the package that a file imports, apart from the lazy names of avfer/__init__.py."""
    if path == PACKAGE / "__init__.py":
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    own = module_name(path)
    return {name for name in names if name in modules and name != own and name != "avfer"}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return groups of modules that import each other (strongly connected components of more than one, by Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def repeated(places: dict[str, list[str]]) -> list[str]:
    """Return a line for each name that occurs in several places."""
    return [f"{name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1]


def audit(found: Findings, folders: list[Path]) -> Counter[str]:
    """Measure avfer/, and search for words also in tests/, tools/, configs/, pipelines/ and README.md."""
    counts: Counter[str] = Counter()
    graph: dict[str, set[str]] = {}
    files, classes = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    paths = sorted(PACKAGE.rglob("*.py"))
    modules = {module_name(path) for path in paths}
    for path in paths:
        source = path.read_text()
        tree = ast.parse(source)
        counts["files"] += 1
        counts["lines"] += len(source.splitlines())
        counts["lines that are not blank"] += sum(bool(line.strip()) for line in source.splitlines())
        counts["docstring lines"] += docstring_lines(tree)
        check_functions(path, tree, source, found, counts)
        graph[module_name(path)] = imports(path, tree, modules)
        if path.stem not in {"__init__", "__main__"}:
            files[path.stem].append(str(path.relative_to(ROOT)))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(str(path.relative_to(ROOT)))
        if len(source.splitlines()) > LONGEST:
            found.add("file too long", path, 1, f"{len(source.splitlines())} lines")
    for path in [*text_files(), *paths]:
        check_words(path, path.read_text(), found)
    found.lines["import circle"] = [" <-> ".join(group) for group in circles(graph)]
    found.lines["file name used twice"] = repeated(files)
    found.lines["class name used twice"] = repeated(classes)
    if folders:
        wanted = tuple(str(folder.resolve().relative_to(ROOT)) for folder in folders)
        for kind, lines in found.lines.items():
            found.lines[kind] = [line for line in lines if line.startswith(wanted) or ": avfer/" in line]
    return counts


def text_files() -> list[Path]:
    """Return the files outside the package that are searched for words."""
    kinds = ("*.py", "*.yaml", "*.sh", "*.md")
    found = [
        path
        for folder in ("tests", "tools", "configs", "pipelines")
        for k in kinds
        for path in (ROOT / folder).rglob(k)
    ]
    return sorted(path for path in [*found, ROOT / "README.md"] if path != Path(__file__).resolve())


def main() -> None:
    """Print the figures, and with --list the findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--list", action="store_true", help="name every finding")
    arguments = parser.parse_args()
    found = Findings()
    counts = audit(found, arguments.folders)
    for name, count in counts.items():
        print(f"{name}: {count}")
    share = counts["docstring lines"] / counts["lines that are not blank"]
    print(f"docstring share of lines that are not blank: {share:.1%}")
    for kind, lines in sorted(found.lines.items()):
        print(f"{kind}: {len(lines)}")
        for line in lines if arguments.list else ():
            print(f"  {line}")


if __name__ == "__main__":
    main()
