"""Where a network comes from: one grammar for shipped nets, libraries, files and programs."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import torch
from torch import nn
from torch.nn.utils import parametrize

from mobilekit.core.artifact import PROGRAM, Normalization, WeightsOrigin
from mobilekit.core.errors import MobilekitError, ModelError, RuntimeUnavailableError, suggestion
from mobilekit.core.reports import StepReport
from mobilekit.core.seeding import child_seed
from mobilekit.core.tensors import INTEGER_BOUNDS, TensorSpec, has_integers
from mobilekit.nets import build, saved
from mobilekit.nets.catalog import PRETRAINED, NetConfig, find, variants
from mobilekit.nets.factories import call_factory, literal, made, reason_of
from mobilekit.nets.shipped import Shipped, find_shipped, meant, shipped
from mobilekit.nets.warm import awaken, example_inputs, seeded, warm_batch_norm
from mobilekit.nets.weights import load_weights, read_state

IMAGENET_INPUT = (TensorSpec("image", (1, 3, 224, 224), layout="NCHW"),)


@dataclass(frozen=True)
class Source:
    """A network in eval mode with its weights, ready to trace."""

    reference: str
    name: str
    """Safe as a folder's name."""
    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    weights: WeightsOrigin
    output_names: tuple[str, ...] = ()
    normalization: Normalization | None = None
    labels: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    state: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What was changed in the network, in words."""
    steps: tuple[StepReport, ...] = ()
    """What compression has done to it so far."""
    folder: Path | None = None
    """Where it was saved, if it was."""


def load_source(
    reference: str,
    *,
    arguments: dict[str, str],
    weights: Path | None,
    inputs: tuple[TensorSpec, ...] = (),
    seed: int = 0,
) -> Source:
    """Build the network that `reference` names, with weights.

    Args:
        reference: the name of a trained network that ships, `mobile-hourglass[:variant]`,
            `torchvision:NAME`, `timm:NAME`, `path/to/file.py:factory`, a `.pt2` file, or the folder of a
            network that was pruned. With arguments or weights a name means the untrained network.
        arguments: of the factory or the configuration, as texts.
        weights: a state dict; without one the weights are seeded, or as the factory made them, and
            fresh batch norms are warmed.
        inputs: replace the network's own specs.
        seed: of the weights.

    Raises:
        ModelError: no such network, or one that cannot be built, loaded or run.
        RuntimeUnavailableError: timm is asked for and not installed.
    """
    path = Path(reference)
    if path.name == PROGRAM and saved.is_saved(path.parent):
        path = path.parent
    if saved.is_saved(path):
        return _from_saved(path, arguments, weights, inputs)
    if reference.endswith(".pt2"):
        return _from_program(reference, arguments, weights, inputs)
    library, colon, name = reference.partition(":")
    if colon and library in {"torchvision", "timm"}:
        maker = _torchvision if library == "torchvision" else _timm
        source = _built(reference, name, lambda: maker(name, arguments), seed)
        source = replace(source, inputs=inputs or IMAGENET_INPUT)
        if any(literal(arguments.get(key, "None")) for key in PRETRAINED):
            source = replace(source, weights="factory")
        elif weights is None:
            awaken(source.module, child_seed(seed, "awaken"))
    elif ".py" in reference:
        source = _from_file(reference, arguments, inputs, seed)
    else:
        return _by_name(reference, arguments, weights, seed, inputs)
    return _ready(source, weights, seed)


def load_config(
    config: NetConfig,
    *,
    name: str,
    arguments: dict[str, str],
    weights: Path | None,
    seed: int,
    inputs: tuple[TensorSpec, ...] = (),
) -> Source:
    """Build the network of a configuration, as a recipe or the catalog gives it.

    Weights that are given go before those that the configuration names. Without any, branches that begin at
    zero are given values, so that what is exported is the whole network (`to_train` has them at zero).
    """
    config = _configured(config, arguments)
    fresh: tuple[str, ...] = ()
    if weights is None and config.weights:
        weights, fresh = Path(config.weights), config.fresh or ()
    source = _built(name, name, lambda: build(config), seed)
    source = replace(
        source,
        inputs=inputs or config.inputs,
        output_names=config.output_names,
        normalization=config.normalization,
        labels=config.labels if len(config.labels) == getattr(config, "classes", 0) else (),
        colours=config.colours if len(config.colours) == getattr(config, "classes", 0) else (),
        state=config.state,
    )
    if weights is None:
        awaken(source.module, child_seed(seed, "awaken"))
    return _ready(source, weights, seed, fresh)


def _by_name(
    reference: str,
    arguments: dict[str, str],
    weights: Path | None,
    seed: int,
    inputs: tuple[TensorSpec, ...],
) -> Source:
    """Take a trained network that ships; with weights, or arguments that change them, one of the catalog."""
    trained = None if weights else meant(reference, arguments)
    if trained is not None:
        return _from_shipped(trained, arguments, inputs)
    config = _configured(_config_of(reference), arguments)
    return load_config(
        config, name=reference, arguments={}, weights=weights, seed=seed, inputs=inputs
    )


def _from_shipped(
    trained: Shipped, arguments: dict[str, str], inputs: tuple[TensorSpec, ...]
) -> Source:
    """Take a network with the weights that ship: they were saved when its parametrizations were baked in."""
    source = load_config(
        trained.config, name=trained.name, arguments=arguments, weights=None, seed=0, inputs=inputs
    )
    load_weights(source.module, trained.weights)
    check_finite(trained.name, source.module)
    return replace(source, weights="shipped")


def to_train(source: Source, config: NetConfig, arguments: dict[str, str], seed: int) -> Source:
    """Return a source whose network is as its code builds it: branches that begin at zero, and learn best so.

    Args:
        source: of `load_config`, without weights.
        config: that it was built of.
        arguments: that change it.
        seed: of the weights, the same.
    """
    built = _built(source.name, source.name, lambda: build(_configured(config, arguments)), seed)
    bake(built.module)
    return replace(source, module=built.module.eval())


def check_inputs(source: Source) -> int:
    """Run the network once, and say in one line why it does not take its inputs.

    Returns:
        The bound (`INTEGER_BOUNDS`) below which it takes integers.

    Raises:
        ModelError: the network refuses inputs of these shapes and types.
    """
    *bounds, last = INTEGER_BOUNDS if has_integers(source.inputs) else (1,)
    for bound in bounds:
        with contextlib.suppress(ModelError):
            _check_run(source, bound)
            return bound
    _check_run(source, last)
    return last


def _check_run(source: Source, integers: int) -> None:
    try:
        with torch.no_grad():
            source.module(*example_inputs(source.inputs, 0, integers=integers))
    except MobilekitError:
        raise
    except Exception as problem:
        shapes = ", ".join(
            f"{spec.name}={'x'.join(map(str, spec.shape))}:{spec.dtype}" for spec in source.inputs
        )
        raise ModelError(
            f"{source.reference}: does not take the input {shapes}: {reason_of(problem)}; give --input"
            f"{''.join(f' ({note})' for note in source.notes)}"
        ) from problem


def _config_of(reference: str) -> NetConfig:
    """Return the configuration of the catalog, or of a trained network that is not in it."""
    try:
        return find(reference).config
    except ModelError:
        trained = find_shipped(reference)
        if trained is not None:
            return trained.config
        known = [each.name for each in shipped()] + [each.reference for each in variants()]
        raise ModelError(
            f"{reference!r}: no shipped net of that name, and none of torchvision:NAME, timm:NAME,"
            f" path/to/file.py:factory, a recipe or a .pt2 file.{suggestion(reference, known)}"
        ) from None


def _configured(config: NetConfig, arguments: dict[str, str]) -> NetConfig:
    if not arguments:
        return config
    fields = config.__struct_fields__
    for key in arguments:
        if key not in fields:
            raise ModelError(
                f"--arg {key}: {config.kind} has no such field; it has {', '.join(fields)}."
                f"{suggestion(key, fields)}"
            )
    values = {key: literal(value) for key, value in arguments.items()}
    try:
        content = msgspec.to_builtins(config) | values
        return msgspec.convert(content, NetConfig)  # type: ignore[no-any-return]
    except msgspec.ValidationError as problem:
        raise ModelError(f"--arg: {config.kind}: {problem}") from problem


def _built(reference: str, name: str, make: Callable[[], nn.Module], seed: int) -> Source:
    with seeded(child_seed(seed, "weights")):
        module = make()
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "model"
    return Source(reference, safe, module, (), weights="seeded")


def _ready(source: Source, weights: Path | None, seed: int, fresh: tuple[str, ...] = ()) -> Source:
    """Give the network its weights, bake parametrizations in, and check that all is finite."""
    source = _in_float32(source)
    module = source.module
    if weights is not None:
        if not any("parametrizations." in name for name in read_state(weights)):
            bake(module)  # as they were when the weights were saved
        load_weights(module, weights, fresh)
    check_finite(source.reference, module)
    if weights is None:
        integers = check_inputs(source)
        warm_batch_norm(module, source.inputs, child_seed(seed, "warm"), integers)
    bake(module)
    origin: WeightsOrigin = source.weights if weights is None else "given"
    return replace(source, module=module.eval(), weights=origin)


def _in_float32(source: Source) -> Source:
    """Bring a network in half or double precision, and inputs of that type, to float32."""
    tensors = (*source.module.parameters(), *source.module.buffers())
    kinds = {str(t.dtype).removeprefix("torch.") for t in tensors if t.is_floating_point()}
    module = source.module.eval().float()
    others = sorted(kinds - {"float32"})
    if not others:
        return replace(source, module=module)
    inputs = tuple(
        msgspec.structs.replace(spec, dtype="float32") if spec.dtype in others else spec
        for spec in source.inputs
    )
    note = f"the network is in {' and '.join(others)}; it is exported, and compared, in float32"
    return replace(source, module=module, inputs=inputs, notes=(*source.notes, note))


def bake(module: nn.Module) -> None:
    """Replace parametrized weights (spectral norm, masks) by what they come to, in place."""
    for part in list(module.modules()):
        for name in list(getattr(part, "parametrizations", ())):
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)


def check_finite(reference: str, module: nn.Module) -> None:
    """Refuse NaN and infinite weights by name.

    Raises:
        ModelError: with the first tensors that hold such values, and how many.
    """
    bad = [
        f"{name} ({int((~torch.isfinite(tensor)).sum())} of {tensor.numel()})"
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise ModelError(f"{reference}: NaN or infinite values in {', '.join(bad[:3])}{more}")


def _torchvision(name: str, arguments: dict[str, str]) -> nn.Module:
    from mobilekit.nets.torchvision import by_name

    return by_name(name, {key: literal(value) for key, value in arguments.items()})


def _timm(name: str, arguments: dict[str, str]) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise RuntimeUnavailableError(
            f"timm:{name}: timm is not installed; pip install timm"
        ) from None
    if not timm.is_model(name):
        known = timm.list_models()
        raise ModelError(f"timm:{name}: timm has no such model.{suggestion(name, known)}")
    options = {"pretrained": False, **{key: literal(value) for key, value in arguments.items()}}
    return made(f"timm:{name}", lambda: timm.create_model(name, **options))


def _from_file(
    reference: str, arguments: dict[str, str], inputs: tuple[TensorSpec, ...], seed: int
) -> Source:
    path, colon, factory = reference.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise ModelError(
            f"{reference}: expected path/to/file.py:factory, where factory() returns a torch.nn.Module"
        )
    if not inputs and Path(path).is_file():
        raise ModelError(
            f"{reference}: its input is not known; give --input, such as --input 1x3x224x224"
        )
    name = f"{Path(path).stem}-{factory}"
    source = _built(reference, name, lambda: call_factory(Path(path), factory, arguments), seed)
    return replace(source, inputs=inputs, weights="factory")


def _from_program(
    reference: str, arguments: dict[str, str], weights: Path | None, inputs: tuple[TensorSpec, ...]
) -> Source:
    """Take a `torch.export` program as it is: weights, shapes and all."""
    from mobilekit.runtime import program as programs

    if arguments or weights is not None or inputs:
        raise ModelError(
            f"{reference}: a .pt2 program has its inputs and weights; --arg, --weights and --input"
            " do not apply"
        )
    program = programs.load(Path(reference))
    module = program.exported.module(check_guards=False)  # a pruned one may take smaller inputs
    check_finite(reference, module)
    return Source(
        reference,
        Path(reference).stem,
        module,
        program.inputs,
        weights="given",
        output_names=tuple(spec.name for spec in program.outputs),
    )


def _from_saved(
    folder: Path, arguments: dict[str, str], weights: Path | None, inputs: tuple[TensorSpec, ...]
) -> Source:
    """Take a program with what is known of it."""
    known = saved.read(folder)
    source = _from_program(str(folder / PROGRAM), arguments, weights, inputs)
    made = f"made of {known.reference}"
    return replace(
        source,
        reference=known.reference,
        name=known.name,
        weights=known.weights,
        normalization=known.normalization,
        labels=known.labels,
        colours=known.colours,
        state=known.state,
        notes=known.notes if made in known.notes else (*known.notes, made),
        steps=known.steps,
        folder=folder,
    )
