"""Pets and VOC through torchvision's loaders, in made-up folders of their layout; nothing is fetched unless asked."""

import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as torchvision_datasets
from torchvision.datasets import oxford_iiit_pet
from torchvision.datasets import voc as voc_module

import segedu
from segedu import transforms
from segedu.datasets import VOC, Pets
from segedu.download import DataMissing
from segedu.masks import MaskError
from segedu.models import QuickUNet

SIZES = ((30, 40), (33, 35))  # of the pictures in turn, height and width


def picture(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    size = SIZES[number % 2]
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)
    return size


@pytest.fixture
def pets(stored):
    """The folder above a made-up oxford-iiit-pet: 20 pictures of trainval and 3 of test; a pet with a border."""
    folder = stored("oxford-iiit-pet")
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    lists = {"trainval": [f"Bengal_{n}" for n in range(20)], "test": [f"beagle_{n}" for n in range(3)]}
    for listed, names in lists.items():
        lines = [f"{name} {1 + name.startswith('beagle')} 1 1\n" for name in names]
        (folder / "annotations" / f"{listed}.txt").write_text("".join(lines))
        for number, name in enumerate(names):
            size = picture(folder / "images" / f"{name}.jpg", number)
            trimap = np.full(size, 2, np.uint8)
            trimap[5:25, 5:30], trimap[6:24, 6:29] = 3, 1
            Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
    return folder.parent


@pytest.fixture
def voc(stored):
    """The folder above a made-up VOCdevkit: 4 pictures of train, 2 of val; masks with VOC's own palette."""
    folder = stored("VOCdevkit") / "VOC2012"
    (folder / "SegmentationClass").mkdir(parents=True)
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    names = [f"2007_{n:06}" for n in range(6)]
    for listed, part in {"train": names[:4], "val": names[4:], "trainval": names}.items():
        (folder / "ImageSets" / "Segmentation" / f"{listed}.txt").write_text("".join(f"{name}\n" for name in part))
    for number, name in enumerate(names):
        size = picture(folder / "JPEGImages" / f"{name}.jpg", number)
        ids = np.zeros(size, np.uint8)
        ids[4:20, 4:20], ids[5:19, 5:19] = 255, 15 + number
        mask = Image.fromarray(ids)
        mask.putpalette([value % 256 for value in range(768)])
        mask.save(folder / "SegmentationClass" / f"{name}.png")
    return folder.parent.parent


def test_a_trimap_becomes_background_pet_and_void(pets):
    image, mask = Pets("test")[1]
    assert image.shape == (3, *SIZES[1]) and image.dtype == torch.float32 and mask.dtype == torch.int64
    assert (mask[6:24, 6:29] == 1).all() and (mask[5, 5:30] == 255).all() and (mask[:5] == 0).all()
    assert np.array_equal(
        (image * 255).round().permute(1, 2, 0), Image.open(pets / "oxford-iiit-pet/images/beagle_1.jpg")
    )


def test_pets_are_divided_by_name_and_nothing_is_in_two_parts(pets):
    train, val, test = (set(Pets(split).names) for split in ("train", "val", "test"))
    assert not train & val and len(train | val) == 20 and test == {"beagle_0", "beagle_1", "beagle_2"}
    assert val == {name for name in train | val if zlib.crc32(name.encode()) % 10 == 0} and val


def test_voc_keeps_its_ids_and_its_void(voc):
    data = VOC("val")
    assert data.names == ["2007_000004", "2007_000005"]
    image, mask = data[1]
    assert image.shape == (3, *SIZES[1]) and (mask[5:19, 5:19] == 20).all() and (mask[4, 4:20] == 255).all()
    assert (
        len(data.labels) == 21
        and data.labels.names[20] == "tv monitor"
        and len(VOC("train")) == 4
        and len(VOC("trainval")) == 6
    )


def test_all_pictures_of_one_size_for_a_network_and_a_transform(voc):
    data = VOC("train", size=(32, 32), transform=transforms.augment((32, 32)))
    assert {tuple(mask.shape) for _, mask in data} == {(32, 32)}
    history = segedu.fit(QuickUNet(21, width=2, depth=2), data, steps=2, batch_size=2, progress=False)
    assert len(history.loss) == 2


@pytest.mark.parametrize(("loader", "folder"), [(Pets, "oxford-iiit-pet"), (VOC, "VOCdevkit")])
def test_what_is_missing_is_said_with_the_line_that_brings_it_and_nothing_is_fetched(
    stored, monkeypatch, tmp_path, loader, folder
):
    stored(folder)
    fetched = []
    for module in (oxford_iiit_pet, voc_module):
        monkeypatch.setattr(module, "download_and_extract_archive", lambda *given, **named: fetched.append(given))
    with pytest.raises(DataMissing, match=rf"not on this machine.*datasets.{loader.__name__}\('train', download=True"):
        loader()
    with pytest.raises(DataMissing, match="not in .*root="):
        loader(root=tmp_path)
    assert not fetched
    with pytest.raises(DataMissing, match="is incomplete"):  # the server of this test sends nothing
        loader(root=tmp_path / "new", download=True)
    assert fetched


def test_a_list_that_is_not_there(voc):
    (voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DataMissing, match="is incomplete"):
        VOC("val")


def test_wrong_splits_values_sizes_and_damaged_files_are_told(pets, voc):
    with pytest.raises(ValueError, match="VOC has 'train', 'val', 'trainval'"):
        VOC("test")
    with pytest.raises(ValueError, match="Pets has"):
        Pets("trainval")
    trimap = pets / "oxford-iiit-pet/annotations/trimaps/beagle_0.png"
    Image.fromarray(np.full(SIZES[0], 7, np.uint8)).save(trimap)
    with pytest.raises(MaskError, match="and no 7"):
        Pets("test")[0]
    Image.fromarray(np.full((9, 9), 2, np.uint8)).save(trimap)
    with pytest.raises(MaskError, match="beagle_0"):
        Pets("test")[0]
    mask = voc / "VOCdevkit/VOC2012/SegmentationClass/2007_000004.png"
    Image.fromarray(np.full(SIZES[0], 30, np.uint8)).save(mask)
    with pytest.raises(MaskError, match="2007_000004"):
        VOC("val")[0]
    photograph = voc / "VOCdevkit/VOC2012/JPEGImages/2007_000005.jpg"
    photograph.write_bytes(photograph.read_bytes()[:200])
    with pytest.raises(OSError, match="2007_000005 of .*cannot be read"):
        VOC("val")[1]


def test_they_are_torchvisions_pictures(pets, voc):
    theirs = torchvision_datasets.VOCSegmentation(str(voc), "2012", "train")
    ours = VOC("train")
    assert len(ours) == len(theirs)
    for (image, mask), (picture_there, mask_there) in zip(ours, theirs, strict=True):
        assert np.array_equal((image * 255).round().permute(1, 2, 0), picture_there)
        assert np.array_equal(mask, mask_there)
    theirs = torchvision_datasets.OxfordIIITPet(str(pets), "test", "segmentation")
    for (_, mask), (_, trimap) in zip(Pets("test"), theirs, strict=True):
        assert np.array_equal(mask == 1, np.array(trimap) == 1) and np.array_equal(mask == 255, np.array(trimap) == 3)
