"""The design system keeps its promise: what is written can be read, in light and in dark."""

import re
from pathlib import Path

import pytest

from ramal_web import catalogs

CSS = Path(catalogs.__file__).with_name("static") / "css"
TOKENS = (CSS / "tokens.css").read_text(encoding="utf-8")
TEXT = [
    *(("ink", surface) for surface in ("ground", "surface", "surface-2", "quiet-soft", "bad-soft", "warn-soft")),
    *(("ink-soft", surface) for surface in ("ground", "surface", "surface-2")),
    *(("accent", surface) for surface in ("ground", "surface", "surface-2")),
    *((tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info", "quiet")),
    *((tone, "surface") for tone in ("good", "warn", "bad", "info", "quiet")),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
]
SHAPES = [("line-strong", "surface"), ("good", "surface"), ("bad", "surface"), ("accent", "ground")]


def blocks() -> dict[str, dict[str, str]]:
    """The three sets of colours: light, dark by choice, dark by the system."""
    found = re.findall(r"([^{}]+)\{([^{}]*--ground[^{}]*)\}", TOKENS)
    sets = [dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6})", body)) for _, body in found]
    assert len(sets) == 3
    return dict(zip(("light", "dark", "system"), sets, strict=True))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_on_what_it_stands_on(scheme: str) -> None:
    colours = blocks()[scheme]
    faint = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in TEXT}
    assert not {pair: round(ratio, 2) for pair, ratio in faint.items() if ratio < 4.5}
    shapes = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in SHAPES}
    assert not {pair: round(ratio, 2) for pair, ratio in shapes.items() if ratio < 3.0}


def test_dark_by_choice_and_dark_by_the_system_are_the_same_dark() -> None:
    assert blocks()["dark"] == blocks()["system"]


def test_colours_are_named_in_one_place_only() -> None:
    for sheet in ("base.css", "components.css", "wall.css"):
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", (CSS / sheet).read_text(encoding="utf-8")), sheet


def test_every_value_that_is_used_exists() -> None:
    own = (CSS / "wall.css").read_text(encoding="utf-8")  # sizes that hang on the card's own
    named = set(re.findall(r"--([a-z0-9-]+):", TOKENS + own))
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", TOKENS + "".join(p.read_text() for p in CSS.glob("*.css"))))
    assert used <= named
