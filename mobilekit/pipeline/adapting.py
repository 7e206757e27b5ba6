"""How the network's inputs and outputs become those of a file, and back: layout, type, image pixels."""

from typing import TYPE_CHECKING

from mobilekit.core.targets import CoremlTarget, Target
from mobilekit.core.tensors import TensorSpec, to_layout

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays


def to_file(
    arrays: "Arrays",
    network: tuple[TensorSpec, ...],
    file: tuple[TensorSpec, ...],
    pixel_scale: float = 1.0,
) -> "Arrays":
    """Bring the network's inputs into the file's order of axes and types.

    Args:
        arrays: by name, in the network's layout.
        network: the network's input specs.
        file: the file's input specs, with the same names.
        pixel_scale: what an 8-bit image input is multiplied by inside the file (1 or 1/255).
    """
    known = {spec.name: spec for spec in network}
    return {
        spec.name: _cast(
            to_layout(arrays[spec.name], known[spec.name].layout, spec.layout),
            known[spec.name].dtype,
            spec.dtype,
            pixel_scale,
        )
        if not spec.step
        else quantized(to_layout(arrays[spec.name], known[spec.name].layout, spec.layout), spec)
        for spec in file
    }


def quantized(array: "Array", spec: TensorSpec) -> "Array":
    """Turn floats into the integers that stand for them.

    >>> import numpy as np
    >>> quantized(np.array([0.0, 0.3, 9.0]), TensorSpec("x", (3,), "int8", step=0.1, zero=-128)).tolist()
    [-128, -125, -38]
    """
    import numpy as np

    bounds = np.iinfo(spec.dtype)
    integers = np.rint(array.astype(np.float64) / spec.step) + spec.zero
    return np.ascontiguousarray(integers.clip(bounds.min, bounds.max).astype(spec.dtype))


def from_file(
    arrays: "Arrays", network: tuple[TensorSpec, ...], file: tuple[TensorSpec, ...]
) -> "Arrays":
    """Bring a file's outputs into the network's order of axes; integers that stand for floats become these.

    Other types are left as they are.

    The class probabilities of a Core ML classifier stand for the network's only output.
    """
    known = {spec.name: spec for spec in network}
    found: Arrays = {}
    for spec in file:
        name = network[0].name if spec.dtype == "dictionary" else spec.name
        if name not in known or spec.name not in arrays:
            continue
        value = to_layout(arrays[spec.name], spec.layout, known[name].layout)
        if spec.step:
            value = ((value.astype("float64") - spec.zero) * spec.step).astype("float32")
        found[name] = value.reshape(known[name].shape) if spec.dtype == "dictionary" else value
    return found


def pixel_scale(target: Target, *, normalized: bool) -> float:
    """Return what Core ML multiplies 8-bit pixels of an image input by."""
    return 1 / 255 if isinstance(target, CoremlTarget) and not normalized else 1.0


def _cast(array: "Array", source: str, target: str, scale: float) -> "Array":
    import numpy as np

    if target == "uint8" and source != "uint8":
        return np.ascontiguousarray(
            np.clip(np.rint(array.astype(np.float64) / scale), 0, 255).astype(np.uint8)
        )
    return np.ascontiguousarray(array.astype(target, copy=False))
