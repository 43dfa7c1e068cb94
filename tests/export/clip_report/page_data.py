"""Write a page and read what it holds: its data as the script of the page reads them."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from avfer.export.clip_report.html_report import HtmlReport

DATA = re.compile('<script type="application/json" id="report-data">(.*?)</script>', re.DOTALL)


def write_page(table: pa.Table, folder: Path, clip: str = "talk.mp4", **options: Any) -> str:
    """Return the page of a table whose clip is missing."""
    HtmlReport(**options).write(table, folder / clip, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def page_data(page: str) -> dict[str, Any]:
    """Return the data of a page."""
    found = DATA.search(page)
    assert found is not None
    return json.loads(found[1])


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def instants(clip: dict[str, Any]) -> np.ndarray:
    """Return the times of a clip, (T,) s."""
    steps = np.frombuffer(unpack(clip["times"]["steps"]), "<i4")
    return clip["times"]["first"] + np.concatenate([[0], np.cumsum(steps)]) / 1e6


def person_rows(person: dict[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the instants of a person's rows, (M,), and the columns, (M,) with NaN where a value is missing."""
    data, rows = unpack(person["data"]), person["rows"]
    index = np.cumsum(np.frombuffer(data, "<i4", rows))
    values = np.frombuffer(data, "<i2", offset=4 * rows).reshape(-1, rows).astype(float)
    values[values == -32768] = np.nan
    columns = {name: values[k] / scale for k, (name, scale) in enumerate(person["columns"])}
    return index, columns | {"expression": values[-1]}
