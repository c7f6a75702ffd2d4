"""Numbers and times as people read them."""

import math


def three_digits(value: float) -> str:
    """Return a number with three significant digits, and with all digits before the decimal point.

    For example 0.938, 12.3, 412, 2,103 and -0.00120.
    """
    if not math.isfinite(value) or value == 0.0:
        return f"{value:.0f}"
    if abs(value) >= 1e9:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}".removesuffix(".")


def short_count(count: int) -> str:
    """Return a count in at most five letters, such as 950, 12.3k, 499k or 1.00M."""
    if count < 1000:
        return str(count)
    value = float(count)
    units = iter("kMGTP")
    while value >= 999.5:
        value, unit = value / 1000, next(units)
    return f"{value:#.3g}".removesuffix(".") + unit


def duration(seconds: float) -> str:
    """Return a time as minutes and seconds, such as 4:13, or with hours, such as 26:04:13."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def counted(count: int, noun: str) -> str:
    """Return a number of things, such as 1 episode or 20 episodes."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
