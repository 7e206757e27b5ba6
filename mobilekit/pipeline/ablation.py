"""An ablation: recipes that each change something of the one before, run and put into one table."""

import copy
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mobilekit.core import artifact, files
from mobilekit.core.ablations import Ablation, FileFigures, LineResult
from mobilekit.core.artifact import Manifest
from mobilekit.core.errors import (
    ArtifactError,
    OutputError,
    RecipeError,
    StoppedError,
    UsageError,
)
from mobilekit.core.histories import checkpoints
from mobilekit.core.targets import format_of, variant_of
from mobilekit.pipeline.bench import step_folder, stopped, training_folder
from mobilekit.pipeline.exporting import export
from mobilekit.pipeline.request import DEFAULT_OUT, ExportRequest
from mobilekit.recipe import Recipe, recipe_of

LINES = "lines"
TABLE = "ablation.json"
_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
_KEYS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*((\.[A-Za-z_][A-Za-z0-9_]*)|(\[\d+\]))*")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes from the line before; the first line changes the recipe of the file."""

    name: str
    set: dict[str, Any] = {}
    """Key path → value, such as `"steps[0].mixup" = 0.4`."""
    add: tuple[dict[str, Any], ...] = ()
    """Steps that come behind those there are."""


class Lines(msgspec.Struct, frozen=True):
    """The part of the file that is no recipe."""

    lines: Annotated[tuple[Line, ...], Meta(min_length=1)]
    seeds: Annotated[int, Meta(ge=1, le=100)] = 1
    """How often each line is run: with the recipe's seed, the next one, …"""


def is_ablation(path: Path) -> bool:
    """Say whether a file holds lines of an ablation; what cannot be read is none."""
    try:
        return LINES in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


def read_ablation(path: Path) -> tuple[tuple[tuple[str, Recipe], ...], int]:
    """Read the recipe of each line, and how many seeds each is run with.

    Raises:
        RecipeError: a key path that leads nowhere, or a line that is no recipe; the line is named.
    """
    from mobilekit.core.config import from_mapping

    content = tomllib.loads(path.read_text(encoding="utf-8"))
    own = {key: content.pop(key) for key in Lines.__struct_fields__ if key in content}
    lines: Lines = from_mapping(own, Lines, str(path))
    found = []
    for line in lines.lines:
        where = f"{path}: line {line.name!r}"
        content = changed(content, line, where)
        found.append((line.name, recipe_of(content, where)))
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise RecipeError(f"{path}: each line needs a name of its own")
    return tuple(found), lines.seeds


def changed(content: dict[str, Any], line: Line, where: str) -> dict[str, Any]:
    """Return a recipe's content with what a line changes.

    Raises:
        RecipeError: no key path, or one through something that is not there.

    >>> changed({"net": {"kind": "vgg"}}, Line("deep", {"net.depth": 16}), "line")
    {'net': {'kind': 'vgg', 'depth': 16}, 'steps': []}
    """
    result = copy.deepcopy(content)
    for keys, value in line.set.items():
        if not _KEYS.fullmatch(keys):
            raise RecipeError(f"{where}: set: {keys!r} is no key path, such as steps[0].mixup")
        *way, last = [name or int(number) for name, number in _PART.findall(keys)]
        place: Any = result
        try:
            for part in way:
                place = place[part]
            if isinstance(place, list):
                place[last]
            place[last] = value
        except (KeyError, IndexError, TypeError) as problem:
            raise RecipeError(f"{where}: set: {keys}: there is no such place") from problem
    result["steps"] = [*result.get("steps", []), *line.add]
    return result


def ablate(request: ExportRequest, progress: Callable[[str], None]) -> Ablation:
    """Run each line with each seed, or take what an earlier run has made of the same recipe.

    The first steps that a line has in common with one before it are not trained again.

    Raises:
        MobilekitError: as `export`; the lines that are done stay.
        UsageError: several devices.
        StoppedError: a person stopped a line; those that are done stay.
    """
    path = Path(request.reference)
    lines, seeds = read_ablation(path)
    folder = request.out or DEFAULT_OUT / lines[0][1].name
    _check(request, folder)
    known = _known(folder)
    results = []
    past: list[tuple[Recipe, Path]] = []
    for place, (name, recipe) in enumerate(lines):
        for seed in range(recipe.seed, recipe.seed + seeds):
            own = msgspec.structs.replace(recipe, seed=seed)
            out = folder / f"{place + 1:02d}-{_safe(name)}-{seed}"
            progress(f"line {place + 1} of {len(lines)}: {name}, seed {seed}")
            made_of = own.digest_until(len(own.steps))
            done = _done(out, own) if known.get((name, seed)) == made_of else None
            manifest = done or _run(request, own, out, past, progress)
            past.append((own, out))
            results.append(result_of(name, seed, out, manifest, made_of))
            files.write_text(
                folder / TABLE, _text(Ablation(path.stem, str(folder), tuple(results)))
            )
    return Ablation(path.stem, str(folder), tuple(results))


