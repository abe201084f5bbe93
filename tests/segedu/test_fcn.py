"""The FCN: shapes, offsets and reach by hand, the way up that starts at nothing, and the paper's form built twice."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import vgg16

from segedu.labels import STREET
from segedu.models import FCN, PaperFCN
from segedu.models.layers import FixedBilinear, bilinear_kernel
from segedu.models.papers import CaffeInput, Grid, crop_offsets, transplanted
from tests.rebuilt import assert_comes_back_from_a_file, assert_known_to_load


@pytest.fixture(scope="module")
def paper():
    """One VGG-16 of torchvision with random weights, and the paper's FCN-8s that took them over."""
    torch.manual_seed(0)
    vgg = vgg16(weights=None).eval()
    return vgg, transplanted(vgg, num_classes=5, stride=8).eval()


def net(stride=8, seed=0, **options):
    """A small FCN whose score layers are not zero, as after some training."""
    torch.manual_seed(seed)
    model = FCN(3, width=4, stride=stride, **options)
    for name, parameter in model.named_parameters():
        if name.startswith("score"):
            nn.init.normal_(parameter)
    return model


# Sizes and places


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_every_size_comes_back_at_its_size(stride):
    model = net(stride).eval()
    with torch.inference_mode():
        for side in range(32, 98):
            assert model(torch.rand(1, 3, side, 129 - side)).shape == (1, 3, side, 129 - side)


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_the_paper_form_returns_every_size(stride):
    with torch.device("meta"):
        model = FCN.paper(4, stride=stride)
        for side in [*range(32, 98), 224, 321, 500]:
            assert model(torch.rand(1, 3, side, 600 - side)).shape == (1, 4, side, 600 - side)


def test_the_papers_offsets_follow_from_strides_and_pads():
    assert crop_offsets(32) == {"image": 19}
    assert crop_offsets(16) == {"pool4": 5, "image": 27}
    assert crop_offsets(8) == {"pool4": 5, "pool3": 9, "image": 31}


def test_a_grid_says_where_the_places_of_a_map_lie():
    picture = torch.arange(20.0).view(1, 1, 1, 20)  # each pixel holds its own column
    mean = F.conv2d(picture, torch.full((1, 1, 1, 3), 1 / 3), stride=2)
    step, first = Grid().convolved(3, stride=2)
    assert torch.allclose(mean.flatten(), first + step * torch.arange(9.0))
    assert (step, first) == (2, 1)
    assert Grid().convolved(3, stride=2, padding=1) == (2, 0)
    assert Grid().convolved(2, stride=2) == (2, 0.5)
    # upsampling the row of columns by 4 gives, away from its ends, again the columns, in steps of a quarter
    large = FixedBilinear(1, 4)(picture.expand(1, 1, 20, 20))[0, 0, 40]
    step, first = Grid().upsampled(4)
    inside = slice(8, 72)
    assert torch.allclose(large[inside], (first + step * torch.arange(84.0))[inside], atol=1e-5)


def test_no_stage_of_the_slim_net_moves_the_picture():
    """A bright pixel's scores are centred on it, up to the grid: its mirror image gives mirrored scores."""
    model = net().eval()
    for layer in model.modules():  # mirrored kernels make the whole net symmetric, if no layer shifts
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = (layer.weight.data + layer.weight.data.flip(-1)) / 2
    picture = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.allclose(model(picture).flip(-1), model(picture.flip(-1)), atol=1e-4)


def test_a_shift_by_the_stride_shifts_the_scores():
    model = net(32).double().eval()
    picture = torch.zeros(1, 3, 512, 96, dtype=torch.double)
    picture[:, :, 224:256] = torch.rand(1, 3, 32, 96, dtype=torch.double)
    with torch.inference_mode():
        still, moved, little = (model(picture.roll(rows, dims=2)) for rows in (0, 32, 8))
    inside = slice(160, 352)  # away from borders, whose padding does not move
    spread = still[:, :, inside].amax(2) - still[:, :, inside].amin(2)
    assert spread.min() > 0

    def difference(other, rows):
        return ((other - still.roll(rows, dims=2))[:, :, inside].abs().amax(2) / spread).max()

    assert difference(moved, 32) < 1e-9
    assert difference(little, 8) > 0.05  # between two places of the scores there is no such promise


# The way up


