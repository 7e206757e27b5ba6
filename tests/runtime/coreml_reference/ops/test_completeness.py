import inspect

import pytest

from mobilekit.runtime.coreml_reference.loader import quiet_coremltools
from mobilekit.runtime.coreml_reference.ops import (
    activation,
    blocks,
    control,
    elementwise,
    gather,
    random_,
    recurrent,
    reduction,
    selection,
    shape,
    slices,
)

FAMILIES = (
    activation,
    blocks,
    control,
    elementwise,
    gather,
    random_,
    recurrent,
    reduction,
    selection,
    shape,
    slices,
)
HANDLERS = {name: handler for family in FAMILIES for name, handler in family.TABLE.items()}
MODULES = {
    "activation",
    "control_flow",
    "elementwise_binary",
    "elementwise_unary",
    "random",
    "recurrent",
    "reduction",
    "scatter_gather",
    "tensor_operation",
    "tensor_transformation",
}


@pytest.fixture(scope="module")
def registry():
    quiet_coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    return SSAOpRegistry.core_ops


@pytest.mark.parametrize("operator", sorted(HANDLERS))
def test_parameters_are_those_of_every_opset(registry, operator):
    known = {
        name
        for version in registry[operator].values()
        for name in version.input_spec.input_types
        if not name.startswith("_")  # Python functions, which a file holds as blocks
    }
    parameters = inspect.signature(HANDLERS[operator]).parameters
    assert set(parameters) - {"context"} == known
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("operator", sorted(HANDLERS))
def test_parameters_are_required_where_some_opset_requires_them(registry, operator):
    parameters = inspect.signature(HANDLERS[operator]).parameters
    for name, parameter in parameters.items():
        specs = [v.input_spec.input_types.get(name) for v in registry[operator].values()]
        optional = any(spec is None or spec.optional for spec in specs)
        assert (parameter.default is not inspect.Parameter.empty) == optional or name == "context"


def test_families_are_whole(registry):
    """Every operator that coremltools defines in these families has a handler."""
    of_families = {
        name
        for name, versions in registry.items()
        if next(iter(versions.values())).__module__.rsplit(".", 1)[-1] in MODULES
    }
    internal = {"_const_symbolic"}  # only in coremltools' own tests, never in a file
    assert of_families - internal == set(HANDLERS)
