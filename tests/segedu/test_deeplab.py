"""DeepLab: holes in three ways, the strided net made dense by its own weights, and the paper's form built twice."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segedu.labels import STREET
from segedu.models import DeepLab
from segedu.models.deeplab import ASPP, RATES, V2, Decoder, atrous_conv
from segedu.models.layers import pad_to_stride, upsample
from segedu.models.papers import PAPER_RATES
from tests.rebuilt import assert_comes_back_from_a_file, assert_known_to_load

HEADS = tuple(RATES)


def net(seed=0, **options):
    """A small DeepLab with batch statistics and biases as after some training, in eval mode."""
    torch.manual_seed(seed)
    model = DeepLab(3, **{"width": 4} | options)
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")) and "normalise" not in name:
            nn.init.normal_(tensor, std=0.3)
        elif name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 1.5)
    return model.eval()


# Holes


@pytest.mark.parametrize("rate", [2, 3])
def test_dilation_is_a_kernel_stuffed_with_zeros_and_a_convolution_of_each_residue(rate):
    torch.manual_seed(0)
    maps, kernel = torch.rand(2, 3, 4 * rate, 5 * rate), torch.randn(5, 3, 3, 3)
    ours = atrous_conv(3, 5, rate)[0]
    ours.weight.data = kernel
    dilated = ours(maps)
    stuffed = torch.zeros(5, 3, 2 * rate + 1, 2 * rate + 1)
    stuffed[..., ::rate, ::rate] = kernel
    assert torch.allclose(dilated, F.conv2d(maps, stuffed, padding=rate), atol=1e-5)
    interleaved = torch.zeros_like(dilated)
    for row in range(rate):
        for column in range(rate):
            place = (..., slice(row, None, rate), slice(column, None, rate))
            interleaved[place] = F.conv2d(maps[place], kernel, padding=1)
    assert torch.allclose(dilated, interleaved, atol=1e-5)


def test_rate_0_and_a_rate_beyond_the_map_are_1x1_convolutions():
    torch.manual_seed(0)
    maps = torch.rand(1, 3, 5, 7)
    none, far = atrous_conv(3, 4, 0)[0], atrous_conv(3, 4, 7)[0]
    assert none.kernel_size == (1, 1) and far.kernel_size == (3, 3)
    none.weight.data = far.weight.data[..., 1:2, 1:2]
    assert torch.allclose(none(maps), far(maps), atol=1e-6)


def features_of(model, picture):
    return model.backbone(pad_to_stride(model.normalise(picture), 32))


def test_the_same_weights_give_the_dense_version_of_the_strided_map():
    strided = net(output_stride=32, head="aspp-l", rates=(3, 4))
    picture = torch.rand(1, 3, 97, 129)
    for stride, factor in ((16, 2), (8, 4), (4, 8)):
        dense = net(seed=1, output_stride=stride, head="aspp-l", rates=(3 * factor, 4 * factor))
        dense.load_state_dict(strided.state_dict())
        with torch.inference_mode():
            coarse, fine = (model.head(features_of(model, picture)) for model in (strided, dense))
        assert coarse.shape[2:] == (4, 5) and fine.shape[2:] == (3 * factor + 1, 4 * factor + 1)
        assert coarse.std() > 0.1
        assert torch.allclose(fine[..., ::factor, ::factor], coarse, atol=1e-5)
        assert (fine[..., 1::factor, ::factor] - coarse[:, :, :-1]).abs().max() > 0.01


def test_the_default_rates_see_as_many_pixels_at_every_stride():
    assert DeepLab(3, width=4, head="aspp-l").config["rates"] == [6, 12, 18, 24]
    assert DeepLab(3, width=4, head="aspp-l", output_stride=16).config["rates"] == [3, 6, 9, 12]
    assert DeepLab(3, width=4, head="v3", output_stride=16).config["rates"] == [6, 12, 18]  # 1706.05587, section 3.3
    assert DeepLab(3, width=4, head="aspp-s", output_stride=32).config["rates"] == [1, 1, 2, 3]  # no branch goes lost


# Sizes and places


@pytest.mark.parametrize("head", HEADS)
def test_every_size_comes_back_at_its_size(head):
    model = net(head=head, rates=(2, 3))
    with torch.inference_mode():
        for side in range(32, 98) if head == "v3+" else (32, 33, 40, 41, 97):
            assert model(torch.rand(1, 3, side, 129 - side)).shape == (1, 3, side, 129 - side)


@pytest.mark.parametrize("stride", [32, 16, 8, 4])
def test_no_layer_moves_the_picture(stride):
    """A mirrored picture of n · stride + 1 columns gives mirrored scores, if every kernel is its own mirror image."""
    model = net(output_stride=stride, rates=(1, 2))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = (layer.weight.data + layer.weight.data.flip(-1)) / 2
    picture = torch.rand(1, 3, 65, 97)
    with torch.inference_mode():
        assert torch.allclose(model(picture).flip(-1), model(picture.flip(-1)), atol=1e-4)


def test_upsampled_places_lie_on_their_pixels():
    maps = torch.rand(1, 2, 4, 5)
    large = upsample(maps, (25, 33))
    assert torch.allclose(large[..., ::8, ::8], maps, atol=1e-6)
    assert torch.allclose(large[..., 4, 0], (maps[..., 0, 0] + maps[..., 1, 0]) / 2, atol=1e-6)
    assert pad_to_stride(torch.rand(1, 3, 120, 160), 8).shape == (1, 3, 121, 161)
    assert pad_to_stride(torch.rand(1, 3, 321, 513), 8).shape == (1, 3, 321, 513)


# Learning


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("batch", [1, 2])
def test_every_parameter_learns_even_from_one_picture(head, batch):
    torch.manual_seed(0)
    model = DeepLab(3, width=4, head=head, rates=(2, 3))
    F.cross_entropy(model(torch.rand(batch, 3, 64, 96)), torch.randint(0, 3, (batch, 64, 96))).backward()
    silent = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not silent


def test_one_picture_can_be_trained_at_the_smallest_size_and_the_coarsest_map():
    model = DeepLab(3, width=4, head="v3", output_stride=32)
    model(torch.rand(1, 3, 32, 32)).sum().backward()


def test_image_pooling_takes_news_from_one_corner_to_the_other():
    pictures = torch.rand(1, 3, 321, 321, dtype=torch.float64).repeat(2, 1, 1, 1)
    pictures[1, :, :64, :64] = 0  # moves the mean of the fresh network's maps by some 1e-6 only: hence float64
    far = (..., slice(300, None), slice(300, None))
    for head, reaches in (("aspp-s", False), ("v3", True)):
        with torch.inference_mode():
            one, other = net(head=head, rates=(1, 2, 1)).double()(pictures)
        assert ((one[far] - other[far]).abs().max() > 1e-8) == reaches


def test_the_decoder_lets_fine_detail_past_the_coarse_map():
    """Silence the coarse map: v3+ still answers pixel by pixel from its second stage, v3 only by one constant."""
    for head, sees in (("v3", False), ("v3+", True)):
        model = net(head=head)
        model.backbone[2].register_forward_hook(lambda stage, args, output: torch.zeros_like(output))
        with torch.inference_mode():
            one, other = model(torch.rand(2, 3, 65, 65))
        assert ((one - other).abs().max() > 1e-3) == sees


# The paper's form


@pytest.mark.parametrize(("head", "count"), [("largefov", 20_505_429), ("aspp-s", 37_877_652), ("aspp-l", 37_877_652)])
def test_the_papers_parameters_and_its_map_of_41_places(head, count):
    with torch.device("meta"):
        model = DeepLab.paper(head=head)
        assert sum(parameter.numel() for parameter in model.parameters()) == count
        assert model.scores(torch.rand(1, 3, 321, 321)).shape == (1, 21, 41, 41)
        for side in (*range(32, 98, 7), 224, 320, 500):
            assert model(torch.rand(1, 3, side, 600 - side)).shape == (1, 21, side, 600 - side)


def test_the_papers_rates_and_strides():
    with torch.device("meta"):
        largefov, small, large = (DeepLab.paper(head=head) for head in ("largefov", "aspp-s", "aspp-l"))
    assert [path[0].dilation[0] for path in largefov.paths] == [12]
    assert [path[0].dilation[0] for path in small.paths] == [2, 4, 8, 12]
    assert [path[0].dilation[0] for path in large.paths] == [6, 12, 18, 24]
    pools = [layer for layer in large.backbone if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.padding, pool.stride) for pool in pools] == [(3, 1, s) for s in (2, 2, 2, 1, 1)]


def test_the_papers_receptive_field_is_419():
    """By the usual count; the paper's 224 is the window of fc6 alone."""
    with torch.device("meta"):
        model = DeepLab.paper(head="largefov")
    field, step = 1, 1
    for layer in [*model.backbone, *model.paths[0]]:
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * layer.dilation[0] * step
        elif isinstance(layer, nn.MaxPool2d):
            field, step = field + 2 * step, step * layer.stride
    assert field == 419


