"""Masks: the ten broken files, every refusal, and conversions by hand, there and back."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torchvision import tv_tensors

from segedu.labels import IGNORE_COLOUR, STREET, LabelTable
from segedu.masks import (
    MaskError,
    from_colours,
    from_polygons,
    from_rle,
    read_mask,
    separate,
    to_colours,
    to_rle,
    validate_mask,
    void_border,
    write_mask,
)
from tools.make_broken_masks import FOLDER, contents, encode

SIZE = (96, 128)
TWO = LabelTable(("background", "object"), ((0, 0, 0), (255, 255, 255)))
# File → the offending value and the way out, as they must stand in the message.
EXPECTED = {
    "white_on_black.png": ["only 0 and 255", "524 pixels", '(mask == 255).astype("uint8")'],
    "foreign_colours.png": ["9 colours", "(70, 70, 70)", "row 0, column 0", "LabelTable(names, colours)"],
    "smeared.jpg": ["JPEG", "colours in it belong to no class", "row 0, column 0", "PNG"],
    "soft_edges.png": ["32, 48, 64", "row 49, column 75", "drawn in white", '(mask >= 128).astype("uint8")'],
    "fractions.tiff": ["float32", "0.5", "row 0, column 45", "Image.Resampling.NEAREST"],
    "one_hot.npy": ["(96, 128, 11)", "one-hot", "mask.argmax(2)"],
    "half_size.png": ["48 × 64", "96 × 128", "resize((128, 96), Image.Resampling.NEAREST)"],
    "class_11.png": ["11 in 2072 pixels", "row 0, column 45", "0…10", "mask[mask == 11] = 255"],
    "empty.png": ["0 bytes", "again"],
    "all_void.png": ["255", "12288 pixels", "Leave this picture out"],
}


def message(function, *args, **kwargs) -> str:
    with pytest.raises(MaskError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def check_file(path):
    validate_mask(read_mask(path, STREET), STREET, size=SIZE, name=str(path))


@pytest.mark.parametrize("name", EXPECTED)
def test_each_broken_mask_is_met_with_file_value_and_way_out(name):
    said = message(check_file, FOLDER / name)
    assert said.startswith(str(FOLDER / name))
    for part in EXPECTED[name]:
        assert part in said
    # The card promises these very words.
    assert f"- {said.replace(str(FOLDER / name), name)}\n" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_correct_mask_passes_and_the_folder_holds_ten_broken_ones():
    check_file(FOLDER / "mask.png")
    assert {path.name for path in FOLDER.iterdir()} == {*EXPECTED, "mask.png", "picture.png", "README.md"}
    assert Image.open(FOLDER / "picture.png").size == SIZE[::-1]


@pytest.mark.parametrize("name", contents())
def test_drawing_the_broken_masks_again_changes_nothing(name):
    stored, drawn = (FOLDER / name).read_bytes(), encode(name, contents()[name])
    if name.endswith((".png", ".jpg", ".tiff")) and stored:
        # Compressed bytes may differ between versions of zlib and libjpeg, so pictures are compared, not files.
        stored, drawn = np.array(Image.open(FOLDER / name)), np.array(Image.open(io.BytesIO(drawn)))
        assert stored.shape == drawn.shape and stored.dtype == drawn.dtype
        assert np.abs(stored.astype(float) - drawn).max() <= (8 if name.endswith(".jpg") else 0)
    else:
        assert stored == drawn


CURES = {
    "white_on_black.png": lambda mask: (mask == 255).astype("uint8"),
    "soft_edges.png": lambda mask: (mask >= 128).astype("uint8"),
    "class_11.png": lambda mask: np.where(mask == 11, 255, mask),
    "half_size.png": lambda mask: Image.fromarray(mask).resize((128, 96), Image.Resampling.NEAREST),
    "one_hot.npy": lambda mask: mask.argmax(2),
}


@pytest.mark.parametrize("name", CURES)
def test_the_advice_cures(name):
    path = FOLDER / name
    raw = np.load(path) if path.suffix == ".npy" else np.array(Image.open(path))
    validate_mask(CURES[name](raw), STREET, size=SIZE)


def test_an_index_mask_resized_with_interpolation_cannot_be_seen():
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 2  # sky beside pole, and no building
    smeared = np.array(Image.fromarray(mask).resize((16, 16), Image.Resampling.BILINEAR))
    assert set(np.unique(smeared)) == {0, 1, 2}, "interpolation invents the building"
    validate_mask(smeared, STREET)


def test_sound_masks_pass_in_every_form():
    mask = np.array([[0, 1, 255], [10, 3, 3]])
    picture = Image.fromarray(mask.astype(np.uint8))
    for form in (mask, mask.astype(np.uint8), torch.from_numpy(mask), tv_tensors.Mask(torch.from_numpy(mask)), picture):
        assert validate_mask(form, STREET, size=(2, 3)) is None
        assert validate_mask(form, 11) is None
    validate_mask(np.zeros((2, 3), np.uint8), STREET)
    validate_mask(np.array([[True, False]]), TWO)


@pytest.mark.parametrize(
    ("mask", "parts"),
    [
        (np.array([[-100, 1]]), ["-100", "mask[mask < 0] = 255"]),
        (np.array([[1, 2], [3, 11]]), ["11", "start at 1", "-= 1"]),
        (np.array([[0, 1], [3, 254]]), ["254 in 1 pixel, first at row 1, column 1", "mask[mask == 254] = 255"]),
        (np.array([[0, 50], [100, 150]]), ["50, 100, 150 in 3 pixels", "np.select"]),
        (np.array([[0.0, 3.0]]), ["float64", "3.0", 'astype("uint8")']),
        (np.array([[0.0, np.nan]]), ["nan", "row 0, column 1"]),
        (np.array([[0, 3]]) / np.float32(255), ["0.01176", "division by 255", "mask * 255"]),
        (torch.tensor([[0.5, 1]], dtype=torch.bfloat16), ["0.5"]),
        (np.zeros((4, 5, 3), np.uint8), ["(0, 0, 0)", "from_colours"]),
        (np.zeros((1, 4, 5), np.uint8), ["(1, 4, 5)", "squeeze"]),
        (np.zeros((2, 4, 5), np.uint8), ["(2, 4, 5)", "flatten(0, 1)"]),
        (np.moveaxis(np.eye(3, dtype=int)[np.array([[0, 1, 2, 1]])], 2, 0), ["one-hot", "argmax(0)"]),
        (np.zeros((0, 5), np.uint8), ["(0, 5)", "no pixel"]),
    ],
)
def test_wrong_values_and_forms_are_named(mask, parts):
    said = message(validate_mask, mask, STREET, name="a.png")
    assert said.startswith("a.png ")
    for part in parts:
        assert part in said


def test_a_mask_on_its_side_is_recognised():
    assert "mask.T" in message(validate_mask, np.zeros((4, 6), np.uint8), STREET, size=(6, 4))


def test_something_else_than_a_mask_is_a_type_error():
    with pytest.raises(TypeError, match="str"):
        validate_mask("mask.png", STREET)


def random_mask(seed=0):
    mask = np.random.default_rng(seed).integers(0, 12, (20, 30)).astype(np.uint8)
    return np.where(mask == 11, 255, mask).astype(np.uint8)


def test_written_masks_come_back_as_palette_and_as_rgb(tmp_path):
    mask = random_mask()
    write_mask(tmp_path / "a.png", torch.from_numpy(mask).long(), STREET)
    picture = Image.open(tmp_path / "a.png")
    assert picture.mode == "P"
    picture.convert("RGB").save(tmp_path / "rgb.png")
    Image.fromarray(mask).save(tmp_path / "grey.png")
    np.save(tmp_path / "ids.npy", mask.astype(np.int64))
    for name in ("a.png", "rgb.png", "grey.png", "ids.npy"):
        read = read_mask(tmp_path / name, STREET)
        assert read.dtype == np.uint8 and (read == mask).all()
    assert (np.array(picture.convert("RGB")) == to_colours(mask, STREET)).all()


def test_writing_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    assert "12" in message(write_mask, tmp_path / "a.png", np.array([[0, 12]]), STREET)
    assert "a.png" in message(write_mask, tmp_path / "a.jpg", np.array([[0, 1]]), STREET)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (tmp_path / "a.png").read_bytes() == b"old"


def test_a_foreign_palette_is_read_as_indices(tmp_path):
    mask = random_mask()
    picture = Image.fromarray(mask)
    picture.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    picture.save(tmp_path / "a.png")
    assert (read_mask(tmp_path / "a.png", STREET) == mask).all()


def test_a_palette_that_an_editor_has_renumbered_is_refused(tmp_path):
    moved = np.roll(STREET.palette[:11], 1, axis=0)
    picture = Image.fromarray(np.uint8([[0, 1], [2, 3]]))
    picture.putpalette(moved.ravel().tolist())
    picture.save(tmp_path / "a.png")
    said = message(read_mask, tmp_path / "a.png", STREET)
    assert "index 0 has the colour of class 10" in said and "from_colours" in said
    assert (from_colours(picture.convert("RGB"), STREET) == [[10, 0], [1, 2]]).all()


def test_files_that_hold_no_ids_are_refused(tmp_path):
    whole = (FOLDER / "mask.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.npy").write_text("no array")
    for name in ("cut.png", "text.png", "text.npy"):
        assert message(read_mask, tmp_path / name, STREET).startswith(f"{tmp_path / name} is damaged")
    Image.new("RGBA", (4, 4)).save(tmp_path / "alpha.png")
    assert 'mode "RGBA"' in message(read_mask, tmp_path / "alpha.png", STREET)
    Image.fromarray(np.array([[0, 300]], np.int32)).save(tmp_path / "large.tiff")
    assert "300 (first at row 0, column 1)" in message(read_mask, tmp_path / "large.tiff", STREET)
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere.png")):
        read_mask(tmp_path / "nowhere.png", STREET)


def test_colours_by_hand_and_back():
    assert to_colours(np.array([[0, 1, 255]]), TWO).tolist() == [[[0, 0, 0], [255, 255, 255], list(IGNORE_COLOUR)]]
    for seed in range(5):
        assert (from_colours(to_colours(random_mask(seed), STREET), STREET) == random_mask(seed)).all()


def test_an_unknown_colour_is_never_background():
    rgb = to_colours(np.zeros((3, 4), int), STREET)
    rgb[1, 2:] = (1, 2, 3)
    rgb[2, 0] = (9, 9, 8)
    said = message(from_colours, rgb, STREET, name="a.png")
    assert said.startswith("a.png holds 2 colours") and "(1, 2, 3) in 2 pixels, first at row 1, column 2" in said
    grey = np.repeat(np.uint8([[0, 7]])[..., None], 3, axis=2)
    assert "rgb[..., 0]" in message(from_colours, grey, TWO)
    assert "(3, 4)" in message(from_colours, np.zeros((3, 4), np.uint8), STREET)


def test_a_class_may_have_the_grey_of_ignored_pixels_but_not_beside_them():
    table = LabelTable(("sky", "car"), (IGNORE_COLOUR, (1, 2, 3)))
    assert (from_colours(to_colours(np.array([[0, 1]]), table), table) == [[0, 1]]).all()
    assert "'sky'" in message(to_colours, np.array([[0, 255]]), table)


def test_void_border_by_hand():
    mask = np.array([[0, 0, 0, 0, 0, 1, 1]] * 2)
    assert void_border(mask).tolist() == [[0, 0, 0, 0, 255, 255, 1]] * 2
    assert void_border(mask, 2).tolist() == [[0, 0, 0, 255, 255, 255, 255]] * 2
    corner = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert void_border(corner).tolist() == [[255, 255, 0], [255, 255, 0], [0, 0, 0]]
    objects = np.array([[1, 1, 1, 255, 255, 255, 255]] * 2)
    assert void_border(np.zeros((2, 7), int), instances=objects).tolist() == [[0, 0, 255, 255, 0, 0, 0]] * 2


def test_void_border_twice_is_void_border_once_and_invents_nothing():
    mask = from_polygons([(3, [(2, 2), (15, 4), (9, 17)]), (5, [(8, 1), (19, 1), (19, 9)])], (20, 20))
    for width in (1, 2, 3):
        once = void_border(mask, width)
        assert (void_border(once, width) == once).all()
        assert (once == mask)[once != 255].all() and (once == 255).any()


def near_another_value(ids, width, ignored):
    """What `void_border` and `separate` look for, pixel by pixel."""
    found = np.zeros(ids.shape, bool)
    for row, column in np.argwhere(ids != ignored):
        window = ids[max(row - width, 0) : row + width + 1, max(column - width, 0) : column + width + 1]
        found[row, column] = len(np.unique(window[window != ignored])) > 1
    return found


@pytest.mark.parametrize("first", [1, 2**53])  # from there on float64 does not tell neighbours apart
@pytest.mark.parametrize("width", [1, 2, 7])
def test_borders_are_where_a_square_window_holds_another_value(width, first):
    random = np.random.default_rng(width)
    for _ in range(10):
        mask = np.kron(random.integers(0, 4, random.integers(1, 6, 2)), np.ones((3, 3), int))
        mask[mask == 3] = 255
        assert np.array_equal(void_border(mask, width) == 255, near_another_value(mask, width, 255) | (mask == 255))
        objects = np.where(mask == 255, 0, mask + first)
        by_objects = void_border(np.zeros_like(mask), width, instances=objects) == 255
        assert np.array_equal(by_objects, near_another_value(objects, width, -1))
        cut = near_another_value(objects, width, 0)
        kept = np.isin(objects, np.setdiff1d(objects[cut], objects[~cut]))  # too thin
        assert np.array_equal(separate(objects, 2 * width) != objects, cut & ~kept)


def test_polygons_by_hand():
    square = [(1, 1), (3, 1), (3, 3), (1, 3)]
    expected = [[0, 0, 0, 0], [0, 2, 2, 0], [0, 2, 2, 0]]
    assert from_polygons([(2, square)], (3, 4)).tolist() == expected
    assert from_polygons([(2, square[::-1])], (3, 4)).tolist() == expected, "the direction does not matter"
    triangle = from_polygons([(1, [(0, 0), (4, 4), (0, 4)])], (4, 4))
    assert (triangle[np.tril_indices(4, -1)] == 1).all() and (triangle[np.triu_indices(4, 1)] == 0).all()
    painted = from_polygons([(1, [(0, 0), (4, 0), (4, 1), (0, 1)]), (2, [(-5, -5), (2, -5), (2, 9), (-5, 9)])], (2, 4))
    assert painted.tolist() == [[2, 2, 1, 1], [2, 2, 0, 0]], "later on top, outside cut off"
    ring = [(0, 0), (5, 0), (5, 5), (0, 5), (0, 0), (1, 1), (4, 1), (4, 4), (1, 4), (1, 1)]
    assert from_polygons([(1, ring)], (5, 5)).sum() == 25 - 9


def test_polygons_agree_with_matplotlibs_point_in_polygon():
    path = pytest.importorskip("matplotlib.path")
    centres = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5), -1).reshape(-1, 2)
    for seed in range(10):
        angles = np.sort(np.random.default_rng(seed).uniform(0, 2 * np.pi, 9))
        radii = np.random.default_rng(seed + 100).uniform(4, 25, 9)
        points = np.stack([20 + radii * np.cos(angles), 15 + radii * np.sin(angles)], 1)
        expected = path.Path(points).contains_points(centres).reshape(30, 40)
        assert (from_polygons([(1, points)], (30, 40)) == expected).all()


def test_polygons_of_a_wrong_form_are_refused():
    assert "np.reshape(flat, (-1, 2))" in message(from_polygons, [(1, [0, 0, 1, 0, 1, 1])], (3, 3))
    assert "300" in message(from_polygons, [(300, [(0, 0), (1, 0), (1, 1)])], (3, 3))


def test_run_lengths_by_hand():
    binary = np.array([[0, 1, 1], [0, 0, 1]])
    assert to_rle(binary) == {"size": [2, 3], "counts": [2, 1, 1, 2]}  # columns: 00 10 11
    assert to_rle(1 - binary) == {"size": [2, 3], "counts": [0, 2, 1, 1, 2]}
    assert to_rle(np.zeros((2, 3)))["counts"] == [6]
    assert to_rle(np.ones((2, 3), bool))["counts"] == [0, 6]
    assert from_rle({"size": [2, 3], "counts": [2, 1, 1, 2]}).tolist() == binary.astype(bool).tolist()


def test_run_lengths_there_and_back():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        binary = rng.random((rng.integers(1, 9), rng.integers(1, 9))) < 0.5
        back = from_rle(to_rle(binary))
        assert back.dtype == bool and (back == binary).all()


def test_run_lengths_that_cannot_be_are_refused():
    assert "sum to 5" in message(from_rle, {"size": [2, 3], "counts": [2, 3]})
    assert "hold -2" in message(from_rle, {"size": [2, 3], "counts": [8, -2]})
    assert "sum to 1025024" in message(from_rle, {"size": [2, 3], "counts": "PPYo0"})  # compressed, and of another mask
    assert "zeros and ones" in message(to_rle, np.array([[0, 2]]))


def test_separate_by_hand():
    touching = np.array([[1, 1, 1, 7, 7, 7, 0, 7, 0, 0, 9, 9]] * 3)
    assert separate(touching)[1].tolist() == [1, 1, 0, 0, 7, 7, 0, 7, 0, 0, 9, 9]
    assert separate(touching, 4)[1].tolist() == [1, 0, 0, 0, 0, 7, 0, 7, 0, 0, 9, 9]
    corner = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2]])
    assert separate(corner).tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 2], [0, 0, 2, 2]]


def test_separate_leaves_alone_what_touches_nothing():
    one = np.ones((5, 6), np.uint8)
    for instances in (one, 0 * one, np.pad(one, 2), np.array([[3, 0, 4]])):
        assert np.array_equal(separate(instances), instances)


@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.int64, torch.int64, "mask"])
def test_separate_keeps_ids_and_dtype_and_the_callers_map(kind):
    ids = np.zeros((8, 9), np.int64)
    ids[:4, :4], ids[:4, 4:], ids[4:, :] = 1, 65_000, 255
    if kind == torch.int64:
        given = torch.from_numpy(ids.copy())
    else:
        given = tv_tensors.Mask(torch.from_numpy(ids.copy())) if kind == "mask" else ids.astype(kind)
    apart = separate(given)
    assert isinstance(apart, np.ndarray) and apart.dtype == (np.int64 if kind in ("mask", torch.int64) else kind)
    assert set(np.unique(apart)) == {0, 1, 255, 65_000}
    assert np.array_equal(np.asarray(given), ids), "the caller's map is as it was"
    assert np.array_equal(separate(apart), apart), "a second cut finds nothing to do"


@pytest.mark.parametrize("width", [2, 4])
def test_after_the_cut_every_component_is_of_one_object_and_none_is_lost(width):
    random = np.random.default_rng(width)
    points = random.integers(0, 60, (25, 2))
    rows, columns = np.mgrid[:60, :60]
    distance = np.hypot(rows[..., None] - points[:, 0], columns[..., None] - points[:, 1])
    cells = np.where(distance.min(2) < 9, 1 + 3 * distance.argmin(2), 0)
    apart = separate(cells, width)
    assert set(np.unique(apart)) == set(np.unique(cells))
    components, count = ndimage.label(apart, np.ones((3, 3)))
    assert all(len(np.unique(apart[components == n])) == 1 for n in range(1, count + 1))
    assert ndimage.label(cells, np.ones((3, 3)))[1] < 0.5 * count, "the cells touched before"
    changed = (apart != cells) & (apart == 0)
    assert np.array_equal(changed, apart != cells), "pixels only become background"
    reach = ndimage.maximum_filter(cells, width + 1) != ndimage.minimum_filter(np.where(cells, cells, 99), width + 1)
    literal = (cells > 0) & reach
    erased = set(np.unique(cells)) - set(np.unique(cells[~literal]))
    assert np.array_equal(changed, literal & ~np.isin(cells, list(erased))), "another object in the square window"


def test_separate_loses_no_thin_object():
    between = np.array([[1, 1, 1, 5, 2, 2, 2]] * 4)
    assert separate(between)[0].tolist() == [1, 1, 0, 5, 0, 2, 2]
    assert separate(np.array([[3, 4]])).tolist() == [[3, 4]], "as the docstring says: both too thin, both stay"


@pytest.mark.parametrize(
    ("instances", "width", "error", "words"),
    [
        (np.ones((4, 4), int), 3, ValueError, "width=3 .* even"),
        (np.ones((4, 4), int), 0, ValueError, "at least 2"),
        (np.array([[0, -1]]), 2, MaskError, "holds -1"),
        (np.ones((2, 4, 4), int), 2, MaskError, r"\(2, 4, 4\)"),
        (np.array([[0.5, 1]]), 2, MaskError, "0.5"),
    ],
)
def test_separate_refuses_what_it_cannot_mean(instances, width, error, words):
    with pytest.raises(error, match=words):
        separate(instances, width)


# What annotation tools write


def polygon_error(points, class_id=1, size=(16, 16)) -> str:
    return message(from_polygons, [(class_id, points)], size)


def test_an_object_in_parts_is_one_polygon_a_part():
    segmentation = [[1, 1, 5, 1, 5, 5, 1, 5], [9, 2, 14, 2, 14, 8, 9, 8]]
    for parts in (segmentation, [segmentation[0], segmentation[1] + [9, 5]], segmentation[:1]):
        assert "[(class_id, np.reshape(part, (-1, 2))) for part in segmentation]" in polygon_error(parts)
    mask = from_polygons([(1, np.reshape(part, (-1, 2))) for part in segmentation], (16, 16))
    assert mask.sum() == 46


def test_polygons_in_parts_of_the_picture_are_refused():
    square = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
    assert "np.multiply(points, (width, height))" in polygon_error(square, size=(50, 100))
    assert from_polygons([(1, np.multiply(square, (100, 50)))], (50, 100)).sum() == 3200


@pytest.mark.parametrize(
    ("points", "class_id", "says"),
    [
        ([(0, 0), (9, 0), (9, 9)], "car", "'car'.*labels.index"),
        ([(0, 0), (9, 0), (9, 9)], 1.5, "1.5"),
        ([(0, float("nan")), (9, 0), (9, 9)], 1, r"Point 0 .* is \[0.0, nan\]"),
        ([(0, 0), (9, float("inf")), (9, 9)], 1, r"Point 1 .* is \[9.0, inf\]"),
        ([(0, 0), (9, 0)], 1, "at least three.*leave it out"),
        ([], 1, "at least three"),
    ],
)
def test_polygons_that_are_none_are_named(points, class_id, says):
    assert re.search(says, polygon_error(points, class_id))


def test_a_polygon_outside_of_the_picture_paints_nothing():
    assert not from_polygons([(1, [(20, 20), (30, 20), (30, 30)])], (16, 16)).any()


@pytest.mark.parametrize(
    ("rle", "says"),
    [
        ("1 3 10 5", "start .from 1. and length"),
        ({"size": [4, 5], "counts": "1 3 10 5"}, "start .from 1. and length"),
        ({"size": [4, 5], "counts": b"1 3 10 5"}, "start .from 1. and length"),
        ({"size": [4, 5], "counts": [[1, 3], [10, 5]]}, "start .from 1. and length"),
        ({"size": [4, 5], "counts": [1, 3, 10, 5]}, "sum to 19.*pairs of start and length"),
        ({"size": [4, 5], "counts": "5#`!"}, "holds '#', which COCO's compressed run lengths never do"),
        ({"size": [4, 5], "counts": "5P"}, "end within a number: the text was cut short"),
        ({"size": [4, 5], "counts": "57"}, "sum to 12, but 4 × 5"),
        ("PPYo0", "size.*counts"),
        ([2, 3], "size.*counts"),
        ({"counts": [2, 3]}, "size.*counts"),
        ({"size": [1, 2], "counts": [0.5, 1.5]}, "whole numbers"),
    ],
)
def test_run_lengths_of_other_dialects_are_named(rle, says):
    assert re.search(says, message(from_rle, rle))


def test_the_advice_for_start_and_length_gives_the_mask():
    advice = message(from_rle, "1 3 10 5").split("Kaggle has them: ")[1].split(" (order=")[0]
    names = {"np": np, "text": "1 3 10 5", "height": 4, "width": 5}
    exec(advice, names)
    assert np.flatnonzero(names["mask"].ravel(order="F")).tolist() == [0, 1, 2, 9, 10, 11, 12, 13]


def test_run_lengths_of_every_form_of_map():
    ones = np.uint8([[0, 1], [1, 1]])
    for form in (ones, ones > 0, ones.astype(">i2"), ones.tolist(), torch.from_numpy(ones), ones.astype(np.float16)):
        assert to_rle(form) == {"size": [2, 2], "counts": [1, 3]}
    assert from_rle({"size": [2, 2], "counts": np.array([1, 3])}).tolist() == (ones > 0).tolist()


def test_polygons_in_the_forms_of_other_libraries():
    square = np.array([(0, 0), (2, 0), (2, 2), (0, 2)])
    assert from_polygons([(1, square[:, None])], (4, 4)).sum() == 4  # OpenCV's findContours
    for wrong in ([square], (1, square), {1: square}, [{"label": "cat", "points": square}]):
        with pytest.raises(MaskError, match="A polygon is a pair"):
            from_polygons(wrong, (4, 4))
    with pytest.raises(MaskError, match=r"points\[:, :2\]"):
        from_polygons([(1, np.pad(square, ((0, 0), (0, 1))))], (4, 4))
    with pytest.raises(MaskError, match="as YOLO has them"):
        from_polygons([(1, square / 2 + 0.001)], (4, 4))


def test_run_lengths_of_small_integers_and_a_length_below_0():
    sides, counts = np.array([20, 20], np.uint8), np.array([200, 200], np.uint8)
    assert from_rle({"size": sides, "counts": counts}).sum() == 200
    with pytest.raises(MaskError, match="at least 0"):
        from_rle({"size": [2, 2], "counts": [5, -1]})
    assert to_rle(torch.eye(2).bfloat16()) == to_rle(torch.eye(2))
