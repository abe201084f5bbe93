"""U-Net: the paper's numbers, an independent build, sizes, receptive field by hand and by gradient, skips."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segedu
from segedu.models import PaperUNet, QuickUNet, UNet
from segedu.models.unet import centre_crop
from tests.rebuilt import assert_known_to_load
from tests.tiny import Boxes

FORMS = {
    "default": {},
    "plain": {"batch_norm": False},
    "residual": {"residual": True},
    "without skips": {"skips": False},
    "half size": {"stride": 2, "depth": 3},
    "quarter size": {"stride": 4, "depth": 2, "upsampling": "bilinear"},
    "quick": {"stride": 4, "depth": 2, "stem": "strided", "upsampling": "bilinear", "convolutions": 1},
    "shallow": {"depth": 2, "in_channels": 1},
    "unpadded": {"padding": False, "depth": 3},
    "unpadded residual": {"padding": False, "depth": 2, "residual": True},
}
SIDES = {"unpadded": 92, "unpadded residual": 84}


def unet(num_classes=3, *, seed=0, width=4, **options) -> UNet | QuickUNet:
    """A small U-Net; one with a stride is a QuickUNet."""
    torch.manual_seed(seed)
    return (QuickUNet if "stride" in options else UNet)(num_classes, width=width, **options)


def paper_on_meta(*arguments) -> PaperUNet:
    with torch.device("meta"):
        return UNet.paper(*arguments)


def convolutions(model) -> list[nn.Module]:
    return [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


def jolt(model, seed=1):
    """Random biases and batch statistics, so that no term is zero by chance of its start; in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return model.eval()