def test_bilinear_upsampling_is_interpolation_inside_and_fades_at_the_border():
    torch.manual_seed(0)
    small = torch.rand(1, 2, 6, 7)
    for factor in (2, 8, 32):
        ours = FixedBilinear(2, factor, padding=factor // 2)(small)
        theirs = F.interpolate(small, scale_factor=factor, mode="bilinear", align_corners=False)
        inside = (..., slice(factor, -factor), slice(factor, -factor))
        assert torch.allclose(ours[inside], theirs[inside], atol=1e-6)
        assert (ours - theirs).abs().max() > 0.1


def test_the_bilinear_kernel_by_hand():
    by_hand = torch.tensor([[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]) / 16
    assert torch.equal(bilinear_kernel(2), by_hand)


@pytest.mark.parametrize("stride", [32, 16])
def test_a_grown_net_is_the_coarser_one_without_its_new_skip_and_not_equal_to_it(stride):
    coarser = net(stride).eval()
    finer = FCN.grown_from(coarser)
    assert finer.config == coarser.config | {"stride": stride // 2} and not finer.training
    new = set(finer.state_dict()) - set(coarser.state_dict())
    up, score = ("up_score", "score_pool4") if stride == 32 else ("up_pool4", "score_pool3")
    assert new == {f"{up}.weight", f"{score}.weight", f"{score}.bias"}
    picture = torch.rand(2, 3, 70, 90)
    with torch.inference_mode():
        grown = finer(picture)
        getattr(finer, score).register_forward_hook(lambda layer, args, output: torch.zeros_like(output))
        torch.testing.assert_close(finer(picture), grown)  # a fresh skip is no skip …
        assert not torch.allclose(grown, coarser(picture), atol=1e-2)  # … but ×2 and ×16 is not ×32


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_every_parameter_learns_after_one_step(stride):
    torch.manual_seed(0)
    model = FCN(3, width=4, stride=stride)
    picture, mask = torch.rand(2, 3, 64, 96), torch.randint(0, 3, (2, 64, 96))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(picture), mask)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(torch.log(torch.tensor(3.0)).item(), abs=1e-6)  # all classes are as likely
    silent = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not silent


# What one place sees


def field_by_count(layers) -> int:
    """The theoretical receptive field: each kernel adds its reach, in steps of the map that it works on."""
    field, step = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride = (size if isinstance(size, int) else size[0] for size in (layer.kernel_size, layer.stride))
            field, step = field + (kernel - 1) * step, step * stride
    return field


def field_by_gradient(layers) -> int:
    """Rows that the middle of the output depends on, if no maximum, ReLU or negative weight hides any."""
    linear = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.fill_(1 / layer.weight[0].numel())
            linear.append(layer)
        elif isinstance(layer, nn.MaxPool2d):
            linear.append(nn.AvgPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil_mode))
    picture = torch.ones(1, 3, 640, 64, dtype=torch.double, requires_grad=True)
    maps = nn.Sequential(*linear).double()(picture)
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    return len(picture.grad.sum((0, 1, 3)).nonzero())


def test_the_receptive_field_by_hand_by_count_and_by_gradient():
    model = net()
    stages = [list(stage.modules()) for stage in model.backbone]
    by_hand = (4, 14, 34, 74, 154)  # after each pooling: two 3×3 add 4 steps (the first stage has one), a pooling 1
    for count, field in enumerate(by_hand, start=1):
        layers = [layer for stage in stages[:count] for layer in stage]
        assert field_by_count(layers) == field_by_gradient(layers) == field
    whole = [*model.backbone.modules(), *model.head.modules()]
    assert field_by_count(whole) == field_by_gradient(whole) == 154 + 2 * 32


def test_the_papers_receptive_field_is_404():
    with torch.device("meta"):
        model = FCN.paper()
    assert field_by_count([*model.backbone.modules(), *model.head.modules()]) == 404


# The paper's form


@pytest.mark.parametrize(("stride", "count"), [(32, 134_346_581), (16, 134_357_354), (8, 134_362_751)])
def test_the_papers_parameters(stride, count):
    with torch.device("meta"):
        model = FCN.paper(stride=stride)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_a_classifier_of_torchvision_is_a_segmenter_of_one_place(paper):
    vgg, fcn = paper
    classify = vgg.classifier[-1]
    picture = torch.rand(1, 3, 224, 224)
    mean, std = (torch.tensor(row).view(1, 3, 1, 1) for row in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    first = fcn.backbone[0]
    assert first.padding == (100, 100)
    with torch.inference_mode():
        wanted = vgg((picture - mean) / std)
        first.padding = (1, 1)
        features = fcn.backbone(fcn.normalise(picture))
        scores = F.conv2d(fcn.head(features), classify.weight[:, :, None, None], classify.bias)
        first.padding = (100, 100)
    assert scores.shape == (1, 1000, 1, 1)
    assert torch.allclose(scores[..., 0, 0], wanted, rtol=1e-4, atol=1e-5 * wanted.abs().max())


def test_the_paper_form_against_torch_primitives(paper):
    """FCN-8s written down once more with functions alone, numbers of layers and offsets as the release has them."""
    _, fcn = paper
    weights = {name: tensor.detach() for name, tensor in fcn.state_dict().items()}
    torch.manual_seed(1)
    for name in ("score", "score_pool4", "score_pool3"):  # from zero to something
        scale = 0.1 if name == "score" else 0.01
        nn.init.normal_(getattr(fcn, name).weight, std=scale)
        nn.init.normal_(getattr(fcn, name).bias)

    def conv(x, name, padding=0):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=padding)

    def up(x, factor):
        row = [1 - abs(i - (factor - 0.5)) / factor for i in range(2 * factor)]
        kernel = torch.zeros(5, 5, 2 * factor, 2 * factor)
        for k in range(5):
            kernel[k, k] = torch.tensor(row)[:, None] * torch.tensor(row)
        return F.conv_transpose2d(x, kernel, stride=factor)

    picture = torch.rand(1, 3, 75, 101)
    mean, std = (torch.tensor(row).view(1, 3, 1, 1) for row in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        x, pools, place = (picture - mean) / std, [], 0
        for depth in (2, 2, 3, 3, 3):
            for _ in range(depth):
                x = conv(x, f"backbone.{place}", padding=1 if place else 100).relu()
                place += 2
            x = F.max_pool2d(x, 2, ceil_mode=True)
            pools.append(x)
            place += 1
        fc7 = conv(conv(x, "head.0").relu(), "head.3").relu()
        scores = up(conv(fc7, "score"), 2)
        height, width = scores.shape[2:]
        scores = up(scores + conv(pools[3], "score_pool4")[..., 5 : 5 + height, 5 : 5 + width], 2)
        height, width = scores.shape[2:]
        scores = up(scores + conv(pools[2], "score_pool3")[..., 9 : 9 + height, 9 : 9 + width], 8)
        wanted = scores[..., 31 : 31 + 75, 31 : 31 + 101]
        assert wanted.std() > 0.1 and torch.allclose(fcn(picture), wanted, rtol=1e-4, atol=1e-4)


def test_the_papers_input_is_blue_green_red_from_which_the_mean_is_taken():
    with torch.device("meta"):
        config = FCN.paper(3, stride=16).config
    assert config == {"num_classes": 3, "stride": 16, "inputs": "caffe"}
    red = torch.tensor([1.0, 0.0, 0.5]).view(1, 3, 1, 1)
    seen = CaffeInput()(red).flatten()
    assert torch.allclose(seen, torch.tensor([127.5 - 104.00699, 0 - 116.66877, 255 - 122.67892]))


# Files and mistakes


@pytest.mark.parametrize("options", [{}, {"stride": 32, "width": 8}, {"in_channels": 1, "stride": 16}])
def test_the_slim_net_comes_back_from_a_file(tmp_path, options):
    model = FCN(11, **{"width": 4} | options).eval()
    assert_comes_back_from_a_file(model, STREET, tmp_path)


def test_the_paper_form_is_known_to_load():
    with torch.device("meta"):
        assert_known_to_load(FCN.paper(7, stride=16))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: FCN(3, stride=4), "stride=4 is unknown; an FCN has stride 32, 16 or 8"),
        (lambda: FCN.paper(3, stride=64), "stride=64 is unknown"),
        (lambda: PaperFCN(3, inputs="grey"), "inputs='grey' is unknown; the paper's FCN takes 'caffe', 'torchvision'"),
        (lambda: FCN.grown_from(FCN(3, width=4, stride=8)), "stride=4 is unknown"),
        (lambda: FCN(3, width=4)(torch.rand(3, 64, 64)), "a batch of one"),
    ],
)
def test_a_mistake_is_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
