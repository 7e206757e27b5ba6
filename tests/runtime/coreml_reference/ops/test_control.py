import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import OpContext
from mobilekit.runtime.coreml_reference.ops.control import TABLE


def context(*blocks):
    return OpContext("op", blocks=blocks, run_block=lambda block, values: block(*values))


def made(count=2, **more):
    return TABLE["make_list"](init_length=count, elem_shape=(2,), **more)


def test_const():
    value = torch.ones(2)
    assert TABLE["const"](val=value) is value


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("truth", [False, True])
def test_cond_runs_one_block(truth, wrapped):
    ran = []
    blocks = [lambda n=name: ran.append(n) or (torch.tensor(n), torch.ones(1)) for name in (1, 2)]
    pred = torch.tensor(truth) if wrapped else truth
    found = TABLE["cond"](pred=pred, context=context(*blocks))
    assert [part.tolist() for part in found] == [1 if truth else 2, [1]]
    assert ran == [1 if truth else 2]


def test_while_loop():
    found = TABLE["while_loop"](
        loop_vars=(torch.tensor(0), torch.tensor(1.0)),
        context=context(lambda i, _: (i < 5,), lambda i, x: (i + 1, x * 2)),
    )
    assert [part.item() for part in found] == [5, 32]


def test_while_loop_may_run_never():
    start = (torch.tensor(7),)
    ran = []
    blocks = (lambda i: (i < 5,), ran.append)
    assert TABLE["while_loop"](loop_vars=start, context=context(*blocks)) == start
    assert not ran


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [(None, torch.float32), ("fp32", torch.float32), ("fp16", torch.float32),
     ("int32", torch.int32), ("bool", torch.bool)],
)  # fmt: skip
def test_make_list(dtype, kind):
    ls = made(3, **({} if dtype is None else {"dtype": dtype}))
    assert TABLE["list_length"](ls=ls).item() == 3
    element = TABLE["list_read"](ls=ls, index=2)
    assert (element.tolist(), element.dtype) == ([0, 0], kind)


def test_make_list_defaults_to_one_place():
    assert TABLE["list_length"](ls=TABLE["make_list"](elem_shape=(4,))).item() == 1


def test_make_list_refuses_other_types():
    with pytest.raises(ArtifactError, match="operator make_list: dtype = 'fp64' is none of bool"):
        made(dtype="fp64")


def test_list_write_leaves_its_input():
    ls = made()
    new = TABLE["list_write"](ls=ls, index=torch.tensor(1), value=torch.tensor([5.0, 6.0]))
    assert TABLE["list_read"](ls=new, index=1).tolist() == [5, 6]
    assert TABLE["list_read"](ls=ls, index=1).tolist() == [0, 0]


def test_lists_grow_if_dynamic():
    value = torch.tensor([5.0, 6.0])
    new = TABLE["list_write"](ls=made(1), index=3, value=value)
    assert TABLE["list_length"](ls=new).item() == 4
    assert TABLE["list_read"](ls=new, index=2).tolist() == [0, 0]
    fixed = made(1, dynamic_length=False)
    with pytest.raises(
        ArtifactError, match="operator list_write: index = 1 is outside a list of 1"
    ):
        TABLE["list_write"](ls=fixed, index=1, value=value)


def test_lists_of_symbolic_shape_take_the_shape_written():
    ls = TABLE["make_list"](init_length=0, elem_shape=("n", 2))
    new = TABLE["list_write"](ls=ls, index=1, value=torch.ones(3, 2))
    assert TABLE["list_gather"](ls=new, indices=torch.tensor([1, 0])).tolist() == [
        [[1, 1]] * 3,
        [[0, 0]] * 3,
    ]


def test_list_scatter_and_gather():
    values = torch.arange(6.0).reshape(3, 2)
    ls = TABLE["list_scatter"](ls=made(2), indices=torch.tensor([2, 0, 2]), value=values)
    found = TABLE["list_gather"](ls=ls, indices=torch.tensor([0, 1, 2]))
    assert found.tolist() == [[2, 3], [0, 0], [4, 5]]


