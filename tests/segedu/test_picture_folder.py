"""PictureFolder: each form that people have their masks in, right, and each fault of a folder in a sentence."""

import base64
import io
import json
import os
import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks

import segedu
from segedu import download
from segedu.datasets import FolderError, Nuclei, PictureFolder, folder_truth
from segedu.labels import LabelTable

REAL = bool(os.environ.get("SEGEDU_DATA")) and download.find_data("nuclei") is not None
SIZE = (40, 48)
ROAD = LabelTable(("sky", "road", "car"), ((10, 20, 30), (200, 0, 0), (0, 0, 250)), things=("car",))


def truth(seed=0, classes=3) -> np.ndarray:
    """(H, W) uint8: a map of rectangles in which every class occurs."""
    chance = np.random.default_rng(seed)
    mask = np.zeros(SIZE, np.uint8)
    for class_id in range(1, classes):
        y, x = chance.integers(0, 20, 2)
        mask[y : y + 12, x : x + 15] = class_id
    mask[-1] = np.arange(SIZE[1]) % classes
    return mask


def photo(seed=0, size=SIZE) -> np.ndarray:
    return np.random.default_rng(100 + seed).integers(0, 256, (*size, 3), np.uint8)


def save(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(path, **options)


def palette(ids, labels=ROAD) -> Image.Image:
    picture = Image.fromarray(ids)
    picture.putpalette(labels.palette.ravel().tolist())
    return picture


def pictures(home, names=("a", "b", "c"), suffix=".png"):
    for number, name in enumerate(names):
        save(home / f"{name}{suffix}", photo(number))


def pixels(dataset, index=0):
    return dataset[index][1].numpy()


def problems(folder, **options) -> list[str]:
    with pytest.raises(FolderError) as raised:
        PictureFolder(folder, **options)
    return raised.value.problems


# The forms


@pytest.mark.parametrize(
    ("images", "masks", "ending"),
    [
        ("images", "masks", ""),
        ("Images", "Labels", "_mask"),
        ("JPEGImages", "SegmentationClass", ""),
        ("imgs", "gt", "-gt"),
    ],
)
def test_folders_of_pictures_and_masks_by_their_usual_names(tmp_path, images, masks, ending):
    pictures(tmp_path / images)
    for number, name in enumerate("abc"):
        save(tmp_path / masks / f"{name}{ending}.png", palette(truth(number)))
    own = PictureFolder(tmp_path, labels=ROAD)
    assert own.names == ["a", "b", "c"]
    for number, (image, mask) in enumerate(own):
        assert torch.equal(image, torch.from_numpy(photo(number)).permute(2, 0, 1) / 255)
        np.testing.assert_array_equal(mask, truth(number))


def test_masks_beside_their_pictures_and_upper_case_suffixes_and_strange_names(tmp_path):
    for number, name in enumerate(("Straße 1", "u\u0308ber", "c.d")):
        save(tmp_path / f"{name}.JPG", photo(number), format="JPEG")
        save(tmp_path / f"{name}_mask.PNG", truth(number), format="PNG")
    own = PictureFolder(tmp_path, labels=ROAD)
    assert own.names == ["Straße 1", "c.d", "\u00fcber"]
    np.testing.assert_array_equal(pixels(own), truth(0))


def test_0_and_255_are_background_and_object(tmp_path):
    pictures(tmp_path / "images")
    for number, name in enumerate("abc"):
        save(tmp_path / "masks" / f"{name}.png", (truth(number) > 0).astype(np.uint8) * 255)
    own = PictureFolder(tmp_path)
    assert own.labels.names == ("background", "object") and own.labels.things == ("object",)
    np.testing.assert_array_equal(pixels(own, 1), truth(1) > 0)
    assert "If 255 marks the object" in problems(tmp_path, labels=ROAD)[0]  # of three classes, which?
    for number, name in enumerate("abc"):  # now 255 is void
        save(tmp_path / "masks" / f"{name}.png", np.array([0, 1, 255], np.uint8)[truth(number)])
    np.testing.assert_array_equal(pixels(PictureFolder(tmp_path), 1), np.array([0, 1, 255])[truth(1)])


def test_black_and_white_of_one_bit(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", truth() > 0)
    np.testing.assert_array_equal(pixels(PictureFolder(tmp_path)), truth() > 0)


def test_numbers_without_names(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", truth(classes=4))
    own = PictureFolder(tmp_path)
    assert own.labels.names == ("background", "class 1", "class 2", "class 3")
    np.testing.assert_array_equal(pixels(own), truth(classes=4))


@pytest.mark.parametrize(
    "legend",
    ["sky,10,20,30\nroad,200,0,0\ncar,0,0,250\n", "name,r,g,b\nsky,10,20,30\nroad,200,0,0\ncar,0,0,250",
     "10 20 30\tsky\n200 0 0\troad\n0 0 250\tcar", "\ufeffsky 10 20 30  # up\n\nroad 200 0 0\ncar 0 0 250\n"],
)  # fmt: skip
def test_colours_by_a_legend(tmp_path, legend):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", ROAD.palette[truth()])
    (tmp_path / "labels.txt").write_text(legend, encoding="utf-8")
    own = PictureFolder(tmp_path)
    assert (own.labels.names, own.labels.colours) == (ROAD.names, ROAD.colours)
    np.testing.assert_array_equal(pixels(own), truth())


def test_a_legend_says_which_classes_are_things(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", truth())
    for text, things in (("sky\nroad\ncar,thing", ("car",)), ("background\nroad\ncar", ("road", "car"))):
        (tmp_path / "labels.txt").write_text(text)
        assert PictureFolder(tmp_path).labels.things == things


def test_a_legend_of_names_alone_gives_colours_that_differ(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", truth())
    (tmp_path / "classes.txt").write_text("\n".join(["background", *(f"kind {n}" for n in range(60))]))
    own = PictureFolder(tmp_path)
    assert len(own.labels) == 61 and len(set(own.labels.colours)) == 61


def test_a_file_a_class(tmp_path):
    pictures(tmp_path / "images")
    for number, name in enumerate("abc"):
        for class_id, class_name in ((1, "road"), (2, "car")):
            save(tmp_path / "masks" / class_name / f"{name}.png", (truth(number) == class_id).astype(np.uint8) * 255)
    own = PictureFolder(tmp_path)
    assert own.labels.names == ("background", "car", "road")
    np.testing.assert_array_equal(pixels(own, 2), np.array([0, 2, 1])[truth(2)])


def objects() -> np.ndarray:
    ids = np.zeros(SIZE, np.uint16)
    ids[2:12, 3:14], ids[2:12, 14:20], ids[20:38, 20:40] = 1, 2, 300
    return ids


def same_objects(found, ids):
    pairs = {(int(a), int(b)) for a, b in zip(np.ravel(found), np.ravel(ids), strict=True)}
    assert len(pairs) == len(np.unique(ids)) == len(np.unique(found)) and (0, 0) in pairs


@pytest.mark.parametrize("per_picture", [False, True])
def test_a_file_an_object(tmp_path, per_picture):
    save(tmp_path / ("a/images" if per_picture else "images") / "a.png", photo())
    for number in (1, 2, 300):
        home = tmp_path / ("a/masks" if per_picture else "masks/a")
        save(home / f"{number}.png", (objects() == number).astype(np.uint8) * 255)
    own = PictureFolder(tmp_path, instances=True)
    _, mask, ids = own[0]
    np.testing.assert_array_equal(mask, objects() > 0)
    same_objects(ids, objects())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_ids_of_objects_in_16_bits(tmp_path, suffix):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / f"a{suffix}", objects())
    own = PictureFolder(tmp_path, instances=True)
    assert own.labels.names == ("background", "object")
    np.testing.assert_array_equal(own[0][2], objects())
    np.testing.assert_array_equal(own[0][1], objects() > 0)


def test_a_folder_called_instances_holds_objects_though_they_are_few(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "instances" / "a.png", truth())
    np.testing.assert_array_equal(PictureFolder(tmp_path, instances=True)[0][2], truth())


def square(x, y, side):
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def write_labelme(path, shapes, size=SIZE):
    value = {"version": "5", "imagePath": "a.png", "imageHeight": size[0], "imageWidth": size[1], "shapes": shapes}
    path.write_text(json.dumps(value))


def test_labelme(tmp_path):
    pictures(tmp_path, "a")
    small = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(small, format="PNG")
    write_labelme(
        tmp_path / "a.json",
        [
            {"label": "road", "points": square(0, 30, 10), "shape_type": "polygon"},
            {"label": "car", "points": [[5, 5], [15, 10]], "shape_type": "rectangle", "group_id": 7},
            {"label": "car", "points": square(20, 5, 4), "group_id": 7},
            {"label": "car", "points": [[35, 20], [35, 24]], "shape_type": "circle"},
            {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "mask",
             "mask": base64.b64encode(small.getvalue()).decode()},
            {"label": "__ignore__", "points": square(40, 30, 8)},
        ],
    )  # fmt: skip
    own = PictureFolder(tmp_path, instances=True)
    assert own.labels.names == ("background", "car", "road")
    _, mask, ids = (part.numpy() for part in own[0])
    assert (mask == 2).sum() == 100 and (mask[30:40, 0:10] == 2).all()
    assert (mask[5:10, 5:15] == 1).all() and (mask[5:9, 20:24] == 1).all() and (mask[30:38, 40:48] == 255).all()
    assert (mask[16:28, 30:40] == 1).sum() == pytest.approx(np.pi * 16, abs=4)
    assert mask[1:3, 1:3].tolist() == [[1, 0], [1, 1]]
    assert ids[6, 6] == ids[6, 21] != ids[20, 35] != 0 and len(np.unique(ids)) == 5 and (ids[mask == 255] == 0).all()


def write_coco(path, annotations, size=SIZE, **more):
    images = [{"id": 9, "file_name": "some/where/a.png", "height": size[0], "width": size[1]}]
    categories = [{"id": 40, "name": "road"}, {"id": 3, "name": "car"}]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations} | more))


def annotation(segmentation, category=3, **more):
    return {"id": 1, "image_id": 9, "category_id": category, "segmentation": segmentation} | more


def test_coco_with_parts_holes_run_lengths_and_crowds(tmp_path):
    pictures(tmp_path / "images", "a")
    crowd = np.zeros(SIZE, np.uint8)
    crowd[25:35, 2:12] = 1
    ring = np.zeros(SIZE, np.uint8)
    ring[5:20, 25:40], ring[9:14, 30:35] = 1, 0
    packed = coco_masks.encode(np.asfortranarray(ring))
    with_hole = [0, 0, 8, 0, 8, 8, 0, 8, 0, 0, 2, 2, 2, 6, 6, 6, 6, 2, 2, 2]  # a bridge from outline to hole
    write_coco(
        tmp_path / "annotations.json",
        [
            annotation([np.ravel(square(20, 30, 4)).tolist(), np.ravel(square(30, 30, 4)).tolist()], area=32),
            annotation([with_hole], area=48),
            annotation({"size": list(SIZE), "counts": packed["counts"].decode()}, 40, area=int(ring.sum())),
            annotation(segedu.masks.to_rle(crowd), 3, iscrowd=1, area=100),
        ],
    )
    own = PictureFolder(tmp_path, instances=True)
    assert own.labels.names == ("background", "car", "road")
    _, mask, ids = (part.numpy() for part in own[0])
    np.testing.assert_array_equal(mask == 2, ring)
    assert (mask[25:35, 2:12] == 1).all() and (ids[25:35, 2:12] == 0).all()
    assert ids[31, 21] == ids[31, 31] > 0 and mask[0:8, 0:8].sum() == 48 and (mask[2:6, 2:6] == 0).all()
    assert len(np.unique(ids)) == 4


def test_coco_paints_small_objects_over_large_ones(tmp_path):
    pictures(tmp_path / "images", "a")
    write_coco(
        tmp_path / "a_coco.json",
        [
            annotation([np.ravel(square(8, 8, 4)).tolist()], area=16),
            annotation([np.ravel(square(0, 0, 30)).tolist()], 40, area=900),
        ],
    )
    assert pixels(PictureFolder(tmp_path))[9, 9] == 1


@pytest.mark.parametrize("seed", range(6))
def test_compressed_run_lengths_equal_pycocotools(seed):
    chance = np.random.default_rng(seed)
    mask = (chance.random(chance.integers(1, 70, 2)) < chance.random()).astype(np.uint8)
    if seed % 2:
        mask = np.repeat(np.repeat(mask, 9, axis=0), 7, axis=1)
    rle = coco_masks.encode(np.asfortranarray(mask))
    np.testing.assert_array_equal(segedu.masks.from_rle({"size": rle["size"], "counts": rle["counts"]}), mask)
    np.testing.assert_array_equal(segedu.masks.from_rle({"size": rle["size"], "counts": rle["counts"].decode()}), mask)


@pytest.mark.parametrize(
    "values", [photo()[..., 0], np.dstack([photo(), photo()[..., 0]]), photo()[..., 0].astype(np.uint16) * 257]
)
def test_grey_transparent_and_16_bit_pictures(tmp_path, values):
    save(tmp_path / "images" / "a.png", values)
    save(tmp_path / "masks" / "a.png", truth())
    image, _ = PictureFolder(tmp_path)[0]
    grey = values // 257 if values.dtype == np.uint16 else values
    shown = values[..., :3] if values.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    assert torch.equal(image, torch.from_numpy(shown.astype(np.uint8)).permute(2, 0, 1) / 255)


def test_a_picture_that_its_camera_turned_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "images" / "a.png", np.rot90(photo()).copy(), exif=exif)
    save(tmp_path / "masks" / "a.png", truth())
    image, mask = PictureFolder(tmp_path)[0]
    assert image.shape[-2:] == mask.shape == SIZE
    assert torch.equal(image, torch.from_numpy(photo()).permute(2, 0, 1) / 255)


