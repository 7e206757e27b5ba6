"""Who is at fault, and the exit code that says so.

MobilekitError                 2  something the user gave is wrong
├── UsageError                 2  a command line that asks for what cannot be
├── RecipeError                2  a recipe or an option's value
├── ModelError                 2  the network, its weights or its inputs
├── DataError                  2  images, labels, calibration data
├── ArtifactError              2  an artifact folder or a model file
├── ExportError                2  a network that a target format cannot hold
├── NoEffectError              2  a method that found nothing to do
├── TrainingError              2  a training that cannot go on
├── ElsewhereError             0  this process has done its part, another goes on
├── StoppedError             130  a person stopped a training, and can go on with it
└── MachineError               3  this machine cannot
    ├── RuntimeUnavailableError   a runtime that is not installed or not for this platform
    └── OutputError               a path that cannot be written, a full disk

A measurement below its limit is a verdict (exit code 1), never an exception.
"""

import difflib
import errno
import re
from collections.abc import Iterable


class MobilekitError(Exception):
    """A mistake a person can mend: where, what was expected, what was found, what to do."""

    exit_code = 2


class UsageError(MobilekitError):
    """A command line that asks for what cannot be."""


class RecipeError(MobilekitError):
    """A recipe, or the value of an option, is wrong."""


class ModelError(MobilekitError):
    """The network, its weights or its inputs are wrong."""


class DataError(MobilekitError):
    """Images, labels or calibration data are wrong."""


class ArtifactError(MobilekitError):
    """An artifact folder or a model file is missing, damaged or of another make."""


class ExportError(MobilekitError):
    """A target format cannot hold this network."""


class NoEffectError(MobilekitError):
    """A method found nothing to do."""


class TrainingError(MobilekitError):
    """A training cannot go on: its loss is no number, or its checkpoint is of another recipe."""


class ElsewhereError(MobilekitError):
    """This process has done its part of a training; the first of the processes goes on alone."""

    exit_code = 0


class StoppedError(MobilekitError):
    """A person stopped what had begun to write: what became of it, and how to go on."""

    exit_code = 130


class MachineError(MobilekitError):
    """This machine cannot do what was asked."""

    exit_code = 3


class RuntimeUnavailableError(MachineError):
    """A runtime is not installed, or not made for this platform."""


class OutputError(MachineError):
    """A path cannot be written, or the disk is full."""


TOO_LITTLE_MEMORY = "this machine has too little memory"
_ALLOCATION = re.compile(
    r"can't allocate memory|not enough memory|out of memory|bad_alloc|bad allocation|"
    r"Storage size calculation overflowed|Unable to allocate",
    re.IGNORECASE,
)


def is_allocation_failure(problem: BaseException | None) -> bool:
    """Say whether memory ran out, in an error or in what caused it.

    >>> is_allocation_failure(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    >>> is_allocation_failure(RuntimeError("sizes do not match"))
    False
    """
    while problem is not None:
        refused = isinstance(problem, OSError) and problem.errno == errno.ENOMEM
        if isinstance(problem, MemoryError) or refused:
            return True
        if isinstance(problem, RuntimeError) and _ALLOCATION.search(str(problem)):
            return True
        problem = problem.__cause__
    return False


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?`, or nothing when no known word is near.

    >>> suggestion("mobile-hourglas", ["mobile-hourglass", "dfbuster"])
    ' Did you mean mobile-hourglass?'
    >>> suggestion("zebra", ["mobile-hourglass"])
    ''
    """
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""
