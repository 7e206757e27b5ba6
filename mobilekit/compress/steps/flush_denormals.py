"""Make weights zero that are smaller than the smallest normal number of a type.

What it does:
    Counts the weights whose size is above 0 and below the smallest normal number of `precision`, 1.2e-38 for
    `float32` and 6.1e-5 for `float16`, and makes them 0. Such numbers are denormal: they have fewer digits
    the smaller they are. Every parameter is looked at, for `float16` all but those of batch norms, whose
    effect hangs on the variance beside them; running statistics are never touched.

When to use it:
    `float32`: after weight decay, or a penalty that takes filters towards zero. Processors take a slow
    path for denormals, and zeros they are not; nothing that can be measured changes. `float16`: before
    weights are stored as float16 and run where denormals of that type count as zero: what is measured
    here then is what runs there. Behind `fold`, so that the weights are those of the file.

When not:
    `float16` where float16 weights are computed in float32: 6e-5 is a weight that counts, and the output
    changes for nothing. The report says by how much.

Source:
    IEEE 754-2019, section 3.3: the normal numbers of a format begin at 2 to the power of its least exponent.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import NoEffectError
from mobilekit.core.seeding import child_seed

Precision = Literal["float16", "float32"]
_TYPES = {"float16": torch.float16, "float32": torch.float32}
LISTED = 10
"""Parameters that a report names; the rest it counts."""


@dataclass(frozen=True)
class Flushed:
    """A network without denormals, and how many each of its parameters had."""

    network: nn.Module
    counts: dict[str, int]
    """By name, where there were some, the most first."""


def flush_denormals(network: nn.Module, precision: Precision = "float32") -> Flushed:
    """Make the denormals among the weights zero.

    Args:
        network: any module; it is left as found, the result is a copy in the same modes.
        precision: the type whose denormals these are, whatever the network's own.

    Raises:
        NoEffectError: there are none.
    """
    tiny = torch.finfo(_TYPES[precision]).tiny
    result = duplicate(network)
    counts: dict[str, int] = {}
    for name, parameter in _parameters(result, precision).items():
        size = parameter.detach().double().abs()  # exact, and holds denormals of every smaller type
        small = (size > 0) & (size < tiny)
        if small.any():
            counts[name] = int(small.sum())
            with torch.no_grad():
                parameter.masked_fill_(small, 0)
    if not counts:
        raise NoEffectError(
            f"flush_denormals: no weight lies between 0 and {tiny:.1e}, the smallest normal {precision};"
            " leave this step out"
        )
    return Flushed(result, dict(sorted(counts.items(), key=lambda item: -item[1])))


class FlushDenormals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    precision: Precision = "float32"
    """The type whose denormals become zero."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network without denormals, compared with the given one on inputs of noise.

        Raises:
            NoEffectError: there are none.
            ModelError: the network refuses the inputs.
        """
        context.progress(f"making denormals of {self.precision} zero")
        result = flush_denormals(network, self.precision)
        seed = child_seed(context.seed, "flush_denormals")
        samples, _ = resolutions(network, context.inputs, seed)
        samples += [list(sample) for sample in context.calibration[:1]]
        error = residual(network, result.network, samples)
        count = count_parameters(network)
        found = list(result.counts.items())
        notes = [
            f"{sum(result.counts.values())} of {count} weights were denormal in {self.precision}, and"
            " are 0 now",
            *(f"{name}: {number}" for name, number in found[:LISTED]),
        ]
        if len(found) > LISTED:
            notes.append(f"and {len(found) - LISTED} parameters more")
        return result.network, StepReport("flush_denormals", count, count, error, tuple(notes))


def _parameters(network: nn.Module, precision: Precision) -> dict[str, nn.Parameter]:
    """Return the parameters of real numbers whose size alone says what they do, each once."""
    norms = {
        id(parameter)
        for module in network.modules()
        if precision == "float16" and isinstance(module, _BatchNorm)
        for parameter in module.parameters()
    }
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.is_floating_point() and id(parameter) not in norms
    }