def test_the_paper_form_against_torch_primitives():
    """ASPP-L written down once more with functions alone, rates, strides and pads as the release has them."""
    torch.manual_seed(0)
    model = DeepLab.paper(5, head="aspp-l").eval()
    assert model.paths[0][-1].weight.std().item() == pytest.approx(0.01, rel=0.1)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.bias, std=0.1)
    weights = model.state_dict()
    picture = torch.rand(1, 3, 66, 83)
    mean = torch.tensor([104.00699, 116.66877, 122.67892]).view(1, 3, 1, 1)
    with torch.inference_mode():
        x = torch.zeros(1, 3, 73, 89)
        x[..., :66, :83] = 255 * picture[:, [2, 1, 0]] - mean
        place = 0
        for depth, dilation, stride in ((2, 1, 2), (2, 1, 2), (3, 1, 2), (3, 1, 1), (3, 2, 1)):
            for _ in range(depth):
                weight, bias = weights[f"backbone.{place}.weight"], weights[f"backbone.{place}.bias"]
                x = F.conv2d(x, weight, bias, padding=dilation, dilation=dilation).clamp(min=0)
                place += 2
            x = F.max_pool2d(x, 3, stride, padding=1)
            place += 1
        assert x.shape == (1, 512, 10, 12)
        scores = torch.zeros(1, 5, 10, 12)
        for number, rate in enumerate((6, 12, 18, 24)):
            hidden = x
            for layer, dilation in (("0", rate), ("3", 0), ("6", 0)):
                weight, bias = (weights[f"paths.{number}.{layer}.{part}"] for part in ("weight", "bias"))
                hidden = F.conv2d(hidden, weight, bias, padding=dilation, dilation=max(1, dilation))
                hidden = hidden if layer == "6" else hidden.clamp(min=0)
            scores += hidden
        assert torch.allclose(model.scores(picture), scores, rtol=1e-4, atol=1e-4 * scores.abs().max())
        wanted = torch.zeros(1, 5, 66, 83)
        for row in range(66):
            for column in range(83):
                top, left, down, right = row // 8, column // 8, row % 8 / 8, column % 8 / 8
                corners = scores[..., top : top + 2, left : left + 2]
                rows = torch.tensor([1 - down, down])[: corners.shape[2], None]
                columns = torch.tensor([1 - right, right])[: corners.shape[3]]
                wanted[..., row, column] = (corners * rows * columns).sum((2, 3))
        assert wanted.std() > 0.01
        assert torch.allclose(model(picture), wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max())


