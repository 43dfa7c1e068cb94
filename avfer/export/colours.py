"""The colours of every chart, page, figure and exported file: one for each expression, each line and each value.

Readers who are colour-blind can distinguish the expressions: simulated by the matrices of Machado, Oliveira and
Fernandes (2009) for protanopia, deuteranopia and tritanopia, any two differ by more than 9 in CIEDE2000. Each has a
contrast of at least 2.2 to the white and to the dark background of a page.
"""

from colorsys import hls_to_rgb

# Six colours of Okabe and Ito's palette; its black and yellow would vanish on one of the backgrounds.
EXPRESSION_COLOURS = {
    "neutral": "#72787e",
    "happiness": "#e69f00",
    "surprise": "#56b4e9",
    "sadness": "#0072b2",
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "contempt": "#945738",
}
OTHER_EXPRESSION = "#72787e"  # of an expression that is in no list
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Viridis in nine steps from 0 to 1: evenly bright steps, which colour-blind readers can order too.
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
GOLDEN_ANGLE = 0.381966  # of a full turn


def expression_colour(expression: str, names: list[str]) -> str:
    """Return the fixed colour of an expression; one without takes the line colour of its position in `names`."""
    if expression in EXPRESSION_COLOURS:
        return EXPRESSION_COLOURS[expression]
    return LINE_COLOURS[names.index(expression) % len(LINE_COLOURS)] if expression in names else OTHER_EXPRESSION


def line_colour(index: int) -> str:
    """Return the colour of the line of the person at a position in the list of series.

    Beyond LINE_COLOURS the hues advance by the golden angle, so that neighbours in the list differ clearly.
    """
    if index < len(LINE_COLOURS):
        return LINE_COLOURS[index]
    red, green, blue = hls_to_rgb(index * GOLDEN_ANGLE % 1.0, 0.42, 0.6)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