def test_the_paper_in_numbers():
    model = paper_on_meta()
    assert sum(parameter.numel() for parameter in model.parameters()) == 31_030_658
    assert len(convolutions(model)) == 23
    assert [layer.out_channels for layer in convolutions(model) if layer.kernel_size == (3, 3)] == [
        *(64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024),
        *(512, 512, 256, 256, 128, 128, 64, 64),
    ]
    sizes = []
    for block in (model.down1, model.down2, model.down3, model.down4, model.bottom):
        block.register_forward_hook(lambda block, inputs, output: sizes.append(output.shape[-1]))
    assert model(torch.zeros(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    assert sizes == [568, 280, 136, 64, 28]
    assert paper_on_meta(5, 3)(torch.zeros(2, 3, 188, 204, device="meta")).shape == (2, 5, 4, 20)


def functional_unet(state, image, depth=4):
    """The paper's figure 1, literally: valid convolutions, and a crop that leaves equal margins."""

    def both(x, block):
        for place in (0, 2):
            x = F.conv2d(x, state[f"{block}.{place}.weight"], state[f"{block}.{place}.bias"]).clamp(min=0)
        return x

    x, seen = (image - 0.5) / 0.25, []
    for level in range(depth):
        seen.append(both(x, f"down.{level}"))
        n, c, h, w = seen[-1].shape
        x = seen[-1].reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    x = both(x, "bottom")
    for level in range(depth):
        weight, bias = state[f"upsample.{level}.weight"], state[f"upsample.{level}.bias"]
        n, _, h, w = x.shape
        x = torch.einsum("nchw,cdij->ndhiwj", x, weight).reshape(n, -1, 2 * h, 2 * w) + bias[:, None, None]
        skip = seen[depth - 1 - level]
        margin = (skip.shape[2] - x.shape[2]) // 2
        x = both(torch.cat([skip[:, :, margin:-margin, margin:-margin], x], 1), f"up.{level}")
    return torch.einsum("nchw,kc->nkhw", x, state["score.weight"][:, :, 0, 0]) + state["score.bias"][:, None, None]


def test_the_papers_figure_is_the_general_network_of_width_64():
    figure, general = jolt(UNet.paper()), UNet(2, in_channels=1, width=64, padding=False, batch_norm=False).eval()
    general.load_state_dict(dict(zip(general.state_dict(), figure.state_dict().values(), strict=True)))
    image = torch.rand(1, 1, 188, 204, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert figure(image).shape == (1, 2, 4, 20) and figure(image).std() > 0.1
        torch.testing.assert_close(figure(image), general(image))


def test_the_papers_figure_drops_half_at_the_end_of_the_way_down_only_in_training():
    with torch.device("meta"):
        model = PaperUNet()
    dropped = []
    model.dropout.register_forward_hook(lambda layer, inputs, output: dropped.append(inputs[0].shape[1:]))
    model(torch.zeros(1, 1, 572, 572, device="meta"))
    assert model.dropout.p == 0.5 and dropped == [(512, 64, 64), (1024, 28, 28)]


def test_the_papers_figure_is_known_to_load():
    with torch.device("meta"):
        assert_known_to_load(PaperUNet(5, in_channels=3))


def test_without_padding_the_network_equals_an_independent_build():
    model = jolt(unet(2, in_channels=1, width=6, padding=False, batch_norm=False)).double()
    image = torch.rand(2, 1, 220, 220, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(image), functional_unet(model.state_dict(), image), atol=1e-9)


def test_weights_start_with_the_papers_standard_deviation():
    """√(2/N), section 3. torch's kaiming_normal_ would count twice the connections into a transposed convolution."""
    for layer in convolutions(unet(num_classes=16, width=32, in_channels=16, depth=2, residual=True)):
        kernel = 1 if isinstance(layer, nn.ConvTranspose2d) else layer.kernel_size[0] ** 2
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (layer.in_channels * kernel)), rel=0.1)
        assert abs(layer.weight.mean()) < 0.2 * layer.weight.std()
        assert layer.bias is None or (layer.bias == 0).all()


@pytest.mark.parametrize("form", [name for name in FORMS if not name.startswith("unpadded")])
def test_with_padding_every_size_from_32_comes_back(form):
    model = unet(**FORMS[form]).eval()
    channels = model.config["in_channels"]
    sides = range(32, 98) if form == "default" else (32, 33, 47, 48, 63, 97)
    with torch.inference_mode():
        for height, width in zip(sides, reversed(sides), strict=True):
            assert model(torch.rand(1, channels, height, width)).shape == (1, 3, height, width)
            assert model.output_size((height, width)) == (height, width)


def test_the_picture_is_continued_and_cut_back():
    model, image = jolt(unet()), torch.rand(1, 3, 50, 75)
    continued = torch.cat([image, image[..., -1:].expand(-1, -1, -1, 5)], dim=3)
    continued = torch.cat([continued, continued[:, :, -1:].expand(-1, -1, 14, -1)], dim=2)
    assert continued.shape == (1, 3, 64, 80)
    assert torch.allclose(model(image), model(continued)[..., :50, :75], atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "size", "words"),
    [
        (4, (572, 571), "572 × 571 .* fits is 572 × 572"),
        (4, (573, 500), "fits is 588 × 508"),
        (4, (100, 1), "fits is 188 × 188"),
        (2, (45, 60), "fits is 48 × 60"),
        (1, (12, 17), "fits is 18 × 18"),
    ],
)
def test_an_unpadded_network_refuses_a_wrong_size_and_names_the_next(depth, size, words):
    model = unet(depth=depth, padding=False)
    with pytest.raises(ValueError, match=words):
        model.output_size(size)
    with pytest.raises(ValueError, match=words):
        model(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    ("depth", "sides"),
    [(1, (1, 30)), (2, (35, 60)), (3, (85, 102))],
)
def test_what_is_not_refused_works_and_nothing_that_works_is_refused(depth, sides):
    """Against torch itself: the plain chain of layers, run on tensors without content."""
    with torch.device("meta"):
        model = unet(depth=depth, padding=False)

    def chain(side):
        for _ in range(depth):
            side -= 4
            if side < 2 or side % 2:
                return None
            side //= 2
        side -= 4
        for _ in range(depth):
            side = 2 * side - 4
        return side if side > 0 else None

    for side in range(*sides):
        image = torch.zeros(1, 3, side, 124, device="meta")  # this width fits
        expected = chain(side)
        if expected is None:
            with pytest.raises(ValueError, match="next size"):
                model(image)
        else:
            assert model(image).shape[-2] == model.output_size((side, 124))[0] == expected


def interval(first, last, depth):
    """The pixels of the input row that reach output pixels first … last of an unpadded network, through the bottom."""
    for _ in range(depth):
        first, last = first // 2, (last + 4) // 2  # two 3×3, then a transposed convolution
    last += 4
    for _ in range(depth):
        first, last = 2 * first, 2 * last + 1 + 4  # a pool, then two 3×3
    return first, last


@pytest.mark.parametrize("column", range(0, 20, 3))
def test_the_receptive_field_by_hand_and_by_gradient(column):
    model = jolt(unet(padding=False, depth=3, batch_norm=False, width=2)).double()
    for layer in convolutions(model):  # positive weights: no path is cut by a ReLU, and nothing cancels
        layer.weight.data.abs_()
        layer.bias.data.abs_()
    # A pool hands on the gradient of its largest pixel only: the left one in pictures that darken to the right.
    ramp = torch.linspace(0.6, 1, 116, dtype=torch.float64).expand(1, 3, 116, 116)
    ends = []
    for image in (ramp.flip(3), ramp):
        image = image.clone().requires_grad_()
        output = model(image)
        assert output.shape[-1] == 28
        output[0, 0, 10, column].backward()
        ends += image.grad.abs().sum((0, 1, 2)).nonzero().flatten().aminmax()
    assert (min(ends), max(ends)) == interval(column, column, 3)


