"""How numbers are written in tables and sentences."""

from __future__ import annotations

import math


def number(value: float, signed: bool = False) -> str:
    """Write a number with three decimals and no leading zero, as the statistics of proportions are written."""
    value = round(float(value), 3) + 0.0  # so that a loss too small to print is no "-.000"
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def significant(value: float) -> str:
    """Write a number of any size: with three decimals, a small one with two significant digits."""
    if abs(value) >= 0.0995:
        return number(value)
    text = f"{float(value):.2g}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def p_value(value: float) -> str:
    """Write a p-value with three decimals and no leading zero, blank where there is none."""
    if math.isnan(value):
        return ""
    return "<.001" if value < 0.0005 else number(value)
