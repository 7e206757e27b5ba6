"""What was measured: raw finite numbers; statistics and verdicts are derived from them."""

import math
import statistics
from typing import Literal

import msgspec

from mobilekit.core.quantization_plan import QuantizationPlan

Verdict = Literal["pass", "fail", "skipped"]


class OutputParity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one output of a file differs from the network's, over all inputs of one set.

    Energies are sums of squares over `elements` values; JSON cannot hold the infinite SQNR of an
    exact output, so the energies are kept and the decibels derived.
    """

    output: str
    elements: int
    signal_energy: float
    error_energy: float
    dot: float
    """Sum of reference × actual, for the cosine."""
    actual_energy: float
    max_abs_error: float
    max_abs_reference: float
    non_finite: int
    """Values of the file that are not finite where the reference is."""
    least_sqnr_db: float
    """The bound that this output was judged by (see mobilekit.verify.tolerance)."""
    decided: int = 0
    """Positions whose reference margin (first minus second class) exceeds the error bound."""
    agreed: int = 0
    """Decided positions at which file and network name the same class."""

    @property
    def relative_l2(self) -> float:
        """‖actual − reference‖₂ / ‖reference‖₂; 0 when both are zero."""
        if self.error_energy == 0.0:
            return 0.0
        if self.signal_energy == 0.0:
            return math.inf
        return math.sqrt(self.error_energy / self.signal_energy)

    @property
    def sqnr_db(self) -> float:
        """Signal-to-error ratio in decibels; infinite when exact."""
        if self.error_energy == 0.0:
            return math.inf
        if self.signal_energy == 0.0:
            return -math.inf
        return 10.0 * math.log10(self.signal_energy / self.error_energy)

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the two outputs; 1 when both are zero."""
        norms = math.sqrt(self.signal_energy) * math.sqrt(self.actual_energy)
        return self.dot / norms if norms else 1.0

    @property
    def agreement(self) -> float | None:
        """Share of the decided positions that agree; None when nothing was decided."""
        return self.agreed / self.decided if self.decided else None


