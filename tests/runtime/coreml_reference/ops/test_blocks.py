import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.blocks import TABLE

X = np.arange(2 * 8 * 4 * 6, dtype=np.float32).reshape(2, 8, 4, 6)


def space_to_depth_by_hand(x, b):
    """TensorFlow's: channel (dy * b + dx) * C + c holds pixel (dy, dx) of the block."""
    n, c, h, w = x.shape
    out = np.zeros((n, b * b * c, h // b, w // b), x.dtype)
    for dy in range(b):
        for dx in range(b):
            first = (dy * b + dx) * c
            out[:, first : first + c] = x[:, :, dy::b, dx::b]
    return out


@pytest.mark.parametrize("size", [1, 2])
def test_space_to_depth(agrees, size):
    expected = space_to_depth_by_hand(X, size)
    agrees("space_to_depth", x=X, block_size=np.int32(size), expected=expected)


@pytest.mark.parametrize("size", [1, 2])
def test_depth_to_space_undoes_it(agrees, size):
    deep = space_to_depth_by_hand(X, size)
    agrees("depth_to_space", x=deep, block_size=np.int32(size), expected=X)


def test_pixel_shuffle_is_pytorchs(agrees):
    expected = torch.nn.PixelShuffle(2)(torch.from_numpy(X))
    agrees("pixel_shuffle", x=X, upscale_factor=np.int32(2), expected=expected)


def test_pixel_unshuffle_is_pytorchs(agrees):
    expected = torch.nn.PixelUnshuffle(2)(torch.from_numpy(X))
    agrees("pixel_unshuffle", x=X, downscale_factor=np.int32(2), expected=expected)


def test_shuffles_differ_from_tensorflows_order():
    x = torch.from_numpy(X)
    assert not torch.equal(
        TABLE["pixel_shuffle"](x=x, upscale_factor=2), TABLE["depth_to_space"](x=x, block_size=2)
    )


@pytest.mark.parametrize("paddings", [[[0, 0], [0, 0]], [[1, 1], [2, 1]]])
def test_space_to_batch(agrees, paddings):
    bh, bw = 2, 3
    padded = np.pad(X, [(0, 0), (0, 0), *paddings])
    # Batch (dy * bw + dx) * N + n holds pixel (dy, dx) of the block of image n.
    expected = np.concatenate(
        [padded[:, :, dy::bh, dx::bw] for dy in range(bh) for dx in range(bw)]
    )
    blocks = {"block_shape": np.array([bh, bw], np.int32)}
    amounts = np.array(paddings, np.int32)
    agrees("space_to_batch", x=X, **blocks, paddings=amounts, expected=expected)
    agrees("batch_to_space", x=expected, **blocks, crops=amounts, expected=X)


@pytest.mark.parametrize(
    ("operator", "given"),
    [
        ("space_to_depth", {"block_size": 4}),
        ("depth_to_space", {"block_size": 3}),
        ("pixel_shuffle", {"upscale_factor": 3}),
        ("pixel_unshuffle", {"downscale_factor": 0}),
        ("space_to_batch", {"block_shape": torch.tensor([3, 2]), "paddings": torch.zeros(2, 2)}),
        ("batch_to_space", {"block_shape": torch.tensor([3, 1]), "crops": torch.zeros(2, 2)}),
    ],
)
def test_blocks_must_divide(operator, given):
    with pytest.raises(ArtifactError, match=f"operator {operator}: .* does not divide"):
        TABLE[operator](x=torch.from_numpy(X), **given)


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        deep = mb.space_to_depth(x=x, block_size=2)
        spread = mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[0, 0], [1, 2]])
        return mb.pixel_shuffle(x=deep, upscale_factor=2), spread

    deep = space_to_depth_by_hand(X, 2)
    padded = np.pad(X, [(0, 0), (0, 0), (0, 0), (1, 2)])
    found = run_program(build, {"x": X})
    shuffled = torch.nn.functional.pixel_shuffle(torch.from_numpy(deep), 2)
    np.testing.assert_array_equal(found[0], shuffled)
    expected = [padded[:, :, dy::2, dx::3] for dy in range(2) for dx in range(3)]
    np.testing.assert_array_equal(found[1], np.concatenate(expected))
