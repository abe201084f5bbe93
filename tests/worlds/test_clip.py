"""ToyStreet.clip: the same bits always, ids that last, things that move, hide, leave and return; stills stay stills."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from segedu.datasets import ToyStreet
from segedu.worlds.chance import Chance
from segedu.worlds.street.motion import Motion, wave

SMALL = (48, 64)
STREETS = ToyStreet("val", size=SMALL, instances=True)
FROZEN = "d2f9f34254ab4244"


@pytest.fixture(scope="module")
def clip():
    """(masks, ids) of six seconds of one street, each (T, H, W)."""
    masks, ids = zip(*((mask.numpy(), ids.numpy()) for _, mask, ids in STREETS.clip(60, 1)), strict=True)
    return np.stack(masks), np.stack(ids)


def test_frame_0_shows_the_street_and_all_frames_are_frozen():
    total = hashlib.sha256()
    for frame in (0, 17):
        for part in STREETS.clip(20, 1)._read(frame):
            total.update(np.ascontiguousarray(part).tobytes())
    assert total.hexdigest()[:16] == FROZEN
    first, still = STREETS.clip(1, 2)[0], STREETS[2]
    assert torch.equal(first[1], still[1]) and torch.equal(first[2], still[2])
    assert (first[0] - still[0]).abs().mean() < 0.05, "but for the camera's noise"


def test_a_frame_does_not_depend_on_the_others():
    long, short = STREETS.clip(30, 3), STREETS.clip(8, 3)
    assert len(long) == 30 and len(short) == 8
    assert all(torch.equal(*pair) for pair in zip(long[7], short[7], strict=True))
    every_second = STREETS.clip(8, 3, rate=5)
    assert torch.equal(every_second[3][1], short[6][1])


def test_ids_last_and_each_has_one_class(clip):
    masks, ids = clip
    for number in np.unique(ids[ids > 0]):
        assert len(np.unique(masks[ids == number])) == 1, number


def test_things_move_hide_leave_and_return(clip):
    _, ids = clip
    changed = (ids[1:] != ids[:-1]).any((1, 2))
    assert changed.mean() > 0.9
    seen = {number: (ids == number).any((1, 2)) for number in np.unique(ids[ids > 0])}
    last = {number: np.flatnonzero(there)[-1] for number, there in seen.items()}
    first = {number: np.flatnonzero(there)[0] for number, there in seen.items()}
    assert min(last.values()) < 55, "some leave"
    assert max(first.values()) > 5, "some come"
    assert any(not there[first[n] : last[n]].all() for n, there in seen.items()), "some are hidden, or gone for a while"


def test_cars_share_a_speed_parked_ones_stay_and_shadows_go_along():
    scene = STREETS.scene(1)
    motion = Motion(scene, Chance(np.random.default_rng(0)))
    later = motion.at(0.5)
    assert motion.at(0.0) == scene or motion.at(0.0).camera == scene.camera
    before = {item.instance: item for item in scene.items if item.kind != "wall" and item.instance}
    after = {item.instance: item for item in later.items if item.kind != "wall" and item.instance}
    ways = {1: set(), -1: set()}
    for number, item in after.items():
        moved = item.z - before[number].z
        if item.kind == "car" and not item.parked and abs(item.turn[1]) > 0.9:
            ways[1 if moved > 0 else -1].add(round(abs(moved) / abs(item.turn[1]), 6))
        elif item.kind in ("pole", "sign", "box", "car"):
            assert (item.x, item.z) == (before[number].x, before[number].z)
    assert sorted(map(len, ways.values())) in ([0, 1], [1, 1]) and min(set.union(*ways.values())) > 1.9
    spots = {spot[:2] for spot in later.ground.spots}
    for number, item in after.items():
        if (before[number].x, before[number].z) in {spot[:2] for spot in scene.ground.spots}:
            assert (item.x, item.z) in spots


def test_parked_cars_and_shadows_are_known_by_what_they_are_not_by_where_they_stand():
    driven = set()
    for index in range(12):
        scene = STREETS.scene(index)
        aside = [replace(item, x=item.x + 0.01) if item.kind == "car" else item for item in scene.items]
        spots = [spot._replace(x=spot.x + 0.02) for spot in scene.ground.spots]
        moved = replace(scene, items=aside, ground=replace(scene.ground, spots=spots))
        later = Motion(moved, Chance(np.random.default_rng(0))).at(0.25)
        start = {item.instance: (item.x, item.z) for item in aside if item.kind != "wall" and item.instance}
        end = {item.instance: (item.x, item.z) for item in later.items if item.kind != "wall" and item.instance}
        way = {number: (x - start[number][0], z - start[number][1]) for number, (x, z) in end.items()}
        for item in later.items:
            if item.kind == "car":
                assert (way[item.instance] == (0, 0)) == item.parked
                driven.add(item.parked)
        for before, after in zip(spots, later.ground.spots, strict=True):
            if before.owner in way:
                assert (after.x - before.x, after.z - before.z) == pytest.approx(way[before.owner])
                driven.add("shadow")
    assert driven == {True, False, "shadow"}


def test_the_camera_swings_to_both_sides():
    assert [wave(p) for p in (0, 0.25, 0.5, 0.75, 1, 1.25)] == [0, 1, 0, -1, 0, 1]
    assert wave(0.125) == 0.75 and wave(0.625) == -0.75


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"frames": 3, "index": -1}, {"frames": 3, "rate": 0}])
def test_bad_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="should be at least 1, at least 0, above 0"):
        STREETS.clip(**wrong)