def test_every_page_of_a_stack_is_a_picture(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for kind, make in (("images", photo), ("masks", truth)):
        first, *rest = (Image.fromarray(make(number)) for number in range(3))
        first.save(tmp_path / kind / "stack.tif", save_all=True, append_images=rest)
    own = PictureFolder(tmp_path)
    assert own.names == ["stack page 1", "stack page 2", "stack page 3"]
    for number, (image, mask) in enumerate(own):
        assert torch.equal(image, torch.from_numpy(photo(number)).permute(2, 0, 1) / 255)
        np.testing.assert_array_equal(mask, truth(number))
    assert len(set(_groups(own))) == 1


def _groups(own):
    return [re.sub(r" page \d+$", "", name) for name in own.names]


def test_pictures_of_different_sizes_are_kept_or_made_alike(tmp_path):
    save(tmp_path / "images" / "a.png", photo(size=(60, 30)))
    save(tmp_path / "masks" / "a.png", np.zeros((60, 30), np.uint8))
    save(tmp_path / "images" / "b.png", photo())
    save(tmp_path / "masks" / "b.png", truth())
    assert [tuple(mask.shape) for _, mask in PictureFolder(tmp_path)] == [(60, 30), SIZE]
    assert {tuple(mask.shape) for _, mask in PictureFolder(tmp_path, size=(32, 36))} == {(32, 36)}
    assert [tuple(mask.shape) for _, mask in PictureFolder(tmp_path, max_side=48)] == [(48, 24), SIZE]
    with pytest.raises(ValueError, match="both say how large"):
        PictureFolder(tmp_path, size=(32, 36), max_side=48)


def test_litter_is_passed_over_and_named(tmp_path):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / "a.png", truth())
    for place in ("images/.DS_Store", "images/Thumbs.db", "images/notes.docx", "masks/.DS_Store"):
        (tmp_path / place).write_bytes(b"x")
    own = PictureFolder(tmp_path)
    assert own.names == ["a"] and {path.name for path in own.passed_over} == {".DS_Store", "Thumbs.db", "notes.docx"}


