"""What a conversion leaves, beside the file itself."""

import msgspec

from mobilekit.core.tensors import TensorSpec


class Converted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ends of the file as it stores them, and what the converter skipped or had rewritten."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
