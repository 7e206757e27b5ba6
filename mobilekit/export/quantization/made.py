"""What a quantization leaves, beside the file itself."""

import msgspec

from mobilekit.core.reports import LayerQuantization


class Quantized(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How each layer is stored, and what a person should know."""

    layers: tuple[LayerQuantization, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
