"""What quantization-aware training leaves for those who write files: the grid of each layer's weights."""

import msgspec


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an activation was quantized over in training; zero lies in it, and on the grid."""

    low: float
    high: float


class LayerPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One weight of a network, which lies on its grid already."""

    layer: str
    """Name of the weight in the network, without `.weight`."""
    form: str
    """Words of the form; see `mobilekit.core.quantization.parse`."""
    scales: tuple[float, ...] = ()
    """Per output channel; each weight is an integer times its channel's, the largest ±(2^(bits−1) − 1).
    Without one for palettes."""
    table: tuple[float, ...] = ()
    """Of a palette, ascending: each weight is one of these values."""
    input: Range | None = None
    """Of what the layer reads; None where activations are no integers, or are so at run time only."""


class QuantizationPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The grids of a network, layer by layer."""

    form: str
    """Of the layers that no pattern names."""
    layers: tuple[LayerPlan, ...] = ()
    floats: tuple[str, ...] = ()
    """Layers that were left as they are."""
    outputs: tuple[Range | None, ...] = ()
    """Of the network's outputs, in their order; None for one that was never seen."""

    @property
    def forms(self) -> dict[str, str]:
        """Return the words of each layer's form, and `float`: a map for `Quantization.layers`.

        >>> QuantizationPlan("static:int8", (LayerPlan("stem", "weights:int4"),), ("head",)).forms
        {'stem': 'weights:int4', 'head': 'float'}
        """
        return {each.layer: each.form for each in self.layers} | dict.fromkeys(self.floats, "float")
