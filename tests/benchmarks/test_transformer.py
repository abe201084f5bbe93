"""Lesson 16's stored runs: the arms differ by their attention alone."""

import pytest
import torch

from benchmarks import lesson_10, lesson_16


@pytest.fixture
def map_of_places():
    return torch.randn(2, 16, 30, 40, generator=torch.Generator().manual_seed(0))


def first_attention(net):
    return next(part for part in net.modules() if isinstance(part, lesson_16.Attention))


def network(kind):
    torch.manual_seed(3)
    return lesson_16.with_attention(kind)


def test_all_arms_start_with_the_same_weights():
    torch.manual_seed(3)
    whole = lesson_16.MAKE().state_dict()
    for kind in (lesson_16.Everywhere, lesson_16.Nowhere):
        other = network(kind).state_dict()
        assert whole.keys() == other.keys() and all(map(torch.equal, whole.values(), other.values()))


def test_the_mean_of_all_places_is_the_same_for_every_place(map_of_places):
    mean = first_attention(network(lesson_16.Everywhere))
    with torch.inference_mode():
        found = mean(map_of_places)
        values = mean.value(mean.shared(map_of_places)).mean((2, 3), keepdim=True)
        torch.testing.assert_close(found, mean.out(values).expand_as(found), atol=1e-5, rtol=1e-4)
        choosing = first_attention(network(lesson_16.Attention))(map_of_places)
    assert (choosing - found).abs().max() > 1e-4  # attention does choose


def test_no_attention_gives_nothing_from_anywhere(map_of_places):
    net = network(lesson_16.Nowhere)
    assert not first_attention(net)(map_of_places).any()
    image = torch.rand(1, 3, 160, 160, requires_grad=True)
    net.eval()(image)[0, :, 0, 0].sum().backward()
    assert not image.grad[..., 150, 150].any()  # convolutions alone do not see so far


def test_it_is_as_large_as_those_that_it_is_compared_with():
    sizes = [
        sum(part.numel() for part in make().parameters()) for make in (lesson_16.MAKE, lambda: lesson_10.U_NET(width=8))
    ]
    assert abs(sizes[0] / sizes[1] - 1) < 0.07