def test_pictures_without_a_mask_are_left_out_and_named(tmp_path):
    pictures(tmp_path / "images")
    save(tmp_path / "masks" / "b.png", truth())
    own = PictureFolder(tmp_path)
    assert own.names == ["b"] and [path.name for path in own.unlabelled] == ["a.png", "c.png"]


def test_it_trains(tmp_path):
    pictures(tmp_path / "images", "abcd")
    for name in "abcd":
        save(tmp_path / "masks" / f"{name}.png", truth())
    own = PictureFolder(tmp_path, size=(32, 40))
    model = segedu.models.SmallNet(len(own.labels))
    segedu.fit(model, own, own, steps=2, batch_size=2, progress=False)
    assert segedu.evaluate(model, own).counts.sum() == 4 * 32 * 40


@pytest.mark.skipif(not REAL, reason="SEGEDU_DATA names no folder that holds nuclei")
def test_real_nuclei_are_read_as_their_own_loader_reads_them():
    loader = Nuclei("test", instances=True)
    own = PictureFolder(download.find_data("nuclei") / "test", instances=True)
    assert set(own.names) == set(loader.names) and own.labels.names == ("background", "object")
    for name in loader.names[:5]:
        image, _, ids = loader[loader.names.index(name)]
        found, mask, own_ids = own[own.names.index(name)]
        assert torch.equal(own_ids, ids) and torch.equal(mask, (ids > 0).long())
        assert torch.equal(found, image.expand(3, -1, -1))


