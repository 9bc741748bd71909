"""Networks beside motion and spatial repair: where they are used, and that they do no harm."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from concealer.damage import Damage, DamageMap
from concealer.picture import Picture
from concealer.repair import Repairer
from concealer.repair.crops import Square, cut, inside, paste, tile
from concealer.repair.generative import CallCosts, GenerativeRepair
from concealer.repair.regions import regions
from concealer.repair.site import Site
from concealer.repair.tracks import LONGEST_PAUSE, Tracks
from engines import Options, from_onnx, open_engine
from tests.repair.test_repairer import FORMATS, assert_received_unchanged, blocks, damaged, hole_psnr, picture

SIDE = 64
GRAPHS = Path(__file__).resolve().parent.parent / "engines" / "graphs"
Array = Any


@dataclass(frozen=True)
class Port:
    name: str
    shape: tuple[int, ...]


@dataclass
class Knowing:
    """A network that has seen the clean picture: the best there can be. noise: how far it is off, 8-bit scale."""

    clean: Picture
    squares: Sequence[Square]
    noise: float = 0.0
    wait: float = 0.0
    recurrent: bool = False
    structured: bool = False
    seen: list[dict[str, Array]] = field(default_factory=list)

    @property
    def inputs(self) -> list[Port]:
        ports = [Port("damaged", (3, SIDE, SIDE)), Port("mask", (1, SIDE, SIDE))]
        if self.structured:
            ports.append(Port("structure", (3, SIDE, SIDE)))
        return ports + ([Port("state_h", (2,))] if self.recurrent else [])

    @property
    def states(self) -> Mapping[str, str]:
        return {"state_h": "next_state_h"} if self.recurrent else {}

    def run(self, batch: Mapping[str, Array], /) -> dict[str, Array]:
        self.seen.append(dict(batch))
        time.sleep(self.wait)
        whole = DamageMap(self.clean.width, self.clean.height)
        whole.mark(np.ones_like(whole.state, bool), Damage.LOST)
        region = regions(whole.hole, self.clean.width, self.clean.height)[0]
        site = Site(self.clean, whole, region, coarse=False)
        nothing = np.zeros(site.window_hole.shape, bool)
        image, _ = cut(site, list(self.squares)[: len(batch["damaged"])], nothing, SIDE)
        image += np.random.default_rng(3).normal(0, self.noise / 127.5, image.shape).astype(np.float32)
        made = {"image": image}
        if self.recurrent:
            made["next_state_h"] = batch["state_h"] + 1
        return made


def place(clean: Picture, row: int, column: int) -> list[Square]:
    return [Square(16 * row - 24, 16 * column - 24, SIDE)]


def knowing(clean: Picture, squares: Sequence[Square], **options: Any) -> tuple[Knowing, GenerativeRepair]:
    network = Knowing(clean, squares, **options)
    return network, GenerativeRepair(network, locate=lambda *_: squares)


HOLE = (slice(4, 5), slice(5, 6))


def cut_scene() -> tuple[Picture, list[Picture], list[Square]]:
    clean = picture(2)
    return clean, [picture(t, seed=99) for t in (0, 1)], place(clean, 4, 5)


@pytest.mark.parametrize("with_references", [True, False])
def test_used_where_nothing_can_be_predicted_from(with_references: bool) -> None:
    clean, old, squares = cut_scene()
    results = {}
    for name in ("with", "without"):
        network, generative = knowing(clean, squares)
        repair = Repairer(generative=generative if name == "with" else None)
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        outcome = repair(fixed, damage, old if with_references else [])
        results[name] = hole_psnr(fixed, clean, damage)
        assert outcome.method == ("generative" if name == "with" else "spatial")
        assert_received_unchanged(fixed, clean, damage)
    assert results["with"] > results["without"] + 6.0


def test_a_fair_network_is_mixed_into_a_spatial_fill_deep_inside_the_hole() -> None:
    clean = picture(2)
    for plane in clean.planes:
        plane[...] = cv2.GaussianBlur(plane, (0, 0), 10.0)
    hole = blocks(clean, slice(4, 6), slice(5, 7))
    plain, damage = damaged(clean, hole)
    Repairer()(plain, damage, [])
    _, generative = knowing(clean, [Square(48, 64, SIDE)], noise=20.0)
    fixed, _ = damaged(clean, hole)
    outcome = Repairer(generative=generative)(fixed, damage, [])
    assert 0.85 < outcome.detail["fit_network"] < 2.5
    assert outcome.method == "spatial" and 0.1 < outcome.detail["share_of_network"] < 0.4
    changed = np.abs(fixed.planes[0].astype(int) - plain.planes[0])
    rows, cols = slice(64, 96), slice(80, 112)
    assert changed[rows, cols][0].mean() < 0.2 * changed[rows, cols][15].mean()
    assert hole_psnr(fixed, clean, damage) > hole_psnr(plain, clean, damage) + 0.5
    assert_received_unchanged(fixed, clean, damage)


def test_used_where_motion_fails_within_a_scene() -> None:
    clean = picture(2, (40.0, 0.0))
    references = [picture(0), picture(1, seed=1)]
    rng = np.random.default_rng(0)
    for reference in references:
        for plane in reference.planes:
            plane[...] = np.clip(plane + rng.normal(0, 25, plane.shape), 0, 255)
    hole = blocks(clean, *HOLE)
    plain, damage = damaged(clean, hole)
    Repairer("motion")(plain, damage, references)
    _, generative = knowing(clean, place(clean, 4, 5))
    fixed, _ = damaged(clean, hole)
    outcome = Repairer(generative=generative)(fixed, damage, references)
    assert outcome.method == "generative"
    assert outcome.detail["fit_network"] < 0.7
    assert hole_psnr(fixed, clean, damage) > hole_psnr(plain, clean, damage) + 3.0
    assert_received_unchanged(fixed, clean, damage)


@pytest.mark.parametrize("references", ["same scene", "other scene", "none"])
def test_a_bad_network_changes_nothing(references: str) -> None:
    clean = picture(2, (8.0, 0.0))
    given = {
        "same scene": [picture(t, (4.0 * t, 0.0)) for t in (0, 1)],
        "other scene": [picture(t, seed=99) for t in (0, 1)],
        "none": [],
    }[references]
    fixed, plain = (damaged(clean, blocks(clean, *HOLE))[0] for _ in range(2))
    _, damage = damaged(clean, blocks(clean, *HOLE))
    network, generative = knowing(clean, place(clean, 4, 5), noise=80.0)
    outcome = Repairer(generative=generative)(fixed, damage, given)
    assert outcome.method == Repairer()(plain, damage, given).method
    assert all(np.array_equal(a, b) for a, b in zip(fixed.planes, plain.planes, strict=True))
    assert bool(network.seen) == (references != "same scene")  # good motion is not even doubted


def test_the_network_does_not_see_what_it_is_judged_on() -> None:
    clean, old, squares = cut_scene()
    network, generative = knowing(clean, squares)
    fixed, damage = damaged(clean, blocks(clean, *HOLE))
    Repairer(generative=generative)(fixed, damage, old)
    mask, shown = network.seen[0]["mask"][0, 0], network.seen[0]["damaged"][0]
    assert mask.sum() == (16 + 2 * 8) ** 2
    assert not shown[:, mask > 0].any()
    assert np.abs(shown).max() <= 1.0


def test_states_follow_the_place_and_end_with_the_scene() -> None:
    squares = place(picture(0), 4, 5)
    network = Knowing(picture(0), squares, recurrent=True)
    generative = GenerativeRepair(network, locate=lambda *_: squares)
    repair = Repairer("generative", generative=generative)
    for order in range(2, 6):
        clean = picture(order)
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        repair(fixed, damage, [picture(order - 1)])
    assert [int(batch["state_h"][0, 0]) for batch in network.seen] == [0, 1, 2, 3]
    other = picture(6, seed=50)
    fixed, damage = damaged(other, blocks(other, *HOLE))
    repair(fixed, damage, [picture(5)])
    assert int(network.seen[-1]["state_h"][0, 0]) == 0


def test_tracks_match_by_place_and_forget_with_time() -> None:
    tracks = Tracks({"state_h": (2,)})
    here, near, far = Square(0, 0, 64), Square(6, 4, 64), Square(0, 300, 64)
    tracks.remember([here, far], 1, {"state_h": np.array([[1, 1], [2, 2]], np.float32)})
    assert tracks.recall([near, far, Square(500, 0, 64)], 2)["state_h"][:, 0].tolist() == [1, 2, 0]
    tracks.remember([near], 2, {"state_h": np.array([[5, 5]], np.float32)})
    assert len(tracks) == 2
    assert tracks.recall([here], 3)["state_h"][0, 0] == 5
    assert not tracks.recall([far], 2 + LONGEST_PAUSE)["state_h"].any()
    tracks.forget()
    assert not tracks.recall([here], 3)["state_h"].any()


def test_a_network_that_fails_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    clean, old, squares = cut_scene()
    network, generative = knowing(clean, squares)
    calls = []

    def fail(*_: Any) -> Any:
        calls.append(1)
        raise RuntimeError("device lost")

    network.run = fail  # type: ignore[method-assign]
    repair = Repairer(generative=generative)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            fixed, damage = damaged(clean, blocks(clean, *HOLE))
            assert repair(fixed, damage, old).method == "spatial"
    assert len(calls) == len(caplog.records) == 1
    assert "device lost" in caplog.text


def test_structure_is_given_and_squares_without_a_face_are_not_used() -> None:
    clean, old, squares = cut_scene()
    network = Knowing(clean, squares, structured=True)
    face = [True]

    class Given:
        forgotten = 0

        def __call__(self, pictures: Array, masks: Array, squares: Any, order: int, /) -> tuple[Array, Array]:
            assert len(squares) == len(pictures) and order == clean.order
            return np.full_like(pictures, 0.5), np.array(face * len(pictures))

        def forget(self) -> None:
            self.forgotten += 1

    structure = Given()
    with pytest.raises(ValueError, match="structure"):
        GenerativeRepair(network)
    repair = Repairer(generative=GenerativeRepair(network, locate=lambda *_: squares, structure=structure))
    for face[0], method in ((True, "generative"), (False, "spatial")):
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        assert repair(fixed, damage, old).method == method
    assert (network.seen[0]["structure"] == 0.5).all()
    forgotten = structure.forgotten
    repair.generative.forget()  # type: ignore[union-attr]
    assert structure.forgotten == forgotten + 1


def test_no_time_no_network() -> None:
    clean, old, squares = cut_scene()
    network, generative = knowing(clean, squares, wait=0.2)
    repair = Repairer(deadline_ms=100.0, generative=generative)
    methods = []
    for _ in range(3):
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        methods.append(repair(fixed, damage, old).method)
    assert len(network.seen) == 1  # to learn what it costs
    assert methods[1:] == ["spatial", "spatial"]


def test_rehearsal_bars_a_network_that_is_too_slow() -> None:
    clean, old, squares = cut_scene()
    network, generative = knowing(clean, squares, wait=0.05)
    generative.rehearse()
    rehearsed = len(network.seen)
    fixed, damage = damaged(clean, blocks(clean, *HOLE))
    assert Repairer(deadline_ms=45.0, generative=generative)(fixed, damage, old).method == "spatial"
    assert len(network.seen) == rehearsed


def test_a_network_that_never_fits_is_tried_more_and_more_rarely() -> None:
    clean, old, squares = cut_scene()
    network, generative = knowing(clean, squares, noise=80.0)
    repair = Repairer(generative=generative)
    tried = []
    for _ in range(40):
        before = len(network.seen)
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        repair(fixed, damage, old)
        tried.append(len(network.seen) > before)
    assert [index for index, was in enumerate(tried) if was] == [0, 1, 4, 11, 26]
    network.noise = 0.0
    for _ in range(40):
        fixed, damage = damaged(clean, blocks(clean, *HOLE))
        method = repair(fixed, damage, old).method
    assert method == "generative"


def test_costs_are_learnt() -> None:
    costs = CallCosts()
    assert costs.affordable(5, None) == 5
    assert costs.affordable(5, 100.0) == 1
    assert costs.affordable(5, 10.0) == 0
    for _ in range(50):
        costs.learn(1, 10.0)
        costs.learn(4, 20.0)
    assert costs.affordable(4, 26.0) == 4
    assert costs.affordable(8, 51.0) == 8
    assert costs.affordable(8, 33.0) == 5
    assert costs.affordable(4, 13.0) == 1
    assert costs.affordable(4, 5.0) == 0
    for _ in range(200):
        costs.affordable(4, 6.0)
    assert costs.affordable(4, 6.0) > 0  # it gets another chance
    costs.learn(1, 10.0)
    steady = costs.expected(1)
    costs.learn(1, 60.0)
    assert costs.expected(1) > steady + 20.0


@pytest.mark.parametrize("form", FORMATS)
def test_any_format_through_a_real_engine(form: str) -> None:
    options = FORMATS[form]
    clean = picture(2, (8.0, 4.0), **options)  # type: ignore[arg-type]
    row = -(-clean.height // 16) // 2
    with open_engine(from_onnx(GRAPHS / "fill.onnx"), "openvino", Options("fp32", (1, 2, 4))) as engine:
        repair = Repairer("generative", generative=GenerativeRepair(engine))
        fixed, damage = damaged(clean, blocks(clean, slice(row, row + 1)))
        outcome = repair(fixed, damage, [])
    assert outcome.method == "generative"
    assert outcome.detail["share_of_network"] > 0.999
    mask = damage.hole_pixels()
    scale = 1 << (clean.bit_depth - 8)
    flat = float(np.mean((clean.planes[0][mask] / scale - 128.0) ** 2))
    # The network only averages, so on a texture it is about as good as mid-grey: what it makes is in its place.
    assert hole_psnr(fixed, clean, damage) > 10 * np.log10(255**2 / flat) - 1.0
    assert_received_unchanged(fixed, clean, damage)


HOLES = {
    "slice": (slice(4, 6), slice(None)),
    "block": (slice(4, 5), slice(9, 10)),
    "corner": (slice(0, 2), slice(0, 1)),
    "two slices": (slice(2, 9, 6), slice(None)),
}


@pytest.mark.parametrize("where", HOLES)
@pytest.mark.parametrize("colour", [False, True])
def test_squares_cover_the_hole_and_come_back(where: str, colour: bool) -> None:
    clean = picture(2, size=(288, 352), chroma=(1, 1) if colour else None)
    if colour:
        for plane in clean.planes[1:]:
            plane[...] = 112 + plane // 8  # colours that RGB has
    _, damage = damaged(clean, blocks(clean, *HOLES[where]))
    for region in regions(damage.hole, clean.width, clean.height):
        site = Site(clean, damage, region, coarse=False)
        squares = tile(site, SIDE)
        covered = np.zeros(site.window_hole.shape, bool)
        for square in squares:
            covered |= inside(site, square)
        assert not (site.window_hole & ~covered).any()
        assert len(squares) <= (16 if where == "two slices" else 8)
        pictures, masks = cut(site, squares, np.zeros_like(covered), SIDE)
        assert not pictures[np.broadcast_to(masks > 0, pictures.shape)].any()
        luma, chroma, weight = paste(site, squares, pictures)
        assert (weight[site.window_hole] > 0).all()
        assert np.abs(luma - site.window_luma)[site.window_hole].max() < 2.5
        assert np.abs(luma - site.window_luma)[site.window_hole].mean() < 0.1
        if colour:
            assert chroma is not None and site.now.chroma is not None
            truth = site.now.chroma[site.chroma_window]
            hole = site.window_hole[::2, ::2]
            assert chroma.shape == truth.shape
            assert np.abs(chroma - truth)[hole].mean() < 0.5
        else:
            assert chroma is None


def test_wrong_networks_are_named() -> None:
    network = Knowing(picture(0), [])
    with pytest.raises(ValueError, match="needs a network"):
        Repairer("generative")
    network.__class__ = type("Other", (Knowing,), {"inputs": [Port("z", (128,))]})
    with pytest.raises(ValueError, match="damaged"):
        GenerativeRepair(network)