def _check(request: ExportRequest, folder: Path) -> None:
    devices, hosts = request.flags.get("devices", 1), request.flags.get("num_nodes", 1)
    if devices not in {1, "1"} or hosts != 1:
        raise UsageError(
            f"{request.reference}: an ablation runs its lines one after the other, on one device; leave --devices"
            " and --num-nodes out, or run a recipe of its own on several"
        )
    if (folder / artifact.MANIFEST).is_file():
        raise ArtifactError(f"{folder}: holds an artifact, not lines; name another --out")


def _known(folder: Path) -> dict[tuple[str, int], str]:
    """Return what the networks of the lines were made of that an earlier run has made."""
    try:
        table = msgspec.json.decode((folder / TABLE).read_bytes(), type=Ablation)
    except (OSError, msgspec.MsgspecError):
        return {}
    return {(line.name, line.seed): line.made_of for line in table.results}


def _text(table: Ablation) -> str:
    return msgspec.json.format(msgspec.json.encode(table), indent=2).decode() + "\n"


def _run(
    request: ExportRequest,
    recipe: Recipe,
    out: Path,
    past: list[tuple[Recipe, Path]],
    progress: Callable[[str], None],
) -> Manifest:
    own = msgspec.structs.replace(request, out=out, recipe=recipe, seed=0)
    begun = request.resume and bool(checkpoints(training_folder(own, recipe.name)))
    begun = begun or _taken_over(own, recipe, past, progress)
    try:
        return export(msgspec.structs.replace(own, resume=begun), progress)[1]
    except KeyboardInterrupt as stop:
        words = stopped(own)
        if words:
            raise StoppedError(words) from stop
        raise


def _taken_over(
    request: ExportRequest,
    recipe: Recipe,
    past: list[tuple[Recipe, Path]],
    progress: Callable[[str], None],
) -> bool:
    """Copy the trainings of the steps that a line before has in common; say whether there are any."""
    counts = [_in_common(recipe, other) for other, _ in past]
    most = max(counts, default=0)
    if not most:
        return False
    out = next(out for count, (_, out) in zip(counts, past, strict=True) if count == most)
    from mobilekit.compress.fitting.keeper import forget
    from mobilekit.compress.fitting.resuming import is_of

    source = training_folder(msgspec.structs.replace(request, out=out), recipe.name)
    names = [step_folder(i, str(step["kind"])) for i, step in enumerate(recipe.steps[:most])]
    names = [
        name
        for count, name in enumerate(names, 1)
        if (found := checkpoints(source / name))
        and all(is_of(path, recipe.digest_until(count)) for path in found)
    ]
    folder = training_folder(request, recipe.name)
    forget(folder)
    for name in names:
        progress(f"taking what {out.name} has trained: {name}")
        with files.replacing(folder / name) as fresh:
            try:
                shutil.copytree(source / name, fresh, dirs_exist_ok=True)
            except shutil.Error as problem:
                raise OutputError(f"{folder / name}: cannot be written ({problem})") from problem
    return bool(names)


def _in_common(one: Recipe, other: Recipe) -> int:
    """Return how many steps, from the first, make the same network in both."""
    most = min(len(one.steps), len(other.steps))
    same = (
        count
        for count in range(most, 0, -1)
        if one.digest_until(count) == other.digest_until(count)
    )
    return next(same, 0)


def _done(out: Path, recipe: Recipe) -> Manifest | None:
    """Return what was made of exactly this recipe before."""
    try:
        manifest = artifact.read_manifest(out)
        artifact.check_files(out, manifest)
    except ArtifactError:
        return None
    return manifest if manifest.recipe_digest == recipe.digest else None


def result_of(
    name: str, seed: int, folder: Path, manifest: Manifest, made_of: str = ""
) -> LineResult:
    """Take a line's figures from its artifact."""
    last = next((step.metrics for step in reversed(manifest.steps) if step.metrics), ())
    made = tuple(
        FileFigures(
            format_of(file.target),
            variant_of(file.target),
            file.size_bytes,
            file.latency.median_ms if file.latency else None,
            file.parity.verdict,
            file.metric.figures if file.metric else {},
        )
        for file in manifest.files
    )
    cost = manifest.cost
    return LineResult(
        name,
        seed,
        str(folder),
        cost.params,
        cost.params_nonzero,
        cost.macs,
        tuple(one.data for one in last),
        tuple(one.figures for one in last),
        made,
        made_of,
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "line"