@pytest.mark.parametrize(
    ("operator", "given", "words"),
    [
        ("list_read", {"index": 2}, "index = 2 is outside a list of 2"),
        ("list_read", {"index": -1}, "index = -1 is outside a list of 2"),
        ("list_gather", {"indices": torch.tensor([0, 5])}, "indices = 5 is outside a list of 2"),
        ("list_write", {"index": -1, "value": torch.ones(2)}, "index = -1 is outside"),
        ("list_scatter", {"indices": torch.tensor([0]), "value": torch.ones(2, 2)},
         r"indices = \[0\] for 2 values"),
    ],
)  # fmt: skip
def test_lists_refuse(operator, given, words):
    with pytest.raises(ArtifactError, match=f"operator {operator}: {words}"):
        TABLE[operator](ls=made(), **given)


def test_saved_program_of_branch_and_loop(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x, n):
        count = mb.squeeze(x=n, axes=[0])
        total = mb.reduce_sum(x=x, axes=[0], keep_dims=False)
        chosen = mb.cond(
            pred=mb.greater(x=total, y=0.0),
            _true_fn=lambda: mb.mul(x=x, y=2.0),
            _false_fn=lambda: mb.abs(x=x),
        )
        _, looped = mb.while_loop(
            _cond=lambda i, _: mb.less(x=i, y=count),
            _body=lambda i, v: (mb.add(x=i, y=1), mb.add(x=v, y=x)),
            loop_vars=(mb.sub(x=count, y=count), chosen),
        )
        return chosen, looped

    for x in (np.array([3.0, -1.0], np.float32), np.array([-3.0, 1.0], np.float32)):
        chosen = x * 2 if x.sum() > 0 else np.abs(x)
        for n in (0, 3):
            found = run_program(build, {"x": x, "n": np.array([n], np.int32)})
            np.testing.assert_array_equal(found[0], chosen)
            np.testing.assert_array_equal(found[1], chosen + n * x)


def test_saved_program_of_lists(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        ls = mb.make_list(init_length=2, elem_shape=(3,), dtype="fp32")
        ls = mb.list_write(ls=ls, index=1, value=mb.slice_by_index(
            x=x, begin=[1, 0], end=[0, 3], squeeze_mask=[True, False]))  # fmt: skip
        ls = mb.list_scatter(ls=ls, indices=[0, 3], value=x)
        return mb.list_gather(ls=ls, indices=[3, 1, 0]), mb.list_read(ls=ls, index=1)

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = run_program(build, {"x": x})
    np.testing.assert_array_equal(found[0], x[[1, 1, 0]])
    np.testing.assert_array_equal(found[1], x[1])


def test_saved_program_of_a_loop_over_a_list(run_program):
    """As converters write a recurrent layer: the list is a loop variable, a branch is inside."""
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        steps = mb.slice_by_index(x=mb.shape(x=x), begin=[0], end=[1], squeeze_mask=[True])
        ls = mb.make_list(init_length=1, elem_shape=(3,), dtype="fp32")

        def body(i, ls):
            row = mb.gather(x=x, indices=i, axis=0)
            first = mb.slice_by_index(x=row, begin=[0], end=[1], squeeze_mask=[True])
            chosen, sign = mb.cond(
                pred=mb.greater(x=first, y=2.0),
                _true_fn=lambda: (mb.identity(x=row), mb.add(x=first, y=1.0)),
                _false_fn=lambda: (mb.mul(x=row, y=-1.0), mb.identity(x=first)),
            )
            return mb.add(x=i, y=1), mb.list_write(ls=ls, index=i, value=mb.mul(x=chosen, y=sign))

        count, filled = mb.while_loop(
            _cond=lambda i, _: mb.less(x=i, y=steps), _body=body, loop_vars=(np.int32(0), ls)
        )
        return mb.list_gather(ls=filled, indices=mb.range_1d(end=count, start=0, step=1))

    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    expected = [row * (row[0] + 1) if row[0] > 2 else -row * row[0] for row in x]
    np.testing.assert_array_equal(run_program(build, {"x": x})[0], expected)
