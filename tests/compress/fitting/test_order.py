"""Each epoch shows each image at most once, the processes share each batch, any step can be gone to."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.fitting.order import Order, Resumable
from mobilekit.core.errors import DataError, RecipeError
from tests.compress.fitting.material import Dots


def epoch(order: Order, number: int) -> list[int]:
    order.set_epoch(number)
    return list(order)


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 5), st.integers(0, 3))
def test_each_image_at_most_once_and_others_left_out_each_time(
    count: int, batch: int, seed: int, number: int
) -> None:
    if count < batch:
        with pytest.raises(DataError, match=f"has {count} images, fewer than a batch of {batch}"):
            Order(count, batch, seed)
        return
    order = Order(count, batch, seed)
    shown = epoch(order, number)
    assert len(shown) == len(order) == count // batch * batch
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(range(count))
    assert shown == epoch(Order(count, batch, seed), number)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 20))
def test_processes_share_each_batch_of_one(world: int, share: int, extra: int) -> None:
    count, batch = 3 * world * share + extra, world * share
    alone = epoch(Order(count, batch, 7), 2)
    parts = [
        epoch(Order(count, batch, 7, world, lambda rank=rank: rank), 2) for rank in range(world)
    ]  # type: ignore[misc]
    for step in range(count // batch):
        together = [image for part in parts for image in part[step * share : (step + 1) * share]]
        assert together == alone[step * batch : (step + 1) * batch]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [epoch(Order(50, 10, seed), number) for seed in (1, 2) for number in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


@given(st.integers(0, 11))
def test_any_step_can_be_gone_to(step: int) -> None:
    order = Order(23, 5, 3)
    whole = [image for number in range(3) for image in epoch(order, number)]
    order.go_to(step)
    first = order.epoch
    rest = list(order)
    for number in range(first + 1, 3):
        rest += epoch(order, number)
    assert rest == whole[step * 5 :]


def test_rank_is_asked_when_an_epoch_begins() -> None:
    here = [0]
    order = Order(20, 10, 1, 2, lambda: here[0])
    first = list(order)
    here[0] = 1  # another process has begun with a copy of this
    assert not set(first) & set(order)


def test_uneven_shares_are_refused() -> None:
    with pytest.raises(RecipeError, match="batch_size: 10 images cannot be shared by 3 devices"):
        Order(30, 10, 0, 3)


def test_loader_goes_on_where_it_was() -> None:
    dots, randomness = Dots(23), torch.get_rng_state()
    loaders = [Resumable(dots, Order(23, 5, 3), 5, generator=torch.Generator()) for _ in range(2)]
    whole = [labels for _, labels in loaders[0]]
    assert len(loaders[0]) == len(whole) == 4
    loaders[1].load_state_dict({"done": 3})
    assert loaders[1].state_dict() == {"done": 3}
    (rest,) = [labels for _, labels in loaders[1]]
    assert torch.equal(rest, whole[3])
    assert torch.equal(torch.get_rng_state(), randomness)
