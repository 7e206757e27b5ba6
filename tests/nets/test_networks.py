"""The networks against the theses' counts and the formulas they state."""

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobilekit.core.errors import ModelError
from mobilekit.nets import blazeface, build, catalog
from mobilekit.nets.dfbuster import Block, SimpleSelfAttention


def count(config: catalog.NetConfig) -> int:
    with torch.device("meta"):
        return sum(part.numel() for part in build(config).parameters())


HOURGLASS = catalog.MobileHourglassConfig
DFBUSTER = catalog.DfbusterConfig


@pytest.mark.parametrize(
    ("config", "params"),
    [
        # Table 5.1 of Berthelier's thesis (0.09, 0.12, 0.17, 0.27 million), to the parameter.
        (HOURGLASS(features=16, expansion=3), 86_634),
        (HOURGLASS(features=16, expansion=6), 116_874),
        (HOURGLASS(features=32, expansion=3), 169_738),
        (HOURGLASS(features=32, expansion=6), 273_226),
        (HOURGLASS(previous_mask=1), 276_362),
        (HOURGLASS(previous_mask=1, dense_tail=True), 289_706),
        (HOURGLASS(previous_mask=1, stem="light"), 209_418),
        (HOURGLASS(16, 3, previous_mask=1, stem="light"), 31_466),
        # Table 6.5 of Hubens' thesis: 46.22, 46.35, 49.17 megabits of non-zero parameters.
        (DFBUSTER(squeeze_excite=False, self_attention=False), 1_453_026),
        (DFBUSTER(squeeze_excite=False), 1_457_123),
        (DFBUSTER(), 1_547_235),
        (catalog.UnetConfig(), 13_395_914),
        (catalog.UnetConfig(classes=11), 13_395_979),
        (catalog.SegnetConfig(), 29_448_778),
        (catalog.SegnetConfig(classes=11), 29_449_355),
        (catalog.LenetCaffeConfig(), 431_080),
        (catalog.LenetCaffeConfig(channels=3, size=32), 657_080),
        (catalog.VggConfig(), 14_982_474),
        (catalog.VggConfig(classes=102), 15_029_670),
        (catalog.BlazefaceConfig(), 101_390),
    ],
)
def test_parameters_are_those_of_the_theses(config: catalog.NetConfig, params: int) -> None:
    assert count(config) == params


@pytest.mark.parametrize(
    ("classes", "counted"), [(10, 3_758_794), (100, 3_804_964), (102, 3_805_990)]
)
def test_mobilenet_v1_counts_with_its_statistics(classes: int, counted: int) -> None:
    network = build(catalog.MobilenetV1Config(classes=classes))
    statistics = [part for part in network.buffers() if part.is_floating_point()]
    assert sum(part.numel() for part in (*network.parameters(), *statistics)) == counted


def test_conv_filters_of_vgg11_are_those_of_table_3_3() -> None:
    network = build(catalog.VggConfig(depth=11, width=8))
    filters = sum(part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d))
    assert filters * 8 == 2752


SMALL = [
    (HOURGLASS(8, 2, size=32), [(2, 10, 32, 32)]),
    (HOURGLASS(8, 2, size=48, previous_mask=10, dense_tail=True), [(2, 10, 48, 48)]),
    (HOURGLASS(8, 2, size=32, stem="light", classes=3), [(2, 3, 32, 32)]),
    (DFBUSTER(width=0.125, size=64), [(2, 2)]),
    (DFBUSTER(width=0.3, size=72, attention_map=True), [(2, 2), (2, 1, 18, 18)]),
    (catalog.UnetConfig(width=4, size=32), [(2, 10, 32, 32)]),
    (catalog.SegnetConfig(width=4, size=32), [(2, 10, 32, 32)]),
    (catalog.LenetCaffeConfig(), [(2, 10)]),
    (catalog.VggConfig(depth=11, width=4), [(2, 10)]),
    (catalog.VggConfig(width=4), [(2, 10)]),
    (catalog.MobilenetV1Config(width=0.1, classes=7), [(2, 7)]),
    (catalog.BlazefaceConfig(), [(2, 896, 1), (2, 896, 16)]),
]


@pytest.mark.parametrize(("config", "shapes"), SMALL)
def test_outputs_have_the_stated_names_and_shapes(
    config: catalog.NetConfig, shapes: list[tuple[int, ...]]
) -> None:
    inputs = [torch.randn(2, *spec.shape[1:]) for spec in config.inputs]
    with torch.no_grad():
        result = build(config).eval()(*inputs)
    outputs = (result,) if isinstance(result, Tensor) else result
    assert [tuple(output.shape) for output in outputs] == shapes
    assert len(config.output_names) == len(shapes)
    assert all(bool(output.isfinite().all()) for output in outputs)


def test_the_previous_mask_is_an_input_of_its_own() -> None:
    config = HOURGLASS(8, 2, previous_mask=1, size=16)
    assert [spec.name for spec in config.inputs] == ["image", "previous_mask"]
    assert config.inputs[1].shape == (1, 1, 16, 16)
    assert config.state == {"logits": "previous_mask"}
    torch.random.default_generator.manual_seed(0)
    network = build(config).eval()
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        empty, full = (network(image, mask) for mask in (torch.zeros(1, 1, 16, 16), image[:, :1]))
    assert not torch.equal(empty, full)
    assert HOURGLASS().state == {}


