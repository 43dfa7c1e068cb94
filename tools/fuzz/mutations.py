"""Changes of texts, tables and bytes that a random generator chooses."""

import random

CANARY = "PWNED"  # name of the file that appears where code of a file is run
VALUES = [  # replace the values of configurations and options
    "", "~", "null", "true", "-1", "0", "1", "2", "1e309", "-1e309", ".nan", ".inf", "-.inf", "1e-320", "1e3", "100000",
    "9" * 30, "9" * 5000, "0x" + "f" * 300, "1:1:1", "2024-01-31", "2001-99-99", "soon", "''", "' '", "é",
    "\u2028", "\ud83d\ude00",
    "[]", "[1]", "{}", "{a: 1}", "[[[[1]]]]", "[" * 30, "[" * 3000, "{a: " * 50, "!!int x", "!!timestamp 2001-99-99",
    "!!binary aaa", "!!set {x}", f"!!python/object/apply:os.system ['touch {CANARY}']", "!!python/name:os.system",
    "*a", "&a [*a]", "&a x", "<<: *a", '"\\0"', '"\\uD800"', "a: b: c", "- x", "|", ">", "%", "@", "`", "?", "...",
    "---", "os:system", "subprocess:Popen", "builtins:eval", "posix:system", "avfer:load", "avfer.__main__:main",
    "__main__:app",
    "avfer.cli:main", "torch.nn:Linear", "torch.hub:load", "pip:main", "timm:resnet18", "timm:../x", "timm:", ":",
    "a:", ":a",
    "os", "..:x", "a.b.c:d", "tests.toy_stages:Hum", "avfer.stages.predict:PredictOwnHeads", f"touch {CANARY}",
    "/", "/dev/zero", "/etc/passwd", ".", "..", "~", "~nobody", "a" * 300, "a/" * 3000, "https://", "file:///etc",
]  # fmt: skip


def random_value(rng: random.Random) -> str:
    """Return a value of VALUES, or a few random characters."""
    if rng.random() < 0.85:
        return rng.choice(VALUES)
    return "".join(rng.choice("ab01 .:,-[]{}&*!|>'\"%@#\té\u2028\ud83d") for _ in range(rng.randrange(1, 12)))


def mutate_text(rng: random.Random, text: str) -> str:
    """Return YAML with one change: of a value, a key, a line, a character or the whole layout."""
    lines = text.splitlines() or [""]
    number = rng.randrange(len(lines))
    line, value = lines[number], random_value(rng)
    kind = rng.choice(
        ["value", "value", "value", "flow", "flow", "key", "drop", "repeat", "insert", "cut", "character", "end"]
    )
    if kind == "value" and ":" in line:
        lines[number] = f"{line.partition(':')[0]}: {value}"
    elif kind == "flow" and ": " in line:
        parts = line.split(": ")
        chosen = rng.randrange(1, len(parts))
        old = parts[chosen]
        end = min((old.index(sign) for sign in ",}" if sign in old), default=len(old))
        parts[chosen] = value + old[end:]
        lines[number] = ": ".join(parts)
    elif kind == "key" and ":" in line:
        lines[number] = f"{line[: len(line) - len(line.lstrip())]}{value}:{line.partition(':')[2]}"
    elif kind == "drop":
        del lines[number]
    elif kind == "repeat":
        lines.insert(number, line)
    elif kind == "insert":
        lines.insert(
            number, f"{rng.choice(['', '  '])}{rng.choice(['x', 'chunk', 'threads', 'output', 'use'])}: {value}"
        )
    elif kind == "cut":
        return text[: rng.randrange(len(text) + 1)]
    elif kind == "character" and text:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice("\0\t\r\x07{}[]&*!|>'\"%@`:#,-?\ufeff\u2028é") + text[place + 1 :]
    else:
        lines.append(value)
    return "\n".join(lines) + "\n"


def mutate_cells(rng: random.Random, text: str) -> str:
    """Return a table with one cell, line or separator changed."""
    rows = [row.split(",") for row in text.split("\n")]
    row = rng.choice(rows)
    kind = rng.choice(["cell", "cell", "add", "drop", "repeat", "empty"])
    if kind == "cell":
        row[rng.randrange(len(row))] = rng.choice(
            [random_value(rng), "a\0b", '"', "\ud800", "../../x", "/etc/passwd", "x" * 400]
        )
    elif kind == "add":
        row.append(random_value(rng))
    elif kind == "drop":
        row.pop()
    elif kind == "repeat":
        rows.append(list(row))
    else:
        rows = []
    return "\n".join(",".join(cells) for cells in rows)


def mutate_bytes(rng: random.Random, data: bytes, head: bool = False) -> bytes:
    """Return bytes with some changed, cut off or inserted. head: change only the first 2,000."""
    changed, stop = bytearray(data or b"\0"), max(1, min(len(data), 2000) if head else len(data))
    kind = rng.choice(["flip", "flip", "cut", "insert", "zeros", "length"])
    place = rng.randrange(stop)
    if kind == "flip":
        for _ in range(rng.choice([1, 3, 20])):
            changed[rng.randrange(stop)] = rng.randrange(256)
    elif kind == "cut":
        del changed[place:]
    elif kind == "insert":
        changed[place:place] = rng.randbytes(rng.choice([1, 8, 100]))
    elif kind == "zeros":
        changed[place : place + 64] = bytes(64)
    else:
        changed[:8] = rng.choice([2**63, 2**40, 0, len(changed) + 1]).to_bytes(8, "little")
    return bytes(changed)
