"""Before a conversion: traps are rewritten exactly, refused or warned about; errors name their place."""

import functools
import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import Target, format_of
from mobilekit.export.rewrites import (
    absent,
    arrangement,
    integers,
    ordering,
    pointwise,
    pooling,
    resize,
    sampling,
    transposed,
)
from mobilekit.export.rewrites.rule import (
    Refused,
    Rule,
    arguments_of,
    check_in_place,
    readers_after,
    tensor_nodes,
    writes_in_place,
)
from mobilekit.export.traps import Finding
from mobilekit.runtime.program import Program, free_axes, has_free_batch

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

FLOAT16_MOST = 65504.0
MOST_CAUSES = 4
_WRAPPERS = ("mobilekit/export/program.py", "mobilekit/export/tflite.py")
_FAMILIES = (resize, pointwise, arrangement, transposed, pooling, sampling, ordering, absent)
CHECKS = integers.CHECKS


@functools.cache
def rules() -> dict[str, tuple[Rule, ...]]:
    """Return the rules by the operator's name."""
    found: dict[str, tuple[Rule, ...]] = {}
    for family in _FAMILIES:
        for rule in family.RULES:
            for operator in rule.operators:
                found[operator] = (*found.get(operator, ()), rule)
    return found


def find_traps(program: Program, target: Target) -> tuple[Finding, ...]:
    """List the traps that springs in `program` for the target's format; nothing is changed."""
    return tuple(finding for finding, _, _ in _sprung(program.exported.module(), target))


def rewrite(program: Program, target: Target) -> tuple[Program, tuple[str, ...]]:
    """Replace the operators that the target's converter gets wrong, exactly.

    Returns:
        The program (the same one where nothing springs) and one note per kind of rewrite.

    Raises:
        ExportError: an operator that has no exact replacement; the line names its place.
    """
    module = program.exported.module()
    sprung = list(_sprung(module, target))
    for finding, _, _ in sprung:
        if finding.action == "refused":
            raise ExportError(f"{format_of(target)}: {finding.text}")
    if not sprung:
        return program, ()
    for index, (_, node, replacement) in enumerate(sprung):
        _replace(module, node, replacement, f"rewritten_{index}")
    module.graph.eliminate_dead_code()
    module.recompile()
    exported = _exported_again(module, program)
    return Program(exported, program.inputs, program.outputs), _notes([f for f, _, _ in sprung])


def _exported_again(module: fx.GraphModule, program: Program) -> torch.export.ExportedProgram:
    """Trace a changed graph; a batch that was free stays free."""
    free = has_free_batch(program)
    inputs = tuple(
        torch.zeros((2, *spec.shape[1:]) if free else spec.shape, dtype=getattr(torch, spec.dtype))
        for spec in program.inputs
    )
    with torch.no_grad():
        return torch.export.export(
            module, inputs, dynamic_shapes=free_axes(inputs) if free else None, strict=False
        )


def overflowing(program: Program, calibration: "list[Arrays]") -> tuple[Finding, ...]:
    """Name the first operators whose values float16 cannot hold, on the calibration inputs.

    A value is beyond float16 when its magnitude exceeds 65,504 and it is finite in float32.
    """
    watch = _Watch(program.exported.module())
    for arrays in calibration:
        values = [torch.from_numpy(arrays[spec.name]) for spec in program.inputs]
        with torch.no_grad():
            watch.run(*values)
    return tuple(
        _finding(
            node, "float16-overflow", "warned",
            f"reaches {peak:.4g}, beyond float16's 65,504: export with --precision float32, or scale"
            " the values down",
        )
        for node, peak in watch.found.items()
    )  # fmt: skip


def operator_at(program: Program, problem: BaseException) -> str:
    """Explain a converter's error in one line: the operator, its module and source line."""
    text = _words(problem)
    words = re.split(r"\s*(?:While executing|Original traceback|See the stack)", text)[0][:300]
    named = set(re.findall(r"(?:aten|torchvision)[.:]+(\w+)", text))
    named |= set(re.findall(r"(?:op|node|operator)\s+['`]?(\w+)['`]?", text))
    operators, exact = _in_generated_code(text)
    named |= operators
    exact |= set(re.findall(r"%(\w+) : \[num_users", text))
    candidates: list[tuple[bool, int, str, fx.Node]] = []
    primitive = tuple(f"_{short}" for short in re.findall(r"prims\.(\w+)", text))
    for node in program.exported.graph.nodes:
        if node.op != "call_function":
            continue
        name = str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)
        if name in named or node.name in named or name.endswith(primitive):
            candidates.append((node.name not in exact, len(candidates), name, node))
    if candidates:
        _, _, name, node = min(candidates)
        return f"operator {name}{_where(*place_of(node))} cannot be converted: {words}"
    return f"the converter failed: {type(problem).__name__}: {words}"


