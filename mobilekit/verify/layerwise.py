"""Where along the network a file's error rises."""

import msgspec


class LayerFinding(msgspec.Struct, frozen=True):
    """placeholder"""

    summary: str