class InputSetParity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parity on one set of inputs: `photographs` (or the user's images) or `noise`."""

    inputs: str
    samples: int
    outputs: tuple[OutputParity, ...]


class ParityReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdict on one file: does it compute what the network computes?"""

    file: str
    format: str
    precision: str
    runtime: str
    verdict: Verdict
    reason: str = ""
    sets: tuple[InputSetParity, ...] = ()

    @property
    def worst(self) -> OutputParity | None:
        """The output with the least SQNR over all sets."""
        rows = [row for group in self.sets for row in group.outputs]
        return min(rows, key=lambda row: row.sqnr_db, default=None)


class LatencyReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Timings of one file on one device."""

    file: str
    format: str
    runtime: str
    device: str
    threads: int
    warmup: int
    samples_ns: tuple[int, ...]
    load_average: float
    """One-minute load average when the measurement began."""
    load_ns: int = 0
    first_run_ns: int = 0

    @property
    def median_ms(self) -> float:
        """Median latency in milliseconds."""
        return statistics.median(self.samples_ns) / 1e6

    @property
    def min_ms(self) -> float:
        """Shortest latency in milliseconds."""
        return min(self.samples_ns) / 1e6

    def percentile_ms(self, percent: float) -> float:
        """Latency below which `percent` (0–100) of the runs lie, by the nearest-rank rule."""
        return percentile(self.samples_ns, percent) / 1e6


class OperatorTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel of a file's per-operator profile."""

    name: str
    """Its place in the run and the file's operator with its index, such as `3:ADD 2`; no two are the
    same."""
    operator: str
    """What the back end calls the kernel; the file's operator type where LiteRT itself runs it."""
    delegated: bool
    samples_ns: tuple[int, ...]
    """One per run. LiteRT's profiler counts whole microseconds: 0 means less than one."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Of the operator's inputs, weights included; empty where the kernel's operator is not known."""
    dtype: str = ""
    """Of the tensor it makes; empty where the kernel's operator is not known."""

    @property
    def mean_ns(self) -> float:
        """Mean time in nanoseconds."""
        return statistics.fmean(self.samples_ns)


class DelegationReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which operators ran in the accelerated back end and which fell out."""

    backend: str
    operators: tuple[OperatorTime, ...]
    delegated: int
    fallen: tuple[str, ...]
    """Names of operator types that fell out, one entry per operator."""
    fallen_share: float
    """Share (0–1) of the time spent outside the back end."""


class LayerCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one layer costs, for the input of the report."""

    name: str
    operator: str
    output_shape: tuple[int, ...]
    params: int
    macs: int


class CostReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network costs, whatever runs it."""

    params: int
    params_trainable: int
    params_with_buffers: int
    params_nonzero: int
    macs: int
    peak_activation_bytes: int
    layers: tuple[LayerCost, ...]
    not_counted: dict[str, int]
    """Operator → occurrences whose MACs are not counted (and are not free)."""
    flops: dict[str, int] = {}
    """Convention → operations of one run; see `mobilekit.profile.cost.flops`."""
    size_bits: int = 0
    """Of the parameters and buffers, in their own types."""


def percentile(samples: "tuple[int, ...]", percent: float) -> int:
    """Return the nearest-rank percentile: the smallest value with at least `percent` % at or below.

    >>> percentile((10, 20, 30, 40), 50), percentile((10, 20, 30, 40), 90)
    (20, 40)
    """
    ordered = sorted(samples)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


LayerState = Literal["pruned", "whole", "pinned", "unsupported", "not run"]


class LayerCoverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the filters of one layer."""

    layer: str
    before: int
    """Filters, units or channels of the layer."""
    after: int
    state: LayerState
    """`whole`: could lose channels and did not have to."""
    reason: str = ""
    """Why it is pinned or unsupported: which operator, where in the source."""
    group: str = ""
    """First layer of the group whose channels live or die together."""


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a pruning reached: every layer that makes channels, none left out."""

    layers: tuple[LayerCoverage, ...]

    @property
    def prunable(self) -> float:
        """Share of all filters that are in groups that can lose some; 0 for a network without any."""
        total = sum(layer.before for layer in self.layers)
        free = sum(layer.before for layer in self.layers if layer.state in {"pruned", "whole"})
        return free / total if total else 0.0

    @property
    def removed(self) -> int:
        """Filters, and channels of inputs, that are gone."""
        return sum(layer.before - layer.after for layer in self.layers)


class KeptInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the network still takes of one of its inputs."""

    position: int
    indices: tuple[int, ...]
    """Along the second dimension."""
    flat: bool = False
    """The input is flattened to `[N, C·H·W]` first: the indices are those of single values."""


class MetricReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network's or a file's answers to labelled images are worth."""

    metric: str
    """accuracy or mean_iou, 0–1; greater is better."""
    value: float
    network: float
    """Of the network itself, on the same images."""
    images: int
    data: str
    """Where the images come from."""
    figures: dict[str, float] = {}
    """All figures of the task by name, such as mean_f1, boundary_f, roc_auc: 0–1, but `loss`."""
    per_class: dict[str, dict[str, float]] = {}
    """Class → figure → value; of classes that occur."""


class StepReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a compression step did to a network: raw numbers and words, ready for JSON."""

    kind: str
    params_before: int
    params_after: int
    residual: float | None = None
    """Largest |after − before| of any output over the largest |before|, on the self-check's inputs;
    None for a step that means to change the function."""
    notes: tuple[str, ...] = ()
    """What a person should know: what was left alone, and why."""
    kept_inputs: tuple[KeptInput, ...] = ()
    """Inputs that lost channels or single values."""
    kept_classes: tuple[int, ...] = ()
    """Old number of each class that is left, where classes went."""
    class_names: tuple[str, ...] = ()
    """Their names."""
    plan: QuantizationPlan | None = None
    """Grids that weights were left on by quantization-aware training."""
    metrics: tuple[MetricReport, ...] = ()
    """What the network was worth after the step: on the recipe's test images, and on each further set."""


class LayerQuantization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the weights of one layer are stored in one file."""

    layer: str
    """In the network; the tensor's name in the file where no layer of the network has these weights."""
    tensor: str
    """In the file."""
    asked: str
    """Words of the form asked for this layer; `float` where it was to be left alone."""
    stored: str
    """Words of the form it has; `float` where it is as it was."""
    elements: int
    stored_bytes: int
    """Weights with their scales, zero points, tables and masks, in the file."""
    floor_bytes: int
    """Least that the form needs: bits times weights, scales, tables and masks."""
    signal_energy: float
    """Sum of squares of the weights as they were."""
    error_energy: float
    """Sum of squares of stored minus original weights."""
    reason: str = ""
    """Why it is not stored as asked."""

    @property
    def sqnr_db(self) -> float:
        """Signal-to-error ratio of the weights in decibels; infinite when exact."""
        if self.error_energy == 0.0:
            return math.inf
        if self.signal_energy == 0.0:
            return -math.inf
        return 10.0 * math.log10(self.signal_energy / self.error_energy)


class SensitivityPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layer, or a group of channels that live and die together."""

    name: str
    """Of the layer, or of the first layer that makes the channels."""
    count: int
    """Groups of weights of the layer, or channels."""
    layers: tuple[str, ...]
    """Layers whose weights are zeroed."""


class SensitivityRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measurement: one part at one sparsity, everything else untouched."""

    name: str
    """Of the part."""
    sparsity: float
    """As asked for, 0–1."""
    removed: int
    """Groups of weights, or channels, that were zero: ⌊sparsity · count⌋, those that must stay aside."""
    value: float | None
    """None for an SQNR that is infinite: the outputs are those of the untouched network."""


class SensitivityReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured while one part after the other was made sparse."""

    by: Literal["layer", "group"]
    granularity: str
    criterion: str
    measure: str
    """What the values are: `sqnr_db`, `loss`, `accuracy`, or another metric's name."""
    better: Literal["greater", "less"]
    baseline: float | None
    """Of the untouched network; None for an SQNR, which is infinite there."""
    provenance: str
    """Which inputs or data it was measured on."""
    parts: tuple[SensitivityPart, ...]
    rows: tuple[SensitivityRow, ...]
    notes: tuple[str, ...] = ()
    """What was left alone, and why."""

    def rows_of(self, name: str) -> tuple[SensitivityRow, ...]:
        """Return the measurements of one part, by growing sparsity."""
        return tuple(row for row in self.rows if row.name == name)

    def damage(self, row: SensitivityRow) -> float:
        """Return what a sparsity costs: 0 for nothing, greater is worse.

        Of an SQNR, the relative error 10^(−dB / 20); otherwise the distance from the baseline in the bad
        direction, below 0 where the network became better.
        """
        if self.baseline is None:
            return 0.0 if row.value is None else 10.0 ** (-row.value / 20.0)
        assert row.value is not None  # noqa: S101  only an SQNR is infinite
        gain = row.value - self.baseline
        return gain if self.better == "less" else -gain

    def within(self, bound: float) -> dict[str, SensitivityRow | None]:
        """Return, by part, the measurement at the largest sparsity up to which all are within a bound.

        Args:
            bound: least SQNR in dB; of other measures, largest distance from the baseline.

        Returns:
            None for a part of which no measured sparsity is within the bound.
        """
        limit = bound if self.baseline is not None else 10.0 ** (-bound / 20.0)
        found: dict[str, SensitivityRow | None] = {}
        for part in self.parts:
            found[part.name] = None
            for row in self.rows_of(part.name):
                if self.damage(row) > limit:
                    break
                found[part.name] = row
        return found

    @property
    def ranking(self) -> tuple[str, ...]:
        """Names of the parts, the least sensitive first: by the mean damage over all sparsities."""
        means = {
            part.name: statistics.fmean(self.damage(row) for row in self.rows_of(part.name))
            for part in self.parts
        }
        return tuple(sorted(means, key=lambda name: means[name]))