def _words(problem: BaseException | None) -> str:
    """Return what an error and its causes say, the first cause first, in one line without colours."""
    said: list[str] = []
    while problem is not None and len(said) < MOST_CAUSES:
        said.insert(0, re.sub(r"\x1b\[[0-9;]*m", "", str(problem)))
        problem = problem.__cause__
    return " ".join(" ".join(said).split())


def _in_generated_code(text: str) -> tuple[set[str], set[str]]:
    """Return operators and nodes on the lines of a graph's generated code that an error points at."""
    operators: set[str] = set()
    nodes: set[str] = set()
    for file, line in re.findall(r"(<eval_with_key>\.\d+):(\d+)", text):
        called = linecache.getline(file, int(line))
        operators |= set(re.findall(r"torch\.ops\.\w+\.(\w+)", called))
        nodes |= set(re.findall(r"^\s*(\w+) = ", called))
    return operators, nodes


def place_of(node: fx.Node) -> tuple[str, str]:
    """Return the path of the module that a node belongs to, and its line in the user's source."""
    stack = node.meta.get("nn_module_stack") or {}
    path = ""
    for key, (name, _) in stack.items():
        path = str(name) or str(key)
    path = re.sub(r"^L__self__\.?", "", path).removeprefix("net.")
    lines = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    lines = [line for line in lines if not line[0].endswith(_WRAPPERS)]
    own = [line for line in lines if "/torch/nn/" not in f"/{line[0]}"]
    chosen = (own or lines or [("", "")])[-1]
    return "" if path == "net" else path, f"{Path(chosen[0]).name}:{chosen[1]}" if chosen[0] else ""


def _sprung(module: fx.GraphModule, target: Target) -> Iterator[tuple[Finding, fx.Node, Any]]:
    kind = format_of(target)
    for node in module.graph.nodes:
        yield from ((finding, node, None) for finding in _refusals(node, kind))
        for rule in rules().get(str(node.target), ()):
            if kind not in rule.formats:
                continue
            try:
                check_in_place(node)
                replacement = rule.build(arguments_of(node))
            except Refused as reason:
                yield _finding(node, rule.trap, "refused", str(reason)), node, None
                continue
            if replacement is not None:
                text = "rewritten exactly"
                yield _finding(node, rule.trap, "rewritten", text), node, replacement


def _refusals(node: fx.Node, kind: str) -> Iterator[Finding]:
    for one in CHECKS:
        if kind in one.formats:
            try:
                one.check(node)
            except Refused as reason:
                reader = node if node.op == "call_function" else next(iter(node.users))
                yield _finding(reader, one.trap, "refused", str(reason))


def _replace(module: fx.GraphModule, node: fx.Node, replacement: Any, name: str) -> None:
    module.add_submodule(name, replacement)
    with module.graph.inserting_before(node):
        made = module.graph.call_module(name, tensor_nodes(node))
    made.meta = dict(node.meta)
    if writes_in_place(node):
        for reader in readers_after(node, node.all_input_nodes[0]):
            reader.replace_input_with(node.all_input_nodes[0], made)
    node.replace_all_uses_with(made)
    module.graph.erase_node(node)


def _finding(node: fx.Node, trap: str, action: Any, reason: str) -> Finding:
    operator = str(node.target).removesuffix(".default")
    module, source = place_of(node)
    return Finding(
        trap,
        action,
        operator,
        module,
        source,
        f"{trap}: {operator}{_where(module, source)} {reason}",
    )


def _where(module: str, source: str) -> str:
    inside = f" in {module}" if module else ""
    return f"{inside} ({source})" if source else inside


def _notes(findings: list[Finding]) -> tuple[str, ...]:
    """Say each kind of rewrite once, with the first place and how many there are."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.trap, []).append(finding)
    return tuple(
        group[0].text + (f" (and {len(group) - 1} more)" if len(group) > 1 else "")
        for group in kinds.values()
    )


class _Watch(fx.Interpreter):
    """Runs a program and remembers which operators leave float16's range first."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, float] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if (
            node.op == "call_function"
            and isinstance(result, torch.Tensor)
            and result.is_floating_point()
            and result.numel()
        ):
            peak = float(result.abs().max())
            fed = any(source in self.found for source in node.all_input_nodes)
            if FLOAT16_MOST < peak < float("inf") and (not fed or node in self.found):
                self.found[node] = max(peak, self.found.get(node, 0.0))
        return result
