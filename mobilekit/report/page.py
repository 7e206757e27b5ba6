"""One self-contained HTML page per artifact: no script, no download, everything escaped."""

from html import escape

from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.reports import DelegationReport, LatencyReport
from mobilekit.report import quantization, tables, words
from mobilekit.report.tables import Row

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1d2126 }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; margin: .5rem 0 } th, td { padding: .25rem .75rem; text-align: left;
border-bottom: 1px solid #d8dce2; font-variant-numeric: tabular-nums }
.pass { color: #0a7a3b } .fail { color: #b3261e; font-weight: 600 } .banner { background: #fff3cd;
border: 1px solid #e0b400; padding: .5rem 1rem } .quiet { color: #5b6470 }
"""
WIDTH, HEIGHT, BINS = 640, 120, 40


def render(manifest: Manifest, delegation: dict[str, DelegationReport] | None = None) -> str:
    """Return the page of an artifact."""
    parts = [f"<h1>{escape(manifest.name)}</h1>"]
    if manifest.weights == "seeded":
        parts.append(
            '<p class="banner"><b>UNTRAINED</b>: seeded weights with warmed batch-norm statistics,'
            " of no use but for measuring.</p>"
        )
    origin = f" ({words.WEIGHTS['factory']})" if manifest.weights == "factory" else ""
    parts.append(
        f'<p class="quiet">{escape(manifest.source)}{origin} · {escape(manifest.created)} · verified on'
        f" {escape(manifest.verified_on)}</p>"
    )
    parts += [f"<p>{escape(note)}</p>" for note in manifest.notes]
    if manifest.calibrated_on:
        parts.append(f'<p class="quiet">calibrated on {escape(manifest.calibrated_on)}</p>')
    parts.append(table(tables.export_rows(manifest), tables.EXPORT_COLUMNS))
    parts += [f'<p class="fail">{escape(failure.reason)}</p>' for failure in manifest.failures]
    stages, columns = tables.stage_rows(manifest)
    if stages:
        parts += ["<h2>Step by step</h2>", table(stages, columns)]
        parts += [f'<p class="quiet">{escape(note)}</p>' for note in tables.stage_notes(manifest)]
    parts.append("<h2>Does each file compute what the network computes?</h2>")
    reports = [file.parity for file in manifest.files]
    parts.append(table(tables.parity_rows(reports), tables.PARITY_COLUMNS))
    for file in manifest.files:
        parts += _file(file, (delegation or {}).get(file.path))
    parts.append("<h2>The network</h2>")
    parts.append(f"<p>{escape(tables.cost_note(manifest.cost))}</p>")
    parts.append(table(tables.layer_rows(manifest.cost), tables.LAYER_COLUMNS))
    versions = ", ".join(f"{name} {number}" for name, number in manifest.tools.items())
    parts.append(f'<p class="quiet">Made with {escape(versions)}.</p>')
    title = escape(manifest.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def table(rows: list[Row], columns: tuple[str, ...]) -> str:
    """Return rows as an HTML table."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(_cell(row.get(column, "")) for column in columns) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def histogram(report: LatencyReport) -> str:
    """Draw the distribution of a file's latencies as SVG, from the least to the 99th percentile."""
    low, high = min(report.samples_ns), int(report.percentile_ms(99) * 1e6)
    span = max(high - low, 1)
    counts = [0] * BINS
    for sample in report.samples_ns:
        counts[min((sample - low) * BINS // span, BINS - 1)] += 1
    most, step = max(counts), WIDTH / BINS
    bars = "".join(
        f'<rect x="{index * step:.1f}" y="{HEIGHT - HEIGHT * count / most:.1f}" width="{step - 1:.1f}"'
        f' height="{HEIGHT * count / most:.1f}" fill="#3566b8"/>'
        for index, count in enumerate(counts)
    )
    label = (
        f"{words.milliseconds(report.min_ms)} – {words.milliseconds(high / 1e6)} ms, median"
        f" {words.milliseconds(report.median_ms)} ms, {report.threads} thread(s), load average"
        f" {report.load_average:.2f}, {report.runtime}, {report.device}"
    )
    return (
        f'<svg role="img" aria-label="latencies" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}">{bars}</svg><p class="quiet">{escape(label)}</p>'
    )


def _file(file: ModelFile, delegation: DelegationReport | None) -> list[str]:
    parts = [f"<h2>{escape(file.path)}</h2>"]
    ends = [
        {"": side, "name": spec.name, "shape": "×".join(map(str, spec.shape)), "type": spec.dtype,
         "layout": spec.layout}
        for side, specs in (("input", file.inputs), ("output", file.outputs))
        for spec in specs
    ]  # fmt: skip
    parts.append(table(ends, ("", "name", "shape", "type", "layout")))
    if file.parity.reason:
        parts.append(f'<p class="{file.parity.verdict}">{escape(file.parity.reason)}</p>')
    parts += [f"<p>{escape(note)}</p>" for note in file.notes]
    if file.quantization:
        parts.append(f"<p>{escape(quantization.note(file.quantization))}</p>")
        layers = file.quantization
        parts.append(f"<p>{escape(quantization.time_note(layers, delegation))}</p>")
        parts.append(quantization.picture(layers, delegation))
        rows = quantization.rows(layers, delegation)
        parts.append(table(rows, quantization.columns(layers, delegation)))
    if file.latency:
        parts.append(histogram(file.latency))
    if delegation:
        parts.append(f"<p>{escape(tables.delegation_note(delegation))}</p>")
        parts.append(table(tables.operator_rows(delegation), tables.OPERATOR_COLUMNS))
    return parts


def _cell(text: str) -> str:
    kind = next((word for word in ("pass", "fail") if text.startswith(word)), "")
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