def test_the_receptive_field_of_the_paper():
    """Not one number: an output pixel sees 4 or 5 places of the bottom, 16 pixels apart, by where it stands."""
    spans = [interval(column, column, 4) for column in range(388)]
    assert spans[0][0] == 0 and spans[-1][1] == 571
    assert {last - first + 1 for first, last in spans} == {188, 204}


@pytest.mark.parametrize(("form", "step"), [("plain", 16), ("half size", 16), ("unpadded", 8)])
def test_a_shift_by_the_stride_shifts_the_output(form, step):
    """Away from the padding; a shift by one pixel less is no shift of the output."""
    model = jolt(unet(**FORMS[form]))
    scene = torch.rand(1, 3, 416, 416, generator=torch.Generator().manual_seed(0))
    side, margin = (316, 0) if form == "unpadded" else (320, 128)
    with torch.inference_mode():
        here, there, nearly = (model(scene[..., :side, d : d + side]) for d in (0, step, step - 1))
    end = here.shape[-1] - margin

    def difference(moved, d):
        return (here[..., margin:end, margin + d : end] - moved[..., margin:end, margin : end - d]).abs().max()

    assert difference(there, step) < 1e-4
    assert difference(nearly, step - 1) > 1e-2


@pytest.mark.parametrize("form", FORMS)
def test_every_parameter_learns_from_the_first_step(form):
    model = unet(**FORMS[form]).train()
    image = torch.rand(2, model.config["in_channels"], *(2 * [SIDES.get(form, 84)]))
    logits = model(image)
    target = torch.randint(3, (2, *logits.shape[-2:]))
    segedu.losses.cross_entropy(logits, target).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("form", FORMS)
def test_config_builds_the_same_network_again_from_a_file(form, tmp_path):
    model = unet(**FORMS[form]).eval()
    again = segedu.load(segedu.save(tmp_path / "unet.safetensors", model))
    assert again.config == model.config and type(again) is type(model)
    image = torch.rand(1, model.config["in_channels"], *(2 * [SIDES.get(form, 84)]))
    torch.testing.assert_close(again(image), model(image))


def test_dropout_comes_back_from_a_file(tmp_path):
    again = segedu.load(segedu.save(tmp_path / "unet.safetensors", unet(dropout=0.25)))
    assert again.dropout.p == again.config["dropout"] == 0.25


def test_without_skips_nothing_fine_gets_past_the_bottom():
    """Silence the bottom: with skips the output still follows the picture, without it is one constant a place."""
    for skips in (True, False):
        model = jolt(unet(skips=skips))
        model.bottom.register_forward_hook(lambda block, inputs, output: torch.zeros_like(output))
        one, other = (model(torch.rand(1, 3, 64, 64)) for _ in range(2))
        assert ((one - other).abs().max() > 1e-3) == skips
    counts = [sum(p.numel() for p in unet(skips=skips).parameters()) for skips in (True, False)]
    assert counts[1] > counts[0], "a network without skips is not the smaller one"


def test_dropout_is_at_the_end_of_the_contracting_path_only_and_only_in_training():
    model = jolt(unet(dropout=0.5, width=8))
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(image), model(image))
    into, out = {}, {}
    blocks = {f"down.{n}": block for n, block in enumerate(model.down)} | {"bottom": model.bottom, "up.0": model.up[0]}
    for name, block in (blocks | {"upsample": model.upsample[0], "up.1": model.up[1]}).items():
        block.register_forward_pre_hook(lambda b, inputs, name=name: into.update({name: inputs[0]}))
        block.register_forward_hook(lambda b, inputs, x, name=name: out.update({name: x}))
    model.dropout.train()
    model(image)

    def dropped(before, after):
        """Half of the values are gone, and the others doubled."""
        half = ((after == 0) & (before > 0)).sum() / (before > 0).sum()
        return 0.3 < half < 0.7 and torch.allclose(after[after != 0], 2 * before[after != 0])

    assert dropped(out["bottom"], into["upsample"])
    skip = into["up.0"][:, : out["down.3"].shape[1]]
    assert dropped(out["down.3"], skip)
    assert torch.equal(into["bottom"], F.max_pool2d(skip, 2)), "pool and skip see the same"
    for level in range(3):
        assert torch.equal(into[f"down.{level + 1}"], F.max_pool2d(out[f"down.{level}"], 2))
    assert torch.equal(into["up.1"][:, : out["down.2"].shape[1]], out["down.2"])


