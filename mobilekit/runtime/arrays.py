"""The one check that every runtime makes of its inputs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mobilekit.core.errors import DataError
from mobilekit.core.tensors import TensorSpec

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays


def check_arrays(
    specs: tuple[TensorSpec, ...],
    arrays: "Arrays",
    free: Mapping[str, frozenset[int]] | None = None,
) -> None:
    """Refuse inputs that a model does not take.

    Args:
        specs: the model's inputs.
        arrays: the inputs given.
        free: input → axes that may have any size.

    Raises:
        DataError: wrong names, shapes or types; the line says which.
    """
    names = {spec.name for spec in specs}
    if names != set(arrays):
        raise DataError(f"inputs {sorted(arrays)} given, {sorted(names)} expected")
    for spec in specs:
        array = arrays[spec.name]
        loose = (free or {}).get(spec.name, frozenset())
        same_shape = array.ndim == len(spec.shape) and all(
            axis in loose or found == expected
            for axis, (found, expected) in enumerate(zip(array.shape, spec.shape, strict=True))
        )
        if not same_shape or str(array.dtype) != spec.dtype:
            raise DataError(
                f"input {spec.name}: {list(array.shape)} {array.dtype} given,"
                f" {list(spec.shape)} {spec.dtype} expected"
            )
