"""The repairer on moving textures whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from concealer.damage import Damage, DamageMap
from concealer.picture import Picture
from concealer.repair import Repairer

Bool = npt.NDArray[np.bool_]


def texture(seed: int, rows: int, cols: int) -> npt.NDArray[np.float32]:
    """Smooth random texture, 30..225."""
    noise = np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3) + 2 * cv2.GaussianBlur(noise, (0, 0), 9)
    return np.clip(128 + 45 * soft / soft.std(), 30, 225)


def picture(
    order: int,
    place: tuple[float, float] = (0.0, 0.0),
    *,
    size: tuple[int, int] = (144, 176),
    chroma: tuple[int, int] | None = (1, 1),
    depth: int = 8,
    seed: int = 1,
    kind: str = "P",
    scene: int = 0,
) -> Picture:
    """A window onto a texture at `place` (x, y); chroma: subsampling shifts, None for gray."""
    rows, cols = size
    planes = []
    world = texture(seed, rows + 160, cols + 160)
    matrix = np.float32([[1, 0, place[0] + 80], [0, 1, place[1] + 80]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    luma = cv2.warpAffine(world, matrix, (cols, rows), flags=flags)
    planes.append(luma)
    if chroma is not None:
        tint = cv2.warpAffine(world[::-1, ::-1].copy(), matrix, (cols, rows), flags=flags)
        planes += [tint[:: 1 << chroma[1], :: 1 << chroma[0]], 255 - tint[:: 1 << chroma[1], :: 1 << chroma[0]]]
    gain, dtype = 1 << (depth - 8), np.uint8 if depth == 8 else np.uint16
    whole = tuple(np.rint(np.clip(p, 0, 255) * gain).astype(dtype) for p in planes)
    return Picture(whole, depth, order, None, kind, scene)


def damaged(clean: Picture, hole: Bool, junk: int = 0) -> tuple[Picture, DamageMap]:
    """Copy of `clean` with noise in the hole; hole: blocks."""
    damage = DamageMap(clean.width, clean.height)
    damage.mark(hole, Damage.LOST, "slice lost")
    rng = np.random.default_rng(junk)
    planes = []
    for index, plane in enumerate(clean.planes):
        mask = damage.hole_pixels(*(clean.chroma_shift() if index else (0, 0)))
        out = plane.copy()
        out[mask] = rng.integers(0, 1 << clean.bit_depth, int(mask.sum()))
        planes.append(out)
    return Picture(tuple(planes), clean.bit_depth, clean.order, None, clean.kind, clean.scene), damage


def blocks(picture: Picture, rows: slice, cols: slice = slice(None)) -> Bool:
    out = np.zeros((-(-picture.height // 16), -(-picture.width // 16)), bool)
    out[rows, cols] = True
    return out


def hole_psnr(fixed: Picture, clean: Picture, damage: DamageMap, plane: int = 0) -> float:
    mask = damage.hole_pixels(*(clean.chroma_shift() if plane else (0, 0)))
    error = (fixed.planes[plane].astype(np.float64) - clean.planes[plane])[mask] / (1 << (clean.bit_depth - 8))
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-9)))


def assert_received_unchanged(fixed: Picture, clean: Picture, damage: DamageMap) -> None:
    for index, (ours, truth) in enumerate(zip(fixed.planes, clean.planes, strict=True)):
        outside = ~damage.hole_pixels(*(clean.chroma_shift() if index else (0, 0)))
        assert np.array_equal(ours[outside], truth[outside])


FORMATS = {
    "420": {},
    "422": {"chroma": (1, 0)},
    "444": {"chroma": (0, 0)},
    "gray": {"chroma": None},
    "10-bit": {"depth": 10},
    "16-bit": {"depth": 16},
    "odd": {"size": (137, 171)},
    "odd 444": {"size": (131, 163), "chroma": (0, 0)},
    "720p": {"size": (720, 1280)},
    "odd large": {"size": (541, 963)},
    "tiny": {"size": (40, 40)},
}


@pytest.mark.parametrize("form", FORMATS)
def test_steady_motion_is_followed_and_nothing_else_touched(form: str) -> None:
    options = FORMATS[form]
    clean = picture(2, (8.0, 4.0), **options)  # type: ignore[arg-type]
    references = [picture(t, (4.0 * t, 2.0 * t), **options) for t in (0, 1)]  # type: ignore[arg-type]
    row = -(-clean.height // 16) // 2
    fixed, damage = damaged(clean, blocks(clean, slice(row, row + 1)))
    outcome = Repairer()(fixed, damage, references)
    assert outcome.method == "motion"
    assert outcome.blocks == damage.count(Damage.LOST)
    floor = 24.0 if form == "tiny" else 33.0
    assert all(hole_psnr(fixed, clean, damage, k) > floor for k in range(len(clean.planes)))
    assert_received_unchanged(fixed, clean, damage)


HOLES = {
    "top": (slice(0, 2), slice(None)),
    "bottom": (slice(-2, None), slice(None)),
    "left": (slice(None), slice(0, 2)),
    "right": (slice(None), slice(-1, None)),
    "corner": (slice(-1, None), slice(-1, None)),
    "block": (slice(4, 5), slice(5, 6)),
    "all but a block": (slice(1, None), slice(None)),
    "whole": (slice(None), slice(None)),
}


@pytest.mark.parametrize("where", HOLES)
def test_holes_of_any_place(where: str) -> None:
    clean = picture(2, (4.0, -2.0))
    references = [picture(t, (2.0 * t, -1.0 * t)) for t in (0, 1)]
    fixed, damage = damaged(clean, blocks(clean, *HOLES[where]))
    Repairer()(fixed, damage, references)
    assert hole_psnr(fixed, clean, damage) > 29.0
    assert_received_unchanged(fixed, clean, damage)


def test_scattered_blocks() -> None:
    clean = picture(2, (4.0, 0.0), size=(288, 352))
    references = [picture(t, (2.0 * t, 0.0), size=(288, 352)) for t in (0, 1)]
    hole = blocks(clean, slice(0, 0))
    hole[1::6, 1::5] = True
    fixed, damage = damaged(clean, hole)
    Repairer()(fixed, damage, references)
    assert hole_psnr(fixed, clean, damage) > 33.0
    assert_received_unchanged(fixed, clean, damage)


def test_two_far_holes_are_repaired_apart() -> None:
    clean = picture(2, (4.0, 0.0), size=(480, 640))
    references = [picture(t, (2.0 * t, 0.0), size=(480, 640)) for t in (0, 1)]
    hole = blocks(clean, slice(2, 4), slice(2, 6)) | blocks(clean, slice(-5, -3), slice(-6, -2))
    fixed, damage = damaged(clean, hole)
    Repairer()(fixed, damage, references)
    assert hole_psnr(fixed, clean, damage) > 33.0
    assert_received_unchanged(fixed, clean, damage)


def test_standing_picture_is_copied_exactly() -> None:
    clean = picture(2)
    fixed, damage = damaged(clean, blocks(clean, slice(3, 5)))
    Repairer()(fixed, damage, [picture(0), picture(1)])
    assert hole_psnr(fixed, clean, damage) > 50.0


def test_acceleration_is_seen_by_the_surroundings() -> None:
    clean = picture(2, (10.0, 0.0))
    fixed, damage = damaged(clean, blocks(clean, slice(4, 6)))
    Repairer()(fixed, damage, [picture(0, (0.0, 0.0)), picture(1, (3.0, 0.0))])
    assert hole_psnr(fixed, clean, damage) > 26.0


def sprite_picture(order: int, offset: float) -> Picture:
    """An object inside the hole rows that moves sideways over a standing ground."""
    ground = picture(order)
    ball = texture(7, 64, 64)[16:48, 16:48]
    luma = ground.planes[0].astype(np.float32)
    cols = ground.width
    moved = cv2.warpAffine(ball, np.float32([[1, 0, 40 + offset], [0, 1, 64]]), (cols, ground.height))
    mask = cv2.warpAffine(np.ones_like(ball), np.float32([[1, 0, 40 + offset], [0, 1, 64]]), (cols, ground.height))
    luma = luma * (1 - mask) + moved
    return Picture((np.rint(luma).astype(np.uint8), *ground.planes[1:]), 8, order, None, "B")


def test_future_reference_beats_past_only_for_an_accelerating_object() -> None:
    offsets = {0: 0.0, 1: 2.0, 2: 9.0, 3: 16.0}
    clean = sprite_picture(2, offsets[2])
    results = {}
    for name, orders in (("past", (0, 1)), ("both", (0, 1, 3))):
        fixed, damage = damaged(clean, blocks(clean, slice(3, 7)))
        Repairer()(fixed, damage, [sprite_picture(t, offsets[t]) for t in orders])
        results[name] = hole_psnr(fixed, clean, damage)
        assert_received_unchanged(fixed, clean, damage)
    assert results["both"] > results["past"] + 2.0


def test_only_future_references_are_used_too() -> None:
    clean = picture(0, kind="B")
    fixed, damage = damaged(clean, blocks(clean, slice(3, 5)))
    outcome = Repairer()(fixed, damage, [picture(1, (2.0, 0.0)), picture(2, (4.0, 0.0))])
    assert outcome.method == "motion"
    assert hole_psnr(fixed, clean, damage) > 33.0


def test_scene_cut_is_filled_from_the_picture_itself() -> None:
    clean = picture(2)
    old = [picture(t, seed=99) for t in (0, 1)]
    fixed, damage = damaged(clean, blocks(clean, slice(4, 5)))
    outcome = Repairer()(fixed, damage, old)
    assert outcome.method == "spatial"
    forced, _ = damaged(clean, damage.hole)
    assert Repairer("motion")(forced, damage, old).method == "motion"
    assert hole_psnr(fixed, clean, damage) > hole_psnr(forced, clean, damage) + 1.0
    assert_received_unchanged(fixed, clean, damage)


def test_fade_within_a_scene_keeps_motion() -> None:
    clean = picture(2, (4.0, 0.0))
    references = []
    for order in (0, 1):
        ref = picture(order, (2.0 * order, 0.0))
        references.append(Picture((ref.planes[0] - np.uint8(8), *ref.planes[1:]), 8, order))
    fixed, damage = damaged(clean, blocks(clean, slice(4, 6)))
    assert Repairer()(fixed, damage, references).method == "motion"


def test_no_reference_fills_smoothly() -> None:
    clean = picture(0, kind="I")
    fixed, damage = damaged(clean, blocks(clean, slice(4, 5)))
    assert Repairer()(fixed, damage, []).method == "spatial"
    flat = float(np.mean((clean.planes[0].astype(float) - 128)[damage.hole_pixels()] ** 2))
    assert hole_psnr(fixed, clean, damage) > 10 * np.log10(255**2 / flat) + 2.0
    assert_received_unchanged(fixed, clean, damage)


def test_whole_first_picture_lost_gives_mid_grey() -> None:
    clean = picture(0, kind="?", depth=10)
    fixed, damage = damaged(clean, blocks(clean, slice(None)))
    assert Repairer()(fixed, damage, []).method == "spatial"
    assert all((p == 512).all() for p in fixed.planes)


def test_references_of_other_size_or_depth_are_ignored() -> None:
    clean = picture(2)
    fixed, damage = damaged(clean, blocks(clean, slice(4, 5)))
    others = [picture(1, size=(160, 176)), picture(0, depth=10), picture(1, chroma=None)]
    assert Repairer()(fixed, damage, others).method == "spatial"


def test_broken_blocks_are_repaired_and_tainted_ones_kept() -> None:
    clean = picture(2, (4.0, 0.0))
    fixed, damage = damaged(clean, blocks(clean, slice(4, 5)))
    damage.state[4] = Damage.BROKEN
    damage.state[5] = Damage.TAINTED
    Repairer()(fixed, damage, [picture(0), picture(1, (2.0, 0.0))])
    assert hole_psnr(fixed, clean, damage) > 33.0
    assert_received_unchanged(fixed, clean, damage)


def test_no_hole_changes_nothing() -> None:
    clean = picture(2)
    before = [p.copy() for p in clean.planes]
    outcome = Repairer()(clean, DamageMap(clean.width, clean.height), [picture(1)])
    assert (outcome.method, outcome.blocks) == ("none", 0)
    assert all(np.array_equal(a, b) for a, b in zip(before, clean.planes, strict=True))


def test_strided_planes_are_edited_in_place() -> None:
    clean = picture(2, (4.0, 0.0))
    source, damage = damaged(clean, blocks(clean, slice(4, 6)))
    memory = [np.full((p.shape[0] + 8, p.shape[1] + 40), 7, np.uint8) for p in source.planes]
    views = tuple(m[4 : 4 + p.shape[0], 16 : 16 + p.shape[1]] for m, p in zip(memory, source.planes, strict=True))
    for view, plane in zip(views, source.planes, strict=True):
        view[:] = plane
    fixed = Picture(views, 8, 2, None, "P")
    Repairer()(fixed, damage, [picture(0), picture(1, (2.0, 0.0))])
    assert hole_psnr(fixed, clean, damage) > 33.0
    for m, v in zip(memory, views, strict=True):
        v[:] = 7
        assert (m == 7).all()


def test_junk_in_the_hole_does_not_matter_and_runs_repeat() -> None:
    clean = picture(2, (5.0, 1.0))
    references = [picture(0), picture(1, (2.5, 0.5))]
    outs = []
    for junk in (0, 0, 5):
        fixed, damage = damaged(clean, blocks(clean, slice(3, 6)), junk)
        Repairer()(fixed, damage, references)
        outs.append(fixed)
    for other in outs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(outs[0].planes, other.planes, strict=True))


def test_decoders_own_concealment_helps_where_it_agrees() -> None:
    clean = picture(2, (5.0, 0.0))
    references = [picture(0), picture(1, (2.0, 0.0))]
    hole = blocks(clean, slice(3, 6))
    without, damage = damaged(clean, hole)
    Repairer()(without, damage, references)
    perfect = Picture(tuple(p.copy() for p in clean.planes), 8, 2, None, "P", concealed=True)
    Repairer()(perfect, damage, references)
    assert hole_psnr(perfect, clean, damage) > hole_psnr(without, clean, damage)
    noise, _ = damaged(clean, hole)
    Repairer()(noise, damage, references)
    assert hole_psnr(noise, clean, damage) > hole_psnr(without, clean, damage) - 1.0


def test_decoders_own_is_kept_where_only_it_had_references() -> None:
    clean = picture(2, kind="P")
    fixed = Picture(tuple(p.copy() for p in clean.planes), 8, 2, None, "P", concealed=True)
    damage = DamageMap(clean.width, clean.height)
    damage.mark(blocks(clean, slice(3, 5)), Damage.LOST)
    assert Repairer()(fixed, damage, []).method == "decoder"
    assert np.array_equal(fixed.planes[0], clean.planes[0])


@pytest.mark.parametrize("method", ["auto", "motion", "spatial", "copy"])
def test_each_method_paints_only_the_hole(method: str) -> None:
    clean = picture(2, (4.0, 0.0))
    fixed, damage = damaged(clean, blocks(clean, slice(4, 6)))
    outcome = Repairer(method)(fixed, damage, [picture(0), picture(1, (2.0, 0.0))])  # type: ignore[arg-type]
    assert outcome.method == ("motion" if method == "auto" else method)
    assert_received_unchanged(fixed, clean, damage)


def test_copy_takes_the_nearest_picture_in_time() -> None:
    clean = picture(4, (4.0, 0.0), kind="B")
    near, far = picture(5, (6.0, 0.0)), picture(1)
    fixed, damage = damaged(clean, blocks(clean, slice(4, 6)))
    Repairer("copy")(fixed, damage, [far, near])
    mask = damage.hole_pixels()
    assert np.array_equal(fixed.planes[0][mask], near.planes[0][mask])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="'best'"):
        Repairer("best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 ms"):
        Repairer(deadline_ms=0)
    with pytest.raises(ValueError, match="64x64, picture 176x144"):
        Repairer()(picture(1), DamageMap(64, 64), [])
    odd = picture(1)
    with pytest.raises(ValueError, match="chroma planes"):
        bad = Picture((odd.planes[0], odd.planes[1][:5], odd.planes[2]), 8, 1)
        damage = DamageMap(176, 144)
        damage.mark(blocks(odd, slice(1, 2)), Damage.LOST)
        Repairer()(bad, damage, [])


def whole_lost(places: list[tuple[float, float]]) -> tuple[Picture, Picture, DamageMap, dict[str, float]]:
    """(repaired, clean, damage, what the report says) of the last of pictures that look at `places`."""
    *references, clean = [picture(order, place) for order, place in enumerate(places)]
    fixed, damage = damaged(clean, blocks(clean, slice(None)))
    outcome = Repairer()(fixed, damage, references)
    return fixed, clean, damage, outcome.detail


def test_motion_carried_on_into_a_lost_picture_is_believed_as_it_fared_before() -> None:
    fixed, clean, damage, steady = whole_lost([(4.0 * t, 2.0 * t) for t in range(4)])
    assert hole_psnr(fixed, clean, damage) > 32.0
    # To and fro: motion carried on would have been wrong twice as far as standing still.
    fixed, clean, damage, unsteady = whole_lost([(0.0, 0.0), (4.0, 2.0), (0.0, 0.0), (0.0, 0.0)])
    assert hole_psnr(fixed, clean, damage) > 26.0
    assert unsteady["weight_extrap"] < 0.4 < 0.9 < steady["weight_extrap"]
