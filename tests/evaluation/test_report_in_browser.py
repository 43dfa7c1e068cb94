"""The pages of an evaluation and of a training run in a real browser."""

import pytest

from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.report_rendering import Section, render_html
from avfer.evaluation.report_sections import headline_rows, report_sections
from avfer.evaluation.scoring import evaluate
from avfer.models.card import Card
from avfer.training.scored_partition import ScoredPartition
from avfer.training.training_config import make_config
from avfer.training.training_report import write_training_report
from tests.browser import WIDTHS, browser, open_page
from tests.evaluation.toy_corpus import NAME, Toy, write_truth

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>"
CARD = Card(name="temporal", task="test", description="", data=HOSTILE, licence_weights="as a test allows")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages of an evaluation with many recordings and a hostile one, and of a training run."""
    folder = tmp_path_factory.mktemp("toy")
    kinds = "valence arousal expression action_units"
    write_truth(folder / "tables", Toy(folder, kinds))
    keys = {"corpus": NAME, "root": folder, "options": {"kinds": kinds}}
    report = evaluate(make_eval(keys, folder))
    rows = tuple((f"{HOSTILE} {number}", f"{number / 1000:.4f}") for number in range(300))
    sections = [*report_sections(report), Section("Many recordings", heads=("recording", "CCC"), rows=rows)]
    figures = [(name, value) for name, value, _ in headline_rows(report)]
    (folder / "evaluation.html").write_text(render_html(HOSTILE, sections, "lead", figures), encoding="utf-8")
    config = make_config({"corpus": NAME, "root": str(folder), "output": str(folder / "out")}, "test")
    history = [{"epoch": epoch, "loss": 1 / epoch, "rate": 0.1, "score": epoch / 9} for epoch in (1.0, 2.0, 3.0)]
    partition = ScoredPartition(3, "recordings", (HOSTILE,))
    training = write_training_report(config, history, CARD, partition, "avfer evaluate " + "--set a=b " * 30)
    return {"evaluation": folder / "evaluation.html", "training": training}


def make_eval(keys, folder):
    own = {"partition": "dev", "draws": 20, "predictions": folder / "tables", "output": folder / "report"}
    return EvalConfig.model_validate(keys | own)


@pytest.mark.parametrize("name", ["evaluation", "training"])
def test_a_page_has_no_error_no_request_and_does_not_scroll_sideways(pages, name):
    with browser() as chromium:
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                with open_page(chromium, pages[name], width, scheme) as opened:
                    assert opened.errors == opened.requests == []
                    assert opened.scroll_width == width
                    assert opened.page.locator("img").count() == 0
                    assert opened.page.locator("ul.warning").is_visible()
