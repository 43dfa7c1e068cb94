"""Commands that read tables alone load no network library, which takes seconds and hundreds of megabytes."""

import subprocess
import sys

HEAVY = {"torch", "scipy", "pandas", "matplotlib"}
MODULES = (
    "avfer.labelling.corpus_report.corpus_page",
    "avfer.export.clip_report.html_report",
    "avfer.export.person_statistics",
    "avfer.export.table_segments",
)


def test_reports_and_summaries_import_no_network_library() -> None:
    code = f"import sys, {', '.join(MODULES)}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
