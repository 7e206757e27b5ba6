"""How many channels stay: widths that a processor's vectors like, or that a measured table prefers."""

import math


def round_up(kept: int, total: int, multiple: int) -> int:
    """Round the channels that stay up to a multiple, or to all of them.

    >>> round_up(33, 64, 8), round_up(61, 62, 8), round_up(5, 64, 1)
    (40, 62, 5)
    """
    return min(total, math.ceil(kept / multiple) * multiple)
