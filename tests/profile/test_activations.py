"""Peak activation memory against counts made by hand; every float takes 4 bytes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mobilekit.profile.activations import peak_activation_bytes


def peak_floats(function: Callable[..., object], *inputs: Tensor) -> float:
    class Call(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = function if isinstance(function, nn.Module) else None

        def forward(self, *values: Tensor) -> object:
            return function(*values)

    with torch.no_grad():
        program = torch.export.export(Call().eval(), inputs, strict=False)
    return peak_activation_bytes(program.graph, program.graph_signature.user_inputs) / 4


X = torch.zeros(1, 2, 8, 8)  # 128 floats


def test_a_convolution_holds_its_input_and_output_but_not_its_weights() -> None:
    assert peak_floats(nn.Conv2d(2, 5, 3, padding=1), X) == 128 + 320


def test_norm_and_activation_write_over_the_convolution() -> None:
    net = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.SiLU(), nn.Dropout())
    assert peak_floats(net.eval(), X) == 128 + 320


def test_a_chain_frees_what_nobody_reads() -> None:
    net = nn.Sequential(nn.Conv2d(2, 5, 1), nn.Conv2d(5, 3, 1), nn.Conv2d(3, 1, 1))
    assert peak_floats(net, X) == 320 + 192  # while the second runs, the input is gone


def test_a_skip_stays_until_it_is_added() -> None:
    wide, narrow = nn.Conv2d(2, 5, 1), nn.Conv2d(5, 2, 1)
    assert peak_floats(lambda x: narrow(wide(x)) + x, X) == 128 + 320 + 128


def test_the_users_input_is_not_written_over() -> None:
    assert peak_floats(torch.relu, X) == 128 + 128


def test_views_share_storage() -> None:
    def function(x: Tensor) -> Tensor:
        first, second = torch.relu(x).flatten(1).chunk(2, 1)
        return torch.cat([first.view(8, 8), second.view(8, 8)], 0)

    assert peak_floats(function, X) == 128 + 128  # relu and input, then relu and concatenation


def test_a_storage_lives_as_long_as_a_view_of_it() -> None:
    def function(x: Tensor) -> Tensor:
        y = torch.relu(x)  # 128
        part = y[:, :1]  # a view of it, read at the end
        small = nn.functional.avg_pool2d(y, 8)  # 2
        big = nn.functional.interpolate(small, (16, 16))  # 512
        return nn.functional.max_pool2d(big, 2)[:, :1] * part  # 128, then 64

    # While the pooling runs, big (512), its output (128) and y (128, for its view) are held.
    assert peak_floats(function, X) == 512 + 128 + 128


def test_all_inputs_and_outputs_are_held() -> None:
    def function(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.avg_pool2d(x, 2), nn.functional.avg_pool2d(y, 2)

    assert peak_floats(function, X, X.clone()) == 128 + 128 + 32  # y waits while x is pooled


@pytest.mark.parametrize(("dtype", "share"), [(torch.float16, 0.5), (torch.float64, 2.0)])
def test_types_count_by_their_size(dtype: torch.dtype, share: float) -> None:
    assert peak_floats(lambda x: nn.functional.max_pool2d(x, 2), X.to(dtype)) == 160 * share


def test_parts_of_a_result_live_together() -> None:
    def function(x: Tensor) -> Tensor:
        return torch.sort(x.flatten()).values

    assert peak_floats(function, X) == 128 + 128 + 2 * 128  # int64 takes 8 bytes