# Files and mistakes


@pytest.mark.parametrize(
    "options", [{}, {"head": "aspp-s", "rates": (0, 0, 1)}, {"head": "v3", "output_stride": 16, "in_channels": 1}]
)
def test_the_slim_net_comes_back_from_a_file(tmp_path, options):
    model = DeepLab(11, **{"width": 4} | options).eval()
    assert_comes_back_from_a_file(model, STREET, tmp_path)


def test_the_paper_form_is_known_to_load():
    with torch.device("meta"):
        for head in PAPER_RATES:
            assert_known_to_load(DeepLab.paper(7, head=head))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DeepLab(3, output_stride=2), "output_stride=2 is unknown; a DeepLab has 32, 16, 8 or 4"),
        (lambda: DeepLab(3, head="aspp"), "head='aspp' is unknown; choose one of 'largefov', 'aspp-s', 'aspp-l', 'v3'"),
        (lambda: DeepLab.paper(3, head="v3"), "unknown in the paper's form; v3 and v3. stand on ResNet and Xception"),
        (lambda: DeepLab(3, rates=(2, -1)), "rates=.2, -1. should be whole numbers ≥ 0"),
        (lambda: DeepLab(3, rates=()), "should be whole numbers ≥ 0, one a branch, such as .12, 24, 36."),
        (lambda: DeepLab(3, rates=(1.5,)), "should be whole numbers"),
        (lambda: DeepLab(3, width=4)(torch.rand(3, 64, 64)), "a batch of one"),
    ],
)
def test_a_mistake_is_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_heads_take_and_give_any_number_of_channels():
    x = torch.rand(2, 6, 8, 9)
    assert V2(3, 5, [0, 1, 2])([x, torch.rand(2, 40, 8, 9)]).shape == (2, 3, 8, 9)
    assert ASPP(6, 4, [1, 2])(x).shape == (2, 4, 8, 9)
    assert Decoder(6, 5, 4)(x, torch.rand(2, 5, 16, 17)).shape == (2, 4, 16, 17)
