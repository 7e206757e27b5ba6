import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.runtime.coreml_reference import ReferenceRunner
from mobilekit.runtime.coreml_reference.loader import quiet_coremltools


class Tiny(nn.Module):
    """Convolution, normalization with odd statistics, pooling, linear: classes of an image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return torch.softmax(self.head(x.mean((2, 3))), 1)


@pytest.fixture
def tiny():
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        net = Tiny()
        net.norm.running_mean.normal_()
        net.norm.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.fixture
def image():
    return torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))


def traced(net, sample):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(net, sample)


def tensor_input(shape, name="x", dtype=np.float32):
    import coremltools as ct

    return ct.TensorType(name=name, shape=shape, dtype=dtype)


@pytest.fixture
def package(saved, tiny, image):
    def make(precision="FLOAT32", **options):
        import coremltools as ct

        given = {"inputs": [tensor_input(image.shape)], "outputs": [ct.TensorType(name="probs")]}
        return saved(traced(tiny, image), precision=precision, **(given | options))

    return make


def builder():
    quiet_coremltools()
    from coremltools.converters.mil.mil import Builder

    return Builder


def test_float32_package_computes_the_network(package, tiny, image):
    runner = ReferenceRunner(package())
    assert [(s.name, s.shape, s.dtype) for s in runner.inputs] == [("x", (1, 3, 16, 12), "float32")]
    found = runner.run({"x": image.numpy()})
    with torch.no_grad():
        wanted = tiny(image).numpy()
    # Sums of 27 and 48 products in another order: 64 · 2^-24.
    np.testing.assert_allclose(found["probs"], wanted, rtol=0, atol=4e-6)
    assert found["probs"].dtype == np.float32


def test_float16_package_is_rounded_after_each_operator_unless_asked_not_to(package, tiny, image):
    import coremltools as ct

    path = package("FLOAT16", outputs=[ct.TensorType(name="probs", dtype=np.float32)])
    feed = {"x": image.numpy()}
    exact = tiny(image).detach().numpy()
    rounded = ReferenceRunner(path).run_all(feed)
    halves = [step for step in ReferenceRunner(path).operators() if step.types[0] == "fp16"]
    assert len(halves) >= 5
    for step in halves:
        value = rounded[step.outputs[0]][1]
        np.testing.assert_array_equal(value, value.astype(np.float16).astype(np.float32))
    wide = ReferenceRunner(path, precision="float32")
    assert any(
        (value != value.astype(np.float16)).any()
        for _, value in wide.run_all(feed).values()
        if value.dtype == np.float32 and value.size > 4
    )
    errors = [
        np.abs(runner.run(feed)["probs"] - exact).max() for runner in (ReferenceRunner(path), wide)
    ]
    # Weights and the image lose 2^-11 each; a probability moves by less than a few of those.
    assert max(errors) < 5e-3
    assert min(errors) > 1e-7


def test_values_beyond_float16_become_infinite(saved):
    mb = builder()
    from coremltools.converters.mil.mil import types

    @mb.program(input_specs=[mb.TensorSpec((3,), types.fp16)], opset_version=target("iOS17"))
    def program(x):
        return mb.mul(x=x, y=np.float16(200), name="big")

    path = saved(program, precision="FLOAT16")
    x = np.array([300, 400, 2], np.float16)
    found = next(iter(ReferenceRunner(path).run({"x": x}).values()))
    assert found.tolist() == [60000.0, np.inf, 400.0]
    assert ReferenceRunner(path, precision="float32").run_all({"x": x})["big"][1].tolist() == [
        60000.0, 80000.0, 400.0,
    ]  # fmt: skip


def target(name):
    import coremltools as ct

    return getattr(ct.target, name)


def test_image_input_and_classifier_output(package, tiny, image):
    import coremltools as ct

    labels = ["ant", "bee", "cat", "dog"]
    pixels = (image * 255).round().to(torch.uint8)
    path = package(
        inputs=[ct.ImageType(name="x", shape=image.shape, scale=1 / 255, bias=[-0.5, 0, 0.25])],
        outputs=None, classifier_config=ct.ClassifierConfig(labels),
    )  # fmt: skip
    runner = ReferenceRunner(path)
    (spec,) = runner.inputs
    assert (spec.shape, spec.dtype, spec.layout) == ((1, 16, 12, 3), "uint8", "NHWC")
    found = runner.run({"x": pixels.permute(0, 2, 3, 1).numpy()})
    shift = torch.tensor([-0.5, 0, 0.25]).reshape(1, 3, 1, 1)
    wanted = tiny(pixels.float() / 255 + shift).detach().numpy()[0]
    label, probabilities = (
        found[next(s.name for s in runner.outputs if s.dtype == kind)]
        for kind in ("string", "dictionary")
    )
    np.testing.assert_allclose(probabilities, wanted, rtol=0, atol=4e-6)
    assert label.tolist() == [labels[wanted.argmax()]]


def test_bgr_input_gray_input_and_image_output(saved):
    import coremltools as ct

    class Mixed(nn.Module):
        def forward(self, colour, gray):
            return colour[:, :1] * 2 + gray + 300 * (gray > 200), colour.flip(1)

    sample = (torch.zeros(1, 3, 2, 4), torch.zeros(1, 1, 2, 4))
    path = saved(
        traced(Mixed(), sample),
        inputs=[
            ct.ImageType(name="colour", shape=(1, 3, 2, 4), color_layout=ct.colorlayout.BGR),
            ct.ImageType(name="gray", shape=(1, 1, 2, 4), color_layout=ct.colorlayout.GRAYSCALE),
        ],
        outputs=[
            ct.ImageType(name="sum", color_layout=ct.colorlayout.GRAYSCALE),
            ct.ImageType(name="flipped", color_layout=ct.colorlayout.BGR),
        ],
    )
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 120, (1, 2, 4, 3)).astype(np.uint8)
    gray = rng.integers(0, 250, (1, 2, 4, 1)).astype(np.uint8)
    found = ReferenceRunner(path).run({"colour": colour, "gray": gray})
    # The program's first channel is blue: the last one of the pixels that we hand over.
    total = colour[..., 2:] * 2 + gray.astype(int) + 300 * (gray > 200)
    np.testing.assert_array_equal(found["sum"], total.clip(0, 255))
    # Planes B, G, R flipped to R, G, B, and read as B, G, R by the output.
    np.testing.assert_array_equal(found["flipped"], colour[..., ::-1])
    assert found["flipped"].dtype == np.uint8


def test_flexible_shapes(package, tiny, image):
    import coremltools as ct

    wide = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(2))
    ranged = ct.Shape((1, 3, 16, ct.RangeDim(8, 24, default=12)))
    either = ct.EnumeratedShapes([(1, 3, 16, 12), (1, 3, 16, 20)])
    for name, shape, text in (
        ("ranged", ranged, r"\[1, 3, 16, 30\] given, \[1, 3, 16, 8–24\] expected"),
        ("either", either, r"\[1, 3, 16, 30\] given, \[1, 3, 16, 12\] or \[1, 3, 16, 20\] exp"),
    ):
        runner = ReferenceRunner(package(inputs=[ct.TensorType(name="x", shape=shape)], name=name))
        for x in (image, wide):
            found = runner.run({"x": x.numpy()})["probs"]
            np.testing.assert_allclose(found, tiny(x).detach().numpy(), rtol=0, atol=4e-6)
        with pytest.raises(DataError, match=text):
            runner.run({"x": np.zeros((1, 3, 16, 30), np.float32)})
        with pytest.raises(DataError, match="float64 given, float32 expected"):
            runner.run({"x": image.double().numpy()})
        with pytest.raises(DataError, match=r"\['y'\] given, \['x'\] expected"):
            runner.run({"y": image.numpy()})


def test_flexible_image_sizes(package, tiny):
    import coremltools as ct

    pixels = np.random.default_rng(0).integers(0, 255, (1, 16, 20, 3)).astype(np.uint8)
    shape = ct.Shape((1, 3, 16, ct.RangeDim(8, 24, default=12)))
    runner = ReferenceRunner(package(inputs=[ct.ImageType(name="x", shape=shape, scale=1 / 255)]))
    found = runner.run({"x": pixels})["probs"]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    np.testing.assert_allclose(found, tiny(x).detach().numpy(), rtol=0, atol=4e-6)
    with pytest.raises(DataError, match=r"\[1, 16, 30, 3\] given, \[1, 16, 8–24, 3\] expected"):
        runner.run({"x": np.zeros((1, 16, 30, 3), np.uint8)})


def test_several_functions(package, tiny, image, tmp_path):
    import coremltools as ct

    with torch.no_grad():
        first = tiny(image).numpy()
        one = package(name="one")
        tiny.head.bias += torch.tensor([0.0, 5, 0, 0])
        second = tiny(image).numpy()
        two = package(name="two")
    descriptor = ct.utils.MultiFunctionDescriptor()
    descriptor.add_function(str(one), src_function_name="main", target_function_name="plain")
    descriptor.add_function(str(two), src_function_name="main", target_function_name="biased")
    descriptor.default_function_name = "plain"
    path = tmp_path / "both.mlpackage"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ct.utils.save_multifunction(descriptor, str(path))
    feed = {"x": image.numpy()}
    for function, wanted in ((None, first), ("plain", first), ("biased", second)):
        found = ReferenceRunner(path, function=function).run(feed)["probs"]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-6)
    assert sorted(ReferenceRunner(path).functions) == ["biased", "plain"]
    with pytest.raises(ArtifactError, match="has no function 'main', only"):
        ReferenceRunner(path, function="main")


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3, dtype=torch.float16))

    def forward(self, x):
        self.total.add_(x)
        return self.total * 2


def test_state_moves_on_and_is_reset(saved):
    import coremltools as ct

    state = ct.StateType(ct.TensorType(shape=(3,), dtype=np.float16), name="total")
    path = saved(
        traced(Counter(), torch.zeros(3, dtype=torch.float16)), "iOS18", "FLOAT16",
        inputs=[tensor_input((3,), dtype=np.float16)], states=[state],
        outputs=[ct.TensorType(name="y", dtype=np.float16)],
    )  # fmt: skip
    runner = ReferenceRunner(path)
    x = np.array([1, 2, 0.5], np.float16)
    assert [runner.run({"x": x})["y"].tolist() for _ in range(3)] == [
        [2, 4, 1], [4, 8, 2], [6, 12, 3],
    ]  # fmt: skip
    assert runner.state["total"].tolist() == [3, 6, 1.5]
    runner.reset_state()
    assert runner.run({"x": x})["y"].tolist() == [2, 4, 1]


def test_intermediates_by_name(package, tiny, image):
    runner = ReferenceRunner(package())
    values = runner.run_all({"x": image.numpy()})
    steps = runner.operators()
    assert {step.kind for step in steps} >= {"conv", "relu", "reduce_mean", "linear", "softmax"}
    assert set(values) >= {name for step in steps for name in step.outputs}
    wanted = torch.relu(tiny.norm(tiny.conv(image))).detach().numpy()
    relu = next(step for step in steps if step.kind == "relu")
    kind, found = values[relu.outputs[0]]
    assert kind == "relu"
    assert relu.shapes == ((1, 8, 8, 6),)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_values_are_freed_after_their_last_use(package):
    steps = ReferenceRunner(package()).operators()
    freed = [name for step in steps for name in step.frees]
    made = [name for step in steps for name in step.outputs]
    assert sorted(freed) == sorted(set(made) - {"probs"})


def test_number_of_threads_is_restored(package, image):
    before = torch.get_num_threads()
    seen = []
    runner = ReferenceRunner(package(), threads=before + 1)
    object.__setattr__(
        runner._block.steps[-1], "handler",
        lambda **given: seen.append(torch.get_num_threads()) or given["x"],
    )  # fmt: skip
    runner.run({"x": image.numpy()})
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_failing_operator_is_named(package, image):
    runner = ReferenceRunner(package())

    def broken(**given):
        raise ValueError("no such thing")

    object.__setattr__(runner._block.steps[0], "handler", broken)
    with pytest.raises(ArtifactError, match=r"operator \w+ \(.*\) failed: ValueError: no such"):
        runner.run({"x": image.numpy()})


def test_inputs_are_not_changed(package, image):
    x = image.numpy().copy()
    runner = ReferenceRunner(package())
    first = runner.run({"x": x})["probs"]
    np.testing.assert_array_equal(x, image.numpy())
    np.testing.assert_array_equal(runner.run({"x": x})["probs"], first)
