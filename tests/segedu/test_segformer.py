"""The transformer: sizes of the paper's smallest, attention against torch's own, what sees what."""

import pytest
import torch
from torch import nn

import segedu
from segedu.models import SegFormer
from segedu.models.segformer import Attention


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(12, heads=3, reduction=1)


def test_attention_is_torchs_own(attention):
    """The same weights in nn.MultiheadAttention give the same map."""
    torchs = nn.MultiheadAttention(12, 3, batch_first=True)
    layers = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([layer.weight.flatten(1) for layer in layers]))
        torchs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        torchs.out_proj.weight.copy_(attention.out.weight.flatten(1))
        torchs.out_proj.bias.copy_(attention.out.bias)
    x = torch.randn(2, 12, 5, 7)
    places = x.flatten(2).mT  # (2, 35, 12)
    expected, shares = torchs(places, places, places, average_attn_weights=False)
    torch.testing.assert_close(attention(x), expected.mT.unflatten(2, (5, 7)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(attention.weights(x, x), shares, atol=1e-5, rtol=1e-4)


def test_attention_does_not_know_where_a_place_is(attention):
    x, order = torch.randn(1, 12, 5, 7), torch.randperm(35, generator=torch.Generator().manual_seed(0))

    def shuffled(maps):
        return maps.flatten(2)[..., order].unflatten(2, (5, 7))

    torch.testing.assert_close(attention(shuffled(x)), shuffled(attention(x)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "keys"), [((30, 40), 4 * 5), ((8, 8), 1), ((9, 17), 2 * 3)])
def test_keys_stand_for_squares_and_no_place_is_left_out(size, keys):
    attention = Attention(4, heads=2, reduction=8)
    x = torch.randn(1, 4, *size, requires_grad=True)
    shares = attention.weights(x, attention.shared(x))
    assert shares.shape == (1, 2, size[0] * size[1], keys)
    torch.testing.assert_close(shares.sum(-1), torch.ones(shares.shape[:-1]))
    attention.shared(x).square().sum().backward()
    assert (x.grad != 0).all()


def test_every_output_sees_every_pixel():
    torch.manual_seed(0)
    net, image = SegFormer(3, width=4).double(), torch.rand(1, 3, 70, 90, dtype=torch.double, requires_grad=True)
    net.eval()(image)[0, 1, 3, 85].backward()
    assert (image.grad[0].abs().sum(0) > 0).all()


def test_with_the_papers_widths_it_is_about_as_large_as_the_papers_smallest():
    """SegFormer-B0 has 3.8 million parameters (arXiv 2105.15203, table 1), with 32, 64, 160 and 256 channels."""
    count = sum(weights.numel() for weights in SegFormer(150, width=32, depth=2).parameters())
    assert count / 1e6 == pytest.approx(3.8, abs=1)


def test_it_learns_is_kept_and_comes_back(tmp_path):
    torch.manual_seed(0)
    masks = torch.zeros(2, 32, 32, dtype=torch.long)
    masks[0, :, 16:], masks[1, 16:] = 1, 1
    images = masks[:, None].expand(-1, 3, -1, -1) * 0.5 + 0.2
    net = SegFormer(2, width=4)
    segedu.fit(net, list(zip(images, masks, strict=True)), steps=12, batch_size=2, learning_rate=1e-2, progress=False)
    with torch.inference_mode():
        logits = net.eval()(images)
        assert (logits.argmax(1) == masks).float().mean() > 0.85
        again = segedu.load(segedu.save(tmp_path / "net.safetensors", net))
        assert torch.equal(again(images), logits)