# Splits


def numbered(home, names):
    pictures(home / "images", names)
    for name in names:
        save(home / "masks" / f"{name}.png", truth())


def test_lists_of_names_divide(tmp_path):
    numbered(tmp_path, ["a", "b", "c", "d"])
    (tmp_path / "train.txt").write_text("a\nimages/c.png masks/c.png\n")
    (tmp_path / "val.txt").write_text("d\n\n")
    assert PictureFolder(tmp_path, split="train").names == ["a", "c"]
    assert PictureFolder(tmp_path, split="val").names == ["d"]
    with pytest.raises(ValueError, match=r"lists for train, val; .* lacks test\.txt"):
        PictureFolder(tmp_path, split="test")
    (tmp_path / "val.txt").write_text("d\nz\n")
    with pytest.raises(ValueError, match=r"val\.txt lists 1 pictures that are not there with a mask, first 'z'"):
        PictureFolder(tmp_path, split="val")


@pytest.mark.parametrize("order", ["train/images", "images/train"])
def test_folders_of_splits(tmp_path, order):
    for number, split in enumerate(("train", "val")):
        pictures(tmp_path / order.replace("train", split), ["a", f"n{number}"])
        for name in ("a", f"n{number}"):
            save(tmp_path / order.replace("train", split).replace("images", "masks") / f"{name}.png", truth(number))
    assert PictureFolder(tmp_path, split="val").names == ["a", "n1"]
    np.testing.assert_array_equal(pixels(PictureFolder(tmp_path, split="val")), truth(1))
    assert PictureFolder(tmp_path).names == ["train/a", "train/n0", "val/a", "val/n1"]
    assert "none for 'test'" in problems(tmp_path, split="test")[0]