def test_residual_blocks_add_before_the_last_relu():
    block = jolt(unet(residual=True, padding=False)).down[1]
    x = torch.rand(1, 4, 12, 12)
    first, norm, _, second, last_norm = block.convolutions
    change = last_norm(second(norm(first(x)).clamp(min=0)))
    assert torch.allclose(block(x), (change + block.shortcut(x)[..., 2:-2, 2:-2]).clamp(min=0), atol=1e-6)


def test_centre_crop_takes_the_middle():
    rows = torch.arange(9.0).view(1, 1, 9, 1).expand(1, 1, 9, 4)
    assert centre_crop(rows, torch.zeros(1, 5, 5, 4))[0, 0, :, 0].tolist() == [2, 3, 4, 5, 6]
    assert torch.equal(centre_crop(rows, rows), rows)


def test_a_pixel_knows_its_place_in_a_half_size_network():
    """With stride 2 the scores of a 2×2 square come from one place, each from its own channel."""
    model = jolt(unet(num_classes=2, stride=2))
    order = model.score.bias.data.zero_().view(2, 2, 2)
    order[1] = torch.tensor([[10.0, 20.0], [30.0, 40.0]])
    model.score.weight.data.zero_()
    logits = model(torch.rand(1, 3, 33, 34))
    assert logits.shape == (1, 2, 33, 34)
    assert logits[0, 1, :4, :4].tolist() == [[10, 20, 10, 20], [30, 40, 30, 40]] * 2
    assert (logits[0, 0] == 0).all()


def test_bilinear_scores_are_upsampled_from_one_a_place():
    model = jolt(unet(num_classes=2, stride=4, depth=2, upsampling="bilinear"))
    small = []
    model.score.register_forward_hook(lambda layer, inputs, output: small.append(output))
    logits = model(torch.rand(1, 3, 61, 64))
    assert small[0].shape == (1, 2, 16, 16)
    upsampled = torch.nn.functional.interpolate(small[0], size=(64, 64), mode="bilinear")
    torch.testing.assert_close(logits, upsampled[..., :61, :])


def test_a_strided_stem_halves_by_convolutions_that_double_the_channels():
    model = unet(width=12, stride=4, stem="strided", depth=2, convolutions=1)
    shapes = [(layer.in_channels, layer.out_channels, layer.stride) for layer in convolutions(model)[:3]]
    assert shapes == [(3, 6, (2, 2)), (6, 12, (2, 2)), (12, 12, (1, 1))]
    assert len(convolutions(model)) == 2 + 3 + 2 + 2 + 1, "stem, sizes down, doublings, sizes up, score"
    whole = unet(stride=1, stem="strided")  # with stride 1 there is nothing to halve
    assert whole(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32) and not len(whole.stem)


def test_bilinear_maps_are_upsampled_after_their_channels_are_halved():
    model = jolt(unet(depth=1, stride=1, upsampling="bilinear"))
    halve, upsampled = model.upsample[0][0], []
    model.upsample[0].register_forward_hook(lambda layer, inputs, output: upsampled.append((inputs[0], output)))
    model(torch.rand(1, 3, 16, 24))
    before, after = upsampled[0]
    first = torch.nn.functional.interpolate(before, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(after, halve(first))  # in either order: bilinear weights sum to one


def test_wrong_input_is_named():
    for option, value, known in (("stem", "pool", "strided"), ("upsampling", "nearest", "bilinear")):
        with pytest.raises(ValueError, match=f"{option}='{value}' is unknown; a QuickUNet has 'shuffle' and '{known}'"):
            QuickUNet(2, **{option: value})
    for kind, option, value in (
        (UNet, "depth", 0), (QuickUNet, "depth", 0), (QuickUNet, "stride", 3), (QuickUNet, "convolutions", 0)
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{option}={value} should be"):
            kind(2, **{option: value})
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
        unet()(torch.zeros(1, 1, 64, 64))


def test_it_learns_two_boxes():
    history = segedu.fit(model := unet(width=8, depth=2), Boxes(24), steps=40, batch_size=4, progress=False)
    assert sum(history.loss[-10:]) < 0.5 * sum(history.loss[:10])
    assert segedu.evaluate(model, Boxes(6)).mean_iou() > 0.6
