"""Commands that read tables or list models load no network library, which takes seconds and hundreds of megabytes."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parent / "data" / "demo.mp4"
HEAVY = {"torch", "scipy", "pandas", "matplotlib"}
MODULES = (
    "avfer.labelling.corpus_report.corpus_page",
    "avfer.export.clip_report.html_report",
    "avfer.export.person_statistics",
    "avfer.export.table_segments",
    "avfer.listed_models",
)


def test_reports_summaries_and_the_list_of_models_import_no_network_library() -> None:
    code = f"import sys, {', '.join(MODULES)}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_run_over_a_clip_of_one_face_imports_no_package_that_it_does_not_use(tmp_path: Path) -> None:
    unused = HEAVY - {"torch"} | {"torchvision", "librosa", "timm"}
    code = f"""
import sys
from pathlib import Path

import pytest
from avfer.cli import main
try:
    main(["run", "aver", "--input", {str(DEMO)!r}, "--output", {str(tmp_path)!r}, "--stop", "1", "--quiet"])
finally:
    print(sorted({unused} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