def test_a_group_stays_in_one_part(tmp_path):
    names = [f"patient{p}_slice{s}" for p in range(10) for s in range(4)]
    numbered(tmp_path, names)
    parts = {split: PictureFolder(tmp_path, split=split, group=r"patient\d+").names for split in ("train", "val")}
    assert sorted(parts["train"] + parts["val"]) == sorted(names)
    patients = [{name.split("_")[0] for name in part} for part in parts.values()]
    assert not patients[0] & patients[1] and len(patients[1]) == 2
    with pytest.raises(ValueError, match=r"finds nothing in the name 'patient0_slice0'"):
        PictureFolder(tmp_path, split="val", group="film")
    with pytest.raises(ValueError, match="no regular expression"):
        PictureFolder(tmp_path, split="val", group="(")


def test_pages_of_a_stack_are_one_group(tmp_path):
    for kind, make in (("images", photo), ("masks", truth)):
        (tmp_path / kind).mkdir()
        for stack in range(5):
            first, *rest = (Image.fromarray(make(number)) for number in range(3))
            first.save(tmp_path / kind / f"s{stack}.tif", save_all=True, append_images=rest)
    names = PictureFolder(tmp_path, split="val").names
    assert len(names) == 3 and len({name[:2] for name in names}) == 1


def test_names_that_look_like_one_film_are_warned_of(tmp_path):
    numbered(tmp_path, [f"frame{n:03}" for n in range(12)])
    with pytest.warns(UserWarning, match=r"12 names are 'frame' with running numbers.*group="):
        PictureFolder(tmp_path, split="train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PictureFolder(tmp_path)
        PictureFolder(tmp_path, split="train", group=r"\d$")


# What does not fit


def test_all_problems_are_told_at_once(tmp_path):
    numbered(tmp_path, ["a", "b", "c", "d"])
    save(tmp_path / "masks" / "lonely.png", truth())
    (tmp_path / "images" / "b.png").write_bytes((tmp_path / "images" / "b.png").read_bytes()[:500])
    save(tmp_path / "masks" / "c.png", truth()[:20])
    found = problems(tmp_path, labels=ROAD)
    assert len(found) == 3, found
    for sentence, words in zip(sorted(found), ["b.png cannot be read", "c.png is 20 × 48", "'lonely'"], strict=True):
        assert words in sentence
    with pytest.raises(FolderError, match="has 3 problems:\n- "):
        PictureFolder(tmp_path, labels=ROAD)
    rest = PictureFolder(tmp_path, labels=ROAD, strict=False)
    assert rest.names == ["a", "d"] and rest.problems == found


def a_mask(tmp_path, values, name="a.png", **options):
    pictures(tmp_path / "images", "a")
    save(tmp_path / "masks" / name, values, **options)


def exif(turn):
    data = Image.Exif()
    data[0x0112] = turn
    return data


def coco_of(home, *annotations, picture="a"):
    pictures(home / "images", picture)
    write_coco(home / "c.json", list(annotations))


def labelme_of(home, shape, size=SIZE):
    pictures(home, "a")
    write_labelme(home / "a.json", [shape], size)


def turned(home, mask, turn, values):
    a_mask(home, mask)
    save(home / "images" / "a.png", values, exif=exif(turn))


def stack_with_one_mask(home):
    a_mask(home, truth(), "a.tif")
    (home / "images" / "a.png").unlink()
    first, second = (Image.fromarray(photo(number)) for number in range(2))
    first.save(home / "images" / "a.tif", save_all=True, append_images=[second])


def file_of_a(home, place, values):
    pictures(home / "images", "a")
    save(home / "masks" / place, values)


def legend_of(home, text):
    a_mask(home, truth())
    (home / "labels.txt").write_text(text)


TRIANGLE = [[0, 0, 5, 0, 5, 5]]
FAULTS = {
    "a JPEG": (lambda p: a_mask(p, truth(), "a.jpg"), r"a\.jpg is a JPEG, which keeps no exact values"),
    "colours without a legend": (lambda p: a_mask(p, ROAD.palette[truth()]), r"drawn in colours.*labels\.txt"),
    "another size": (lambda p: a_mask(p, truth().T.copy()), "48 × 40.*Height and width are exchanged"),
    "two of one name": (
        lambda p: (a_mask(p, truth()), save(p / "images" / "a.jpg", photo())),
        "have one name; take one away",
    ),
    "two masks": (lambda p: (a_mask(p, truth()), save(p / "masks" / "a_mask.png", truth())), "both the mask of 'a'"),
    "capitals": (
        lambda p: (a_mask(p, truth()), save(p / "masks" / "B.png", truth()), pictures(p / "images", "b")),
        "There is 'b': capitals count",
    ),
    "no picture": (lambda p: (p / "images").mkdir(), "holds no picture. What is read: images/a.jpg"),
    "no mask": (lambda p: pictures(p / "images"), "holds 3 pictures and no mask"),
    "a mask turned upside down": (lambda p: turned(p, truth(), 3, photo()), "does not tell whether"),
    "a mask of the picture as stored": (
        lambda p: turned(p, np.rot90(truth()).copy(), 6, np.rot90(photo()).copy()),
        "the picture was turned upright as the EXIF",
    ),
    "another number of pages": (stack_with_one_mask, "2 pages, its mask a.tif 1"),
    "12 bits in 16": (
        lambda p: (a_mask(p, truth()), save(p / "images" / "a.png", np.full(SIZE, 4000, np.uint16))),
        "almost black",
    ),
    "all void": (lambda p: a_mask(p, np.full(SIZE, 255, np.uint8)), ""),
    "an empty legend": (lambda p: legend_of(p, "# nothing\n"), "holds no class"),
    "a legend with a hole": (lambda p: legend_of(p, "sky,1,2,3\nroad\n"), "1 colours for 2 classes"),
    "a legend of sentences": (lambda p: legend_of(p, "sky,1,2\n"), r"line 1: 'sky,1,2' is no class"),
    "a legend that lacks a class": (lambda p: legend_of(p, "sky\nroad\n"), "without a class: 2 in"),
    "smoothed edges in a class's file": (lambda p: file_of_a(p, "car/a.png", photo()[..., 0]), "one other value"),
    "an object's file of another size": (lambda p: file_of_a(p, "a/1.png", truth()[:9] > 0), "is 9 × 48, its"),
    "LabelMe: a line": (
        lambda p: labelme_of(p, {"label": "car", "points": [[1, 1], [2, 2]], "shape_type": "line"}),
        "is a line, which encloses no pixel",
    ),
    "LabelMe: no name": (lambda p: labelme_of(p, {"label": " ", "points": square(1, 1, 5)}), "no label"),
    "LabelMe: another size": (
        lambda p: labelme_of(p, {"label": "c", "points": square(1, 1, 5)}, (80, 96)),
        "drawn on a picture of 80 × 96",
    ),
    "LabelMe: cut short": (lambda p: (pictures(p, "a"), (p / "a.json").write_text('{"shapes": [')), "is no JSON"),
    "COCO: a box only": (lambda p: coco_of(p, annotation([], bbox=[1, 2, 3, 4])), "no outline"),
    "COCO: another picture": (lambda p: coco_of(p, annotation(TRIANGLE), picture="b"), "belongs to a picture 'a'"),
    "COCO: unknown category": (
        lambda p: coco_of(p, annotation(TRIANGLE, 8)),
        "category 8, which the file does not list",
    ),
    "COCO: unknown picture": (
        lambda p: coco_of(p, annotation(TRIANGLE, image_id=1)),
        "picture 1, which the file does not list",
    ),
    "COCO: run lengths of another size": (
        lambda p: coco_of(p, annotation({"size": [2, 2], "counts": [4]})),
        "run lengths fill 2 × 2",
    ),
    "COCO: two files": (lambda p: (coco_of(p), write_coco(p / "d.json", [])), "several COCO"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_sentence(tmp_path, fault):
    make, words = FAULTS[fault]
    make(tmp_path)
    if not words:  # 255 everywhere: an object that fills the picture, since only 0 and 255 occur
        assert (pixels(PictureFolder(tmp_path)) == 1).all()
        return
    found = problems(tmp_path)
    assert len(found) == 1 and re.search(words, found[0]), found
    assert str(tmp_path) in found[0]


def test_a_class_that_the_label_table_lacks(tmp_path):
    pictures(tmp_path, "a")
    write_labelme(tmp_path / "a.json", [{"label": "cra", "points": square(1, 1, 5)}])
    assert "class 'cra', which the label table lacks; it has sky, road, car" in problems(tmp_path, labels=ROAD)[0]


def test_what_is_asked_wrongly(tmp_path):
    with pytest.raises(NotADirectoryError, match="There is no folder"):
        PictureFolder(tmp_path / "nothing")
    numbered(tmp_path, ["a"])
    with pytest.raises(ValueError, match="split='dev' is unknown; PictureFolder has 'train', 'val', 'test'"):
        PictureFolder(tmp_path, split="dev")
    with pytest.raises(ValueError, match="no list test.txt and no folder test"):
        PictureFolder(tmp_path, split="test")
    with pytest.raises(ValueError, match="split='train' of .* is empty"):
        PictureFolder(tmp_path, split="train")
    with pytest.raises(ValueError, match="knows no single objects"):
        PictureFolder(tmp_path, instances=True)[0]


# Parts of one reading


def labelled_folder(folder, names):
    for number, name in enumerate(names):
        home, _, stem = name.rpartition("/")
        save(folder / home / "images" / f"{stem}.png", photo(number))
        save(folder / home / "masks" / f"{stem}.png", palette(truth(number)))


@pytest.mark.parametrize("names", [list("abcdefghij"), ["train/a", "train/b", "val/a", "test/c"]])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_part_is_what_the_split_alone_is(tmp_path, names, split):
    labelled_folder(tmp_path, names)
    transform = segedu.transforms.resize((20, 24))
    part = PictureFolder(tmp_path, max_side=40).part(split, transform=transform)
    alone = PictureFolder(tmp_path, split=split, max_side=40, transform=transform)
    assert [name.rpartition("/")[2] for name in part.names] == alone.names and len(part) == len(alone) > 0
    for one, other in zip(part, alone, strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    assert part.labels == alone.labels


def test_parts_that_are_read_in_turn_keep_to_their_own_pictures(tmp_path):
    labelled_folder(tmp_path, list("abcdefghij"))
    whole = PictureFolder(tmp_path)
    train, val = (whole.part(split) for split in ("train", "val"))
    truths = dict(zip(whole.names, PictureFolder(tmp_path), strict=True))
    for data in (whole, train, val):  # each keeps what it has read by its place in it
        for name, (image, mask) in zip(data.names, data, strict=True):
            assert torch.equal(image, truths[name][0]) and torch.equal(mask, truths[name][1])


def test_a_part_has_its_groups_and_leaves_the_whole_as_it_is(tmp_path):
    labelled_folder(tmp_path, [f"{film}{number}" for film in "xyz" for number in range(4)])
    whole = PictureFolder(tmp_path)
    parts = [whole.part(split, group=r"^.") for split in ("train", "val")]
    assert [len(part) for part in (whole, *parts)] == [12, 8, 4]
    assert parts[1].names == PictureFolder(tmp_path, split="val", group=r"^.").names
    with pytest.raises(ValueError, match="there are .train. and .val."):
        whole.part("test")
    with pytest.raises(ValueError, match="unknown"):
        whole.part("all")


def test_a_divided_folder_has_no_part_that_it_lacks_and_one_table_for_all(tmp_path):
    labelled_folder(tmp_path, ["train/a", "val/a"])
    save(tmp_path / "val" / "masks" / "a.png", palette(truth(0, 2)))
    whole = PictureFolder(tmp_path)
    assert len(whole.part("val").labels) == 3 and len(PictureFolder(tmp_path, split="val").labels) == 2
    with pytest.raises(FolderError, match="no folder 'test'"):
        whole.part("test")


def test_each_sound_mask_is_read_once(tmp_path, monkeypatch):
    labelled_folder(tmp_path, list("abcde"))
    opened = []
    kept = folder_truth.decoded
    monkeypatch.setattr(folder_truth, "decoded", lambda path, page=None: opened.append(path) or kept(path, page))
    whole = PictureFolder(tmp_path)
    for split in ("train", "val"):
        whole.part(split)
    assert len(opened) == 10 and len(set(opened)) == 10
