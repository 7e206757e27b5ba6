"""Rows for the tables that commands print."""

from collections.abc import Sequence

from mobilekit.core.artifact import Manifest
from mobilekit.core.reports import (
    CostReport,
    Coverage,
    DelegationReport,
    LatencyReport,
    MetricReport,
    ParityReport,
    StepReport,
)
from mobilekit.core.targets import format_of, variant_of
from mobilekit.core.tensors import TensorSpec
from mobilekit.report import words
from mobilekit.report.graph import ChannelMap, ChannelNode, counts, prunable

Row = dict[str, str]

EXPORT_COLUMNS = (
    "format", "precision", "size", "parameters", "MACs", "SQNR", "agreement", "metric", "host ms",
    "verdict",
)  # fmt: skip
PARITY_COLUMNS = (
    "file", "runtime", "inputs", "output", "max |error|", "relative L2", "SQNR", "at least",
    "cosine", "agreement", "not finite", "verdict",
)  # fmt: skip
LATENCY_COLUMNS = (
    "file", "runtime", "threads", "runs", "min ms", "median ms", "p90 ms", "p99 ms", "first ms",
    "load ms", "load average",
)  # fmt: skip
OPERATOR_COLUMNS = ("operator", "where", "count", "ms", "share")
LAYER_COLUMNS = ("layer", "operator", "output", "parameters", "MACs")
FILE_COLUMNS = ("operator", "count")
END_COLUMNS = ("end", "name", "shape", "type", "layout")
CHANNEL_COLUMNS = (*LAYER_COLUMNS, "channels", "group", "prunable?")
COVERAGE_COLUMNS = ("layer", "channels", "state", "group", "why")


def export_rows(manifest: Manifest) -> list[Row]:
    """Return one row per file that was made, and one per target that failed."""
    rows = []
    for file in manifest.files:
        worst = file.parity.worst
        rows.append(
            {
                "format": format_of(file.target),
                "precision": variant_of(file.target),
                "size": words.size(file.size_bytes),
                "parameters": words.count(manifest.cost.params),
                "MACs": words.count(manifest.cost.macs),
                "SQNR": words.decibels(worst.sqnr_db) if worst else words.NONE,
                "agreement": words.share(overall_agreement(file.parity)),
                "metric": metric_words(file.metric),
                "host ms": words.milliseconds(file.latency.median_ms)
                if file.latency
                else words.NONE,
                "verdict": file.parity.verdict,
            }
        )
    for failure in manifest.failures:
        blank = dict.fromkeys(EXPORT_COLUMNS, words.NONE)
        rows.append(
            blank
            | {
                "format": format_of(failure.target),
                "precision": variant_of(failure.target),
                "verdict": "fail: not converted",
            }
        )
    return rows


def metric_words(report: MetricReport | None) -> str:
    """Say what a file's answers are worth, and how much that is less than the network's."""
    if report is None:
        return words.NONE
    change = 100 * (report.value - report.network)
    return f"{report.metric.replace('_', ' ')} {report.value:.4f} ({change:+.2f} points)"


def stage_rows(manifest: Manifest) -> tuple[list[Row], tuple[str, ...]]:
    """Return one row per step of the recipe that left a network to judge, and the columns' names.

    A data set's figures stand under its own columns; the sets are numbered where there are several.
    """
    steps = [step for step in manifest.steps if step.metrics]
    columns = ["step", "parameters"]
    rows = []
    for step in steps:
        row = {"step": step.kind, "parameters": words.count(step.params_after)}
        for place, report in enumerate(step.metrics):
            behind = f" ({place + 1})" if place else ""
            row |= {
                f"{name.replace('_', ' ')}{behind}": f"{value:.4f}"
                for name, value in report.figures.items()
            }
        columns += [name for name in row if name not in columns]
        rows.append(row)
    return rows, tuple(columns)


def stage_notes(manifest: Manifest) -> list[str]:
    """Say which data the figures of the steps are of."""
    last = next((step for step in reversed(manifest.steps) if step.metrics), None)
    if last is None:
        return []
    return [
        f"({place + 1}) {report.images} images: {report.data}"
        for place, report in enumerate(last.metrics)
    ]


def overall_agreement(report: ParityReport) -> float | None:
    """Return the share of decided positions that agree, over all sets and outputs."""
    rows = [row for group in report.sets for row in group.outputs]
    decided = sum(row.decided for row in rows)
    return sum(row.agreed for row in rows) / decided if decided else None


def parity_rows(reports: Sequence[ParityReport]) -> list[Row]:
    """Return one row per file, set of inputs and output."""
    return [
        {
            "file": report.file,
            "runtime": report.runtime,
            "inputs": f"{group.samples} × {group.inputs}",
            "output": row.output,
            "max |error|": f"{row.max_abs_error:.2e}",
            "relative L2": f"{row.relative_l2:.2e}",
            "SQNR": words.decibels(row.sqnr_db),
            "at least": words.decibels(row.least_sqnr_db),
            "cosine": f"{row.cosine:.7f}",
            "agreement": words.share(row.agreement),
            "not finite": str(row.non_finite),
            "verdict": report.verdict,
        }
        for report in reports
        for group in report.sets
        for row in group.outputs
    ]


def latency_rows(reports: Sequence[LatencyReport]) -> list[Row]:
    """Return one row per file."""
    return [
        {
            "file": report.file,
            "runtime": report.runtime,
            "threads": str(report.threads),
            "runs": str(len(report.samples_ns)),
            "min ms": words.milliseconds(report.min_ms),
            "median ms": words.milliseconds(report.median_ms),
            "p90 ms": words.milliseconds(report.percentile_ms(90)),
            "p99 ms": words.milliseconds(report.percentile_ms(99)),
            "first ms": words.milliseconds(report.first_run_ns / 1e6),
            "load ms": words.milliseconds(report.load_ns / 1e6),
            "load average": f"{report.load_average:.2f}",
        }
        for report in reports
    ]


