"""Cut a trained network down to some of its classes, exactly.

What it does:
    Finds every head that tells the classes apart (auxiliary heads, both branches of a detector) and keeps
    the rows of the classes that are wanted; the background of a segmentation or detection always stays.
    Logits of these classes are what they were. In a recipe, the data set of later steps is restricted to
    the classes and renumbered, and a teacher `self` answers for these classes only.

When to use it:
    Before training on with `kernel_sparsity` and `distill`: a network for fewer classes needs fewer
    filters.

When not:
    To add classes. Where the network itself takes a softmax over the classes, what is left is normalized
    anew, which is said.

Source:
    Berthelier's thesis, chapter 4.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from torch import nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.specialization.specialize import specialize
from mobilekit.core.errors import RecipeError


class Specialize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    takes_data: ClassVar[bool] = True

    keep: tuple[str, ...]
    """Names of the classes that stay; their order stays the network's."""
    classes: tuple[str, ...] = ()
    """Names of all classes, in the network's order; the network's labels or the data set's without."""
    background: str | None = None
    """Name of the class that always stays; found by itself where it is called background."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network with fewer classes.

        Raises:
            RecipeError: classes that it does not have, or whose names are not known.
            ModelError: heads that cannot be cut.
            NoEffectError: all classes are kept.
        """
        names = self.classes or context.labels or self._of_data(context)
        if not names:
            raise RecipeError(
                "specialize: the names of the network's classes are not known; give classes (or labels)"
            )
        context.progress(f"cutting {len(names)} classes down to {', '.join(self.keep)}")
        found = specialize(network, context.inputs, names, self.keep, self.background)
        notes = [
            f"classes {', '.join(found.classes)} of {len(names)}",
            f"heads cut: {', '.join(found.heads)}",
        ]
        if found.renormalized:
            notes.append("the network's softmax is over the classes that are left")
        report = StepReport(
            "specialize",
            count_parameters(network),
            count_parameters(found.network),
            None,
            tuple(notes),
            kept_classes=found.index,
            class_names=found.classes,
        )
        return found.network, report

    @staticmethod
    def _of_data(context: Context) -> Sequence[str]:
        if context.training is None:
            return ()
        data = context.training.train
        return ("background", *data.classes) if data.task == "detection" else data.classes
