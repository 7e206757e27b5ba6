"""Numbers as people read them."""

import math

NONE = "—"

UNTRAINED = "UNTRAINED: seeded weights, of no use but for measuring"
WEIGHTS = {
    "seeded": UNTRAINED,
    "given": "",
    "factory": "weights as the factory made them",
    "trained": "trained here",
    "shipped": "trained, see its card in models/",
}
"""What to say of weights, by `Manifest.weights`."""


def size(count: int) -> str:
    """Write bytes.

    >>> size(532), size(1_234_567)
    ('532 B', '1.23 MB')
    """
    return scaled(count, "B")


def count(number: int) -> str:
    """Write a count.

    >>> count(273_226), count(7_010_000_000)
    ('273 k', '7.01 G')
    """
    return scaled(number, "")


def scaled(number: float, unit: str) -> str:
    """Write a number with three digits and a decimal prefix."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= factor:
            value = number / factor
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {prefix}{unit}"
    return f"{number:g} {unit}".strip()


def decibels(value: float) -> str:
    """Write a signal-to-error ratio.

    >>> decibels(math.inf), decibels(48.13)
    ('exact', '48.1 dB')
    """
    if math.isinf(value):
        return "exact" if value > 0 else "no signal"
    return f"{value:.1f} dB"


def share(value: float | None) -> str:
    """Write a fraction 0–1 as percent, rounded down so that 100 % means all.

    >>> share(0.99999), share(1.0), share(None)
    ('99.99 %', '100 %', '—')
    """
    if value is None:
        return NONE
    if value == 1.0:
        return "100 %"
    return f"{math.floor(value * 1e4) / 1e2:.2f} %"


def milliseconds(value: float) -> str:
    """Write a latency.

    >>> milliseconds(6.4123)
    '6.41'
    """
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
