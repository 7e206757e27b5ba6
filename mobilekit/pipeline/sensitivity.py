"""How sensitive a network's layers are: load it, measure it part by part, keep what was measured."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mobilekit.core import files
from mobilekit.core.errors import NoEffectError, RecipeError, UsageError
from mobilekit.core.reports import SensitivityReport
from mobilekit.data.catalog import DataConfig
from mobilekit.pipeline.request import ExportRequest, resolve

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.compress.sensitivity.measure import Measure
    from mobilekit.nets.sources import Source

Progress = Callable[[str], None]
MeasureName = Literal["sqnr", "loss", "metric"]
PICTURES: dict[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}
BOUNDS = {"sqnr_db": 10.0, "loss": 0.1}
"""Where no bound is given: a tenth of the outputs' energy; of metrics, `METRIC_BOUND`."""
METRIC_BOUND = 0.01


class SensitivityRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One analysis."""

    network: ExportRequest
    by: Literal["layer", "group"] = "layer"
    granularity: str = "filter"
    criterion: str = ""
    sparsities: tuple[float, ...] = ()
    layers: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    data: DataConfig | None = None
    """Labelled data; without it, the measure is the SQNR on calibration images."""
    measure: MeasureName | None = None
    """By default the metric of labelled data, and `sqnr` without."""
    count: int = 256
    """Labelled images, at most."""
    bound: float | None = None
    """Least SQNR in dB; of other measures, largest distance from the baseline."""
    final: float | None = None
    """Share of all groups that shall go; None for as far as the bound allows."""
    out: Path | None = None
    plot: Path | None = None


class Sensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured, and what follows from it at a bound."""

    network: str
    report: SensitivityReport
    bound: float
    within: dict[str, float]
    """By part, the largest measured sparsity up to which all are within the bound; 0 for none."""
    ranking: tuple[str, ...]
    """The least sensitive first."""
    context: dict[str, float] = {}
    """Sparsities by layer, for the `context` of a sparsification; empty where none was asked for."""
    unmet: str = ""
    """Why there is no context, though one was asked for."""


def sensitivity(request: SensitivityRequest, progress: Progress) -> Sensitivity:
    """Make one part of a network after the other sparse, and measure.

    Raises:
        MobilekitError: a reference that leads to no network, options out of range, nothing to make
            sparse, or measurements that are not finite.
    """
    check(request)
    from mobilekit.compress.sensitivity.allotment import sparsities_for
    from mobilekit.compress.sensitivity.analysis import sensitivity as analyse
    from mobilekit.compress.sensitivity.sweep import SPARSITIES, Sweep
    from mobilekit.nets.sources import check_inputs
    from mobilekit.nets.warm import example_inputs

    plan = resolve(request.network)
    sweep = Sweep(
        request.by,
        request.granularity,
        request.criterion,
        request.sparsities or SPARSITIES,
        request.layers,
        request.without,
        plan.seed,
    )
    progress(f"loading {request.network.reference}")
    source = plan.load()
    check_inputs(source)
    inputs = example_inputs(source.inputs, plan.seed)
    measure = _measure(request, source, inputs, plan.seed)
    report = analyse(source.module, inputs, measure, sweep, progress)
    bound = BOUNDS.get(report.measure, METRIC_BOUND) if request.bound is None else request.bound
    found = report.within(bound)
    result = Sensitivity(
        source.name,
        report,
        bound,
        {name: 0.0 if row is None else row.sparsity for name, row in found.items()},
        report.ranking,
    )
    if request.final is not None:
        try:
            context = sparsities_for(report, bound, request.final)
            result = msgspec.structs.replace(result, context=context)
        except (RecipeError, NoEffectError) as problem:  # what was measured is of use without it
            result = msgspec.structs.replace(result, unmet=str(problem))
    _keep(request, result)
    return result


def check(request: SensitivityRequest) -> None:
    """Refuse what cannot be before anything is loaded.

    Raises:
        UsageError: options out of range, or options that do not go together.
    """
    wrong = [one for one in request.sparsities if not 0 < one < 1]
    if wrong:
        raise UsageError(
            f"--sparsities: {wrong[0]:g} is no share between 0 and 1; such as 0.1,0.5,0.9"
        )
    if request.final is not None and not 0 < request.final < 1:
        raise UsageError(
            f"--final {request.final:g}: expected a share between 0 and 1, such as 0.5"
        )
    if request.plot is not None and request.plot.suffix not in PICTURES:
        raise UsageError(
            f"--plot {request.plot}: expected a name that ends in {' or '.join(PICTURES)}"
        )
    if request.data is None and request.measure in {"loss", "metric"}:
        raise UsageError(
            f"--measure {request.measure}: needs labelled data; give --data, such as digits"
        )
    if request.data is not None and request.measure == "sqnr":
        raise UsageError(
            "--measure sqnr: is measured on images without labels; give --images instead of --data"
        )


def _measure(
    request: SensitivityRequest, source: "Source", inputs: "tuple[Tensor, ...]", seed: int
) -> "Measure":
    from mobilekit.pipeline.calibrating import calibration

    if request.data is None:
        from mobilekit.compress.sensitivity.sqnr import sqnr

        images, count = request.network.images, request.network.image_count
        batches, provenance = calibration(source, images, count, seed)
        if not batches:
            batches, provenance = [inputs], "noise: the network does not take a single image"
        return sqnr(source.module, batches, provenance)
    from mobilekit.compress.sensitivity.labelled import labelled
    from mobilekit.data.catalog import open_data
    from mobilekit.pipeline.bench import statistics

    _, test = open_data(request.data)
    kind: Literal["loss", "metric"] = "loss" if request.measure == "loss" else "metric"
    return labelled(test, kind, count=request.count, statistics=statistics(source))


def _keep(request: SensitivityRequest, result: Sensitivity) -> None:
    """Write the files that were asked for."""
    if request.out is not None:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        files.write_text(request.out, text.decode() + "\n")
    if request.plot is not None:
        from mobilekit.report.sensitivity_plot import plot

        kind = PICTURES[request.plot.suffix]
        content = plot(result.report, result.network, kind, result.bound)
        files.write_bytes(request.plot, content)
