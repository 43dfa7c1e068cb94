"""One colour for each expression and state of a report, which colour-blind readers can distinguish."""

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from avfer.export.clip_report.report_data import STATES
from avfer.export.colours import EXPRESSION_COLOURS, expression_colour

MACHADO = {  # Machado, Oliveira and Fernandes 2009, severity 1.0, applied to linear RGB
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "none": np.eye(3),
}
PALETTES = {
    "expressions": EXPRESSION_COLOURS,
    "states of a report": {name: colour for name, (_, colour) in STATES.items()},
}
BACKGROUNDS = ("#ffffff", "#1b2027")  # of a section, light and dark


def linear(colour: str) -> np.ndarray:
    """Return the linear RGB of a colour: (3,) in [0, 1]."""
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """Return the contrast of WCAG 2.2 between two colours, from 1 to 21."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("blindness", MACHADO)
def test_any_two_colours_of_a_palette_differ_for_colour_blind_readers(blindness, palette):
    seen = {name: (np.array(MACHADO[blindness]) @ linear(colour)) for name, colour in PALETTES[palette].items()}
    displayed = np.array([values.clip(0, 1) for values in seen.values()])
    displayed = np.where(displayed <= 0.0031308, displayed * 12.92, 1.055 * displayed ** (1 / 2.4) - 0.055)
    colours = dict(zip(seen, rgb2lab(displayed[None])[0], strict=True))
    for one, other in combinations(colours, 2):
        assert deltaE_ciede2000(colours[one], colours[other]) > 9, (one, other)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_expression_is_visible_on_a_light_and_a_dark_page(background):
    assert min(contrast(colour, background) for colour in EXPRESSION_COLOURS.values()) > 2.2


def test_an_expression_without_a_fixed_colour_takes_one_by_its_position():
    names = ["neutral", "boredom", "interest"]
    assert expression_colour("boredom", names) != expression_colour("interest", names)
    assert expression_colour("neutral", names) == EXPRESSION_COLOURS["neutral"]
