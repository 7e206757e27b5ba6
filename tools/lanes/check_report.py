"""Check a device report that an app's core wrote: `check_report.py REPORT.json SAMPLES.json`.

It must fit the schema, agree with itself (statistics are recomputed), and hold exactly the samples that its
writer was given.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema

from mobilekit.core.device_checks import read_report, summary_of
from mobilekit.core.errors import ArtifactError, MobilekitError, UsageError

SCHEMA = Path(__file__).parents[2] / "schemas" / "device-report.schema.json"


def check(report: Path, samples: Path) -> str:
    """Return what a good report says, in one line.

    Args:
        report: that was written.
        samples: a list of nanoseconds, the runs that it was given.

    Raises:
        ArtifactError: the report is wrong.
        UsageError: the samples are none.
    """
    found = read_report(report)
    _check_schema(report)
    wanted = _samples(samples)
    inference = found.latency.inference
    if inference.samples_ns != wanted:
        raise ArtifactError(f"{report}: {_difference(inference.samples_ns, wanted)}")
    if inference.summary is None:
        raise ArtifactError(f"{report}: expected a summary - at `$.latency.inference.summary`")
    own = summary_of(inference)
    return (
        f"{report.name}: {found.platform}, {own.n} runs, p50 {own.p50_ns} ns, p99 {own.p99_ns} ns"
    )


def _check_schema(report: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    kind = jsonschema.Draft202012Validator
    for problem in kind(schema).iter_errors(json.loads(report.read_text())):
        raise ArtifactError(f"{report}: {problem.message} - at `{problem.json_path}` (schema)")


def _samples(path: Path) -> tuple[int, ...]:
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path}: cannot be read ({problem})") from problem
    if not isinstance(found, list) or not found or any(type(one) is not int for one in found):
        raise UsageError(f"{path}: expected a list of nanoseconds")
    return tuple(found)


def _difference(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(found) != len(wanted):
        return f"has {len(found)} samples, was given {len(wanted)} - at `$.latency.inference.samples_ns`"
    index = next(i for i, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
    place = f"$.latency.inference.samples_ns[{index}]"
    return f"has {found[index]}, was given {wanted[index]} - at `{place}`"


def main(arguments: list[str]) -> int:
    """Check one report; 0 good, 1 the report is wrong, 2 the command line is."""
    if len(arguments) != 2:
        sys.stderr.write("usage: check_report.py REPORT.json SAMPLES.json\n")
        return 2
    report, samples = (Path(one) for one in arguments)
    try:
        sys.stdout.write(check(report, samples) + "\n")
    except UsageError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except MobilekitError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