def operator_rows(report: DelegationReport) -> list[Row]:
    """Return one row per operator type and place, the costliest first."""
    total = sum(operator.mean_ns for operator in report.operators) or 1
    groups: dict[tuple[str, bool], list[float]] = {}
    for operator in report.operators:
        groups.setdefault((operator.operator, operator.delegated), []).append(operator.mean_ns)
    ordered = sorted(groups.items(), key=lambda item: -sum(item[1]))
    return [
        {
            "operator": kind,
            "where": report.backend if delegated else "built-in kernel",
            "count": str(len(times)),
            "ms": f"{sum(times) / 1e6:.3f}",
            "share": words.share(sum(times) / total),
        }
        for (kind, delegated), times in ordered
    ]


def delegation_note(report: DelegationReport) -> str:
    """Say which operators fell out of the back end, and what they cost."""
    if not report.fallen:
        return f"All {report.delegated} operators run in {report.backend}."
    kinds = ", ".join(sorted(set(report.fallen)))
    return (
        f"{len(report.fallen)} of {len(report.operators)} operators fell out of {report.backend}"
        f" ({kinds}) and take {words.share(report.fallen_share)} of the time."
    )


def layer_rows(cost: CostReport) -> list[Row]:
    """Return one row per layer."""
    return [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "output": "×".join(map(str, layer.output_shape)),
            "parameters": f"{layer.params:,}",
            "MACs": f"{layer.macs:,}",
        }
        for layer in cost.layers
    ]


def cost_note(cost: CostReport) -> str:
    """Sum a network's cost up in words."""
    note = (
        f"{cost.params:,} parameters ({cost.params_trainable:,} trainable, {cost.params_nonzero:,} not"
        f" zero, {cost.params_with_buffers:,} with buffers); {cost.macs:,} MACs"
        f" ({cost.flops.get('2mac', 2 * cost.macs):,} FLOPs at 2 per MAC); peak activation"
        f" {words.size(cost.peak_activation_bytes)}; {cost.size_bits:,} bits."
    )
    if cost.not_counted:
        listed = ", ".join(f"{name} × {times}" for name, times in cost.not_counted.items())
        note += f" Operators whose MACs are not counted: {listed}."
    return note


def file_rows(operators: dict[str, int]) -> list[Row]:
    """Return one row per operator type of a file."""
    return [{"operator": kind, "count": str(times)} for kind, times in operators.items()]


def weights_note(size_bytes: int, parameters: int, weight_bytes: dict[str, int]) -> str:
    """Sum a file's contents up in words."""
    kinds = ", ".join(f"{words.size(size)} as {kind}" for kind, size in weight_bytes.items())
    return f"{words.size(size_bytes)}; {parameters:,} stored values: {kinds or 'none'}."


def end_rows(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> list[Row]:
    """Return one row per input and output of a file."""
    return [
        {
            "end": end,
            "name": spec.name,
            "shape": " × ".join(map(str, spec.shape)) or "one number",
            "type": spec.dtype,
            "layout": spec.layout,
        }
        for end, specs in (("input", inputs), ("output", outputs))
        for spec in specs
    ]


def coverage_rows(coverage: Coverage) -> list[Row]:
    """Return one row per layer that makes channels."""
    return [
        {
            "layer": layer.layer,
            "channels": f"{layer.before} → {layer.after}"
            if layer.after != layer.before
            else str(layer.before),
            "state": layer.state,
            "group": layer.group if layer.group != layer.layer else "",
            "why": layer.reason,
        }
        for layer in coverage.layers
    ]


def step_note(step: StepReport) -> str:
    """Say what a step did, in a line."""
    share = step.params_after / step.params_before if step.params_before else 1.0
    parts = [
        f"parameters {words.count(step.params_before)} → {words.count(step.params_after)}"
        f" ({words.share(share)})"
    ]
    if step.residual is not None:
        parts.append(f"residual {step.residual:.1e} of the largest output")
    return "; ".join((*parts, *step.notes))


def channel_rows(cost: CostReport, channels: ChannelMap) -> list[Row]:
    """Return one row per layer with its cost and its channels; what costs nothing by itself comes last."""
    nodes = {node.name: node for node in reversed(channels.nodes) if node.kind == "layer"}
    rows = [row | _channels(nodes.get(row["layer"]), channels) for row in layer_rows(cost)]
    listed = {row["layer"] for row in rows}
    for name, node in reversed(nodes.items()):
        if name not in listed:
            shape = "×".join(map(str, node.shape))
            rows.append(
                {"layer": name, "operator": node.operator, "output": shape}
                | _channels(node, channels)
            )
    for layer in channels.others:
        state = f"{layer.state} ({layer.reason})"
        rows.append({"layer": layer.layer, "channels": str(layer.before), "prunable?": state})
    return rows


def _channels(node: ChannelNode | None, channels: ChannelMap) -> Row:
    if node is None:
        return {}
    names = dict.fromkeys(channels.groups[part.group].name for part in node.parts)
    return {
        "channels": str(node.channels),
        "group": ", ".join(names),
        "prunable?": prunable(node),
    }


def channel_note(channels: ChannelMap) -> str:
    """Sum up how many channels can go."""
    free, total = counts(channels)
    return (
        f"{free:,} of {total:,} channels can be pruned, in"
        f" {sum(not group.pins for group in channels.groups)} groups."
    )