def test_attention_is_the_original_formula_with_gamma_times_hw() -> None:
    torch.random.default_generator.manual_seed(0)
    layer = SimpleSelfAttention(6).eval().double()
    nn.init.constant_(layer.gamma, 0.7)
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        out, heat = layer(x)
    flat = x.reshape(2, 6, 20).numpy()
    weight = layer.value.weight.detach().numpy()[:, :, 0]
    for sample in range(2):
        values = weight @ flat[sample]
        # Hubens' published code: gamma (X Xᵀ)(W X) + X; its gamma is ours / HW.
        expected = 0.7 / 20 * (flat[sample] @ flat[sample].T) @ values + flat[sample]
        np.testing.assert_allclose(out[sample].reshape(6, 20).numpy(), expected, rtol=1e-12)
        mean = values.mean(0)
        shown = 1 - (mean - mean.min()) / (mean.max() - mean.min())
        np.testing.assert_allclose(heat[sample].flatten().numpy(), shown, atol=1e-4)


def test_attention_stays_within_float16_where_the_plain_product_does_not() -> None:
    torch.random.default_generator.manual_seed(0)
    layer = SimpleSelfAttention(8).eval()
    nn.init.ones_(layer.gamma)
    x = 8 * torch.randn(1, 8, 64, 64)
    flat = x.reshape(1, 8, -1)
    assert float(torch.bmm(flat, flat.transpose(1, 2)).max()) > 65_504
    seen: list[float] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor) and result.is_floating_point():
                seen.append(float(result.detach().abs().max()))
            return result

    with torch.no_grad(), Watch():
        layer(x)
    assert len(seen) > 5
    assert max(seen) < 65_504


def test_a_fresh_block_is_its_shortcut() -> None:
    block = Block(4, 4, 1, excite=False, attend=True).eval()
    x = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        # The last batch norm's gamma and the attention's gamma are zero: only the shortcut is left.
        torch.testing.assert_close(block(x), torch.relu(x))


def test_an_attention_map_needs_attention() -> None:
    with pytest.raises(ModelError, match="attention_map needs self_attention"):
        build(DFBUSTER(self_attention=False, attention_map=True))


def test_baked_spectral_norm_has_unit_norm_and_the_same_output() -> None:
    from mobilekit.nets.sources import bake

    torch.random.default_generator.manual_seed(0)
    layer = SimpleSelfAttention(6).eval()
    nn.init.ones_(layer.gamma)
    x = torch.randn(1, 6, 4, 4)
    with torch.no_grad():
        before = layer(x)[0]
        bake(layer)
        assert torch.equal(layer(x)[0], before)
    assert set(layer.state_dict()) == {"gamma", "value.weight"}
    largest = float(np.linalg.svd(layer.value.weight.detach().numpy()[:, :, 0])[1][0])
    # Power iteration approaches the largest singular value from below: at most 1 up to its error.
    assert largest == pytest.approx(1.0, rel=0.05)


def test_anchors_are_two_per_cell_of_16_and_six_per_cell_of_8() -> None:
    anchors = blazeface.anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[:3], [[1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32]])
    np.testing.assert_allclose(anchors[511], [31 / 32, 31 / 32])
    np.testing.assert_allclose(anchors[512:518], np.full((6, 2), 1 / 16))
    np.testing.assert_allclose(anchors[518], [3 / 16, 1 / 16])


def test_boxes_decode_to_corners_around_the_anchor() -> None:
    raw = np.zeros((896, 16), np.float32)
    raw[0, :6] = [12.8, -6.4, 64.0, 32.0, 12.8, 0.0]  # 0.1 right, 0.05 up, 0.5 wide, 0.25 high
    box = blazeface.decode(raw)[0]
    x, y = 1 / 32 + 0.1, 1 / 32 - 0.05
    np.testing.assert_allclose(box[:4], [x - 0.25, y - 0.125, x + 0.25, y + 0.125], atol=1e-6)
    np.testing.assert_allclose(box[4:6], [1 / 32 + 0.1, 1 / 32], atol=1e-6)
    np.testing.assert_allclose(blazeface.decode(raw)[1, 4:6], blazeface.anchors()[1])


def test_scores_and_boxes_come_in_the_order_of_the_anchors() -> None:
    network = build(catalog.BlazefaceConfig()).eval()
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
    nn.init.constant_(network.score16.bias, 1.0)  # type: ignore[arg-type, union-attr]
    nn.init.constant_(network.score8.bias, 1e4)  # type: ignore[arg-type, union-attr]
    with torch.no_grad():
        scores, _ = network(torch.zeros(1, 3, 128, 128))
    assert torch.equal(scores[0, :512, 0], torch.ones(512))
    assert torch.equal(scores[0, 512:, 0], torch.full((384,), 100.0))  # clipped


@pytest.mark.parametrize(("config", "_"), SMALL)
def test_configurations_survive_json(config: catalog.NetConfig, _: object) -> None:
    text = msgspec.json.encode(config)
    assert msgspec.json.decode(text, type=catalog.NetConfig) == config
