"""Matplotlib figures: the affect of a clip, and the learning curve of a training run."""

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest
from matplotlib import pyplot
from matplotlib.text import Text

from avfer.export.plot import plot_learning_curve, plot_table
from tests.export.tracks import SOURCE, TRACKS, TWO_PEOPLE, make_track, with_measures


@pytest.mark.parametrize("name", TRACKS)
def test_every_result_can_be_plotted(name, tmp_path):
    figure = TRACKS[name].plot()
    figure.savefig(tmp_path / "a.png")
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes[:2]] == ["valence", "arousal"]
    assert figure.axes[0].get_title(loc="left") == "talk.mp4"
    pyplot.close(figure)


def test_the_name_of_a_clip_is_no_formula(tmp_path):
    figure = make_track([(0, 1)], 1, source=replace(SOURCE, clip="cost_$5_and_$6.mp4")).plot()
    figure.savefig(tmp_path / "a.png")
    pyplot.close(figure)


def test_the_name_of_a_clip_is_above_the_legend_of_any_number_of_people():
    for people in (2, 14):
        track = make_track([(0, person) for person in range(people)], 1, source=replace(SOURCE, clip="long" * 40))
        figure = track.plot()
        figure.canvas.draw()
        axes = figure.axes[0]
        title = next(text for text in axes.findobj(Text) if text.get_text().replace("\n", "") == "long" * 40)
        assert title.get_window_extent().y0 >= axes.get_legend().get_window_extent().y1 - 3
        assert title.get_window_extent().y1 <= figure.bbox.y1
        assert title.get_window_extent().x1 <= figure.bbox.x1
        pyplot.close(figure)


def test_a_result_without_any_value_says_so_in_its_plot():
    for name, expected in (("no rows", True), ("one frame", False)):
        figure = TRACKS[name].plot()
        shown = [text.get_text() for text in figure.axes[0].texts]
        assert any("no values were predicted" in text for text in shown) == expected
        pyplot.close(figure)


def test_the_scale_of_few_action_units_has_a_height():
    figure = plot_table(with_measures(TRACKS["one frame"]))
    figure.canvas.draw()
    (bar,) = figure.axes[3].child_axes
    assert bar.get_window_extent().height > 5
    pyplot.close(figure)


def test_a_plot_shows_every_track():
    crowd = make_track([(frame, track) for frame in range(3) for track in range(20)], 3)
    figure = crowd.plot()
    valence, arousal, strip, *maps = figure.axes
    assert [len(axes.lines) for axes in (valence, arousal)] == [21, 21]  # and the line at 0
    assert len(valence.get_legend().get_texts()) == len(strip.get_yticks()) == len(maps) == 20
    pyplot.close(figure)


def test_measures_are_plotted_where_the_table_has_values():
    figure = plot_table(with_measures(TWO_PEOPLE))
    titles = [axes.get_title(loc="left") for axes in figure.axes[3:]]
    assert titles == [
        "Action units: activation (measured movement), 0 to 1\ntrack 1",
        "track 2",
        "Head yaw (degrees, + to the right)",
        "Gaze yaw (degrees, + to the right)",
    ]
    assert [text.get_text() for text in figure.axes[3].get_yticklabels()] == ["AU01", "AU12"]
    assert len(figure.axes[5].lines) == 3 and figure.axes[5].lines[0].get_ydata()[0] == 20
    pyplot.close(figure)
    without = plot_table(with_measures(TRACKS["voice alone"]))
    assert len(without.axes) == 3
    pyplot.close(without)


def test_expressions_without_probabilities_are_in_the_legend():
    table = TWO_PEOPLE.to_table()
    figure = plot_table(table.drop_columns([name for name in table.column_names if name.startswith("p_")]))
    legend = figure.axes[2].get_legend()
    assert sorted(text.get_text() for text in legend.get_texts()) == ["happiness", "neutral"]
    pyplot.close(figure)


def test_a_single_frame_is_plotted_as_dots():
    figure = plot_table(with_measures(TRACKS["one frame"]))
    dots = [sum(line.get_marker() == "." for line in axes.lines) for axes in figure.axes]
    assert dots[:2] == [1, 1] and sum(dots) == 4  # valence, arousal, two angles
    assert figure.axes[0].get_xlim() == (0, 0.04)
    pyplot.close(figure)


def test_a_learning_curve_has_the_loss_and_a_line_for_each_score():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.4], "rate": [1e-3, 1e-3], "score": [0.1, 0.2], "ccc": 0.3})
    losses, scores = plot_learning_curve(history).axes
    assert losses.lines[0].get_ydata().tolist() == [0.5, 0.4]
    assert [line.get_label() for line in scores.lines] == ["score", "ccc"]


def test_the_legend_of_expressions_is_right_below_the_strips_of_any_number_of_people():
    """Its distance is a length, so that many people leave no empty space."""
    gaps: list[float] = []
    for people in (1, 14):
        figure = plot_table(
            make_track([(frame, person) for frame in range(9) for person in range(people)], 9).to_table()
        )
        figure.canvas.draw()
        strip = figure.axes[2]
        gaps.append(strip.get_window_extent().y0 - strip.get_legend().get_window_extent().y1)
        pyplot.close(figure)
    assert abs(gaps[0] - gaps[1]) < 12 and max(gaps) < 0.35 * 100


def test_the_axis_of_time_ends_where_the_last_row_ends():
    """The expression and the action units of one picture in ten seconds last for ten seconds."""
    table = with_measures(make_track([(frame, 1) for frame in range(3)], 3))
    slow = table.set_column(table.column_names.index("time_s"), "time_s", pa.array([0.0, 10.0, 20.0]))
    figure = plot_table(slow)
    assert [axes.get_xlim() for axes in figure.axes[2:4]] == [(0, 30), (0, 30)]
    assert max(bar.get_x() + bar.get_width() for bar in figure.axes[2].patches) == 30
    pyplot.close(figure)
