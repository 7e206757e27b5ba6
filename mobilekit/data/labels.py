"""Class names, and whether they fit the classes of a network."""

from mobilekit.core.errors import DataError
from mobilekit.core.tensors import TensorSpec


def check_labels(labels: tuple[str, ...], outputs: tuple[TensorSpec, ...]) -> None:
    """Refuse labels whose number is that of no output's classes.

    Classes lie along the last axis of [N, C] and along axis 1 of [N, C, H, W]; one channel tells two
    classes apart and takes one label or two. Without such an output nothing is known.

    Raises:
        DataError: both numbers are named.
    """
    classes = {spec.name: spec.shape[1] for spec in outputs if len(spec.shape) in {2, 4}}
    fitting = [n for n in classes.values() if n == len(labels) or (n, len(labels)) == (1, 2)]
    if not labels or not classes or fitting:
        return
    found = ", ".join(f"{name} has {count} classes" for name, count in classes.items())
    raise DataError(f"--labels: holds {len(labels)} labels, but {found}; give one label per class")
