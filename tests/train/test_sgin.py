"""SGIN's training: occluders, composites, label maps, losses, what the recipes leave out, editing end to end."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from concealer import face_map
from concealer.face_map import PART_COLOURS, PARTS
from concealer.networks.region_predictor import one_hot_map
from concealer.networks.weights import load_weights
from train.context import Context
from train.data.composites import composites, occlude, spoil
from train.data.masks import MASKS
from train.data.occluders import centre_70, hand, hand_mask, object_mask, thing
from train.data.regions import label_maps
from train.data.split import OWN_ARCHIVES, split
from train.data.synthetic import synthetic_faces, synthetic_landmarks
from train.measures import multi_scale_ssim, perceptual_distance, rmse, ssim
from train.recipes import RECIPES, smoke
from train.run import train
from train.sgin.map_edits import EDITS, MOUTH, painted, read_painted, touched
from train.sgin.occlusion import dice
from train.sgin.regions import mean_iou
from train.sgin.trainer import SginTrainer, relative_squares


def _labels(size: int = 64) -> np.ndarray:
    return face_map.label(synthetic_landmarks(np.random.default_rng(0)), size)


def test_labels_hold_every_region_where_it_belongs() -> None:
    labels = _labels()
    assert set(np.unique(labels)) == set(range(len(PARTS)))
    rows = {name: np.nonzero(labels == index)[0].mean() for index, name in enumerate(PARTS)}
    order = ("hair", "right brow", "right eye", "nose", "upper lip", "mouth", "lower lip")
    assert [rows[name] for name in order] == sorted(rows[name] for name in order)
    columns = {name: np.nonzero(labels == PARTS.index(name))[1].mean() for name in ("right eye", "left eye")}
    assert columns["right eye"] < 32 < columns["left eye"], "the face's own right is on the picture's left"


def test_mirrored_maps_exchange_left_and_right() -> None:
    points = torch.from_numpy(synthetic_landmarks(np.random.default_rng(1)))[None]
    plain, mirrored = label_maps(points, 64), label_maps(points, 64, torch.tensor([True]))
    right, left = PARTS.index("right eye"), PARTS.index("left eye")
    assert torch.equal((mirrored == left), (plain.flip(-1) == right))
    assert torch.equal((mirrored == PARTS.index("nose")), (plain.flip(-1) == PARTS.index("nose")))


def test_split_shares_no_picture() -> None:
    faces = synthetic_faces(4, 16)
    archives = (OWN_ARCHIVES[0], "x", OWN_ARCHIVES[1], "y")
    named = replace(faces, names=tuple(f"{archive}.tar:{n}" for n, archive in enumerate(archives)))
    own, others = split(named, True), split(named, False)
    assert set(own.names) | set(others.names) == set(named.names) and not set(own.names) & set(others.names)
    assert np.array_equal(own.images[1], named.images[2]) and np.array_equal(others.images[1], named.images[3])
    with pytest.raises(ValueError, match="has no pictures of"):
        split(others, True)


@pytest.mark.parametrize("make", [hand, thing])
def test_occluders_hide_part_of_the_picture_softly(make) -> None:  # type: ignore[no-untyped-def]
    shares, soft = [], []
    for seed in range(40):
        occluder = make(64, np.random.default_rng(seed))
        assert occluder.colour.shape == (64, 64, 3) and 0 <= occluder.colour.min() <= occluder.colour.max() <= 1
        shares.append(occluder.mask.mean())
        soft.append(((occluder.cover > 0.05) & (occluder.cover < 0.95)).any())
    assert 0.05 < np.mean(shares) < 0.5 and max(shares) < 0.9 and all(soft)
    again = make(64, np.random.default_rng(3))
    assert np.array_equal(again.colour, make(64, np.random.default_rng(3)).colour), "drawn by the seed alone"


def test_the_masks_of_the_table() -> None:
    rng = np.random.default_rng(0)
    assert centre_70(64, rng).mean() == pytest.approx(0.7, abs=0.03)
    for maker in (hand_mask, object_mask):
        assert maker(64, rng).shape == (64, 64) and maker(64, rng).dtype == bool


def test_occluded_pictures_change_under_the_occluder_and_stay_beyond_its_shadow() -> None:
    picture = np.full((64, 64, 3), 0.8, np.float32)
    occluder = thing(64, np.random.default_rng(5))
    shown = occlude(picture, occluder, np.random.default_rng(0))
    changed = np.abs(shown - picture).max(2)
    assert changed[occluder.cover > 0.95].mean() > 0.02
    near = cv2.dilate(occluder.mask.astype(np.uint8), np.ones((41, 41))) > 0
    assert changed[~near].max() < 0.01


def test_damage_is_within_its_mask_and_composites_say_the_truth() -> None:
    faces = torch.from_numpy(synthetic_faces(8, 64).images).float() / 127.5 - 1
    rng = np.random.default_rng(0)
    picture = (faces[0].numpy().transpose(1, 2, 0) + 1) / 2
    mask = MASKS["central"](64, rng)
    for _ in range(12):
        spoilt = spoil(picture, mask, picture[::-1], rng)
        assert np.array_equal(spoilt[~mask], picture[~mask].astype(np.float32))
        assert np.abs(spoilt - picture)[mask].max() > 0.02
    shown, truth = composites(faces, [MASKS["half"]], np.random.default_rng(2), ("damage",))
    apart = (shown - faces).abs().amax(1, keepdim=True) / 2
    assert torch.equal(truth > 0, apart > 0.02), "what is hidden is what differs"
    whole, nothing = composites(faces, [], np.random.default_rng(0), ("whole",))
    assert torch.allclose(whole, faces, atol=1e-6) and nothing.sum() == 0


def test_dice_and_overlap() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[:, :, :4] = 1
    assert dice(mask, mask).item() == pytest.approx(0, abs=1e-6)
    assert dice(1 - mask, mask).item() == pytest.approx(1, abs=0.02)
    assert dice(mask * 0, mask * 0).item() == 0
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[:, 2:] = 3
    assert mean_iou(labels, labels) == 1
    assert mean_iou(labels * 0, labels) == pytest.approx((8 / 16 + 0) / 2)


def test_self_distillation_is_the_relative_difference_of_features() -> None:
    wanted = [torch.full((1, 2, 4, 4), 2.0), torch.full((1, 1, 8, 8), 0.5)]
    assert relative_squares(wanted, wanted).item() == 0
    found = [wanted[0] + 1, wanted[1]]
    assert relative_squares(found, wanted).item() == pytest.approx((1 / 4 + 0) / 2, rel=1e-3)
    halved = relative_squares([x / 2 for x in found], [x / 2 for x in wanted])
    whole = relative_squares(found, wanted)
    assert halved.item() == pytest.approx(whole.item(), rel=1e-2), "small features win nothing"


def _context(folder: Path) -> Context:
    return Context(folder / "shards", folder, torch.device("cpu"), smoke=True)


def test_distillation_is_zero_for_whole_pictures_and_counts_holes(tmp_path: Path) -> None:
    trainer = RECIPES["sgin-64"].make(_context(tmp_path))
    assert isinstance(trainer, SginTrainer)
    batch = trainer.faces.take(np.arange(2))
    regions = one_hot_map(label_maps(batch.landmarks, 64))
    values = []
    for share in (0.0, 1.0):
        masks = torch.full((2, 1, 64, 64), share)
        damaged = batch.images * (1 - masks)
        drawn = trainer.generator.draw(damaged, masks, regions, trainer.generator.styles(damaged, masks, regions))
        values.append(trainer._distil(drawn, batch.images, regions).item())
    assert values[0] == pytest.approx(0, abs=1e-6) and values[1] > 1e-4


def test_ablations_leave_their_part_out_and_are_alike_otherwise(tmp_path: Path) -> None:
    def log(name: str) -> dict[str, float]:
        trainer = RECIPES[name].make(_context(tmp_path))
        return trainer.step(0)

    full = log("sgin-64")
    assert {"error", "coarse", "perceptual", "distil"} <= set(full)
    assert "distil" not in log("sgin-no-distillation-64") and "coarse" not in log("sgin-no-feedback-64")
    assert "distil" in log("sgin-no-attention-64")
    steps = {RECIPES[name].steps for name in RECIPES if name.startswith("sgin-")}
    assert len(steps) == 1, "the table compares equal numbers of steps"


@pytest.mark.parametrize("name", ["occlusion-64", "regions-64", "sgin-64"])
def test_stopped_and_resumed_is_the_same_run(name: str, tmp_path: Path) -> None:
    for folder, stops in (("whole", (4,)), ("parts", (1, 3, 4))):
        for steps in stops:
            train(RECIPES[name].make(_context(tmp_path)), tmp_path / folder, steps)
    whole, parts = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        assert torch.allclose(value, parts[key], atol=1e-6), key


def test_larger_networks_grow_from_smaller_ones(tmp_path: Path) -> None:
    for name in ("occlusion-64", "regions-64", "sgin-64"):
        train(smoke(RECIPES[name]).make(_context(tmp_path)), tmp_path / name, 2)
    small = RECIPES["sgin-64"].make(_context(tmp_path)).faces
    assert small.size == 64
    trainer = RECIPES["sgin-128"].make(replace(_context(tmp_path)))
    assert isinstance(trainer, SginTrainer)
    kept = load_weights(tmp_path / "sgin-64" / "generator.safetensors")
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 16:40, 16:40] = 1
    regions = one_hot_map(torch.from_numpy(_labels().astype(np.int64))[None])
    up = torch.nn.Upsample(scale_factor=2)
    with torch.no_grad():
        expected = kept(images * (1 - mask), mask, regions)
        found = trainer.kept(up(images * (1 - mask)), up(mask), up(regions))
    shrunk = torch.nn.functional.avg_pool2d(found, 2)
    assert (shrunk - expected).abs().mean() < 0.02, "it begins as the smaller one's picture enlarged"


def test_measures_of_the_table() -> None:
    rng = torch.Generator().manual_seed(0)
    true = torch.rand(2, 3, 64, 64, generator=rng) * 2 - 1
    near, far = true + 0.02 * torch.randn(true.shape, generator=rng), true.flip(-1)
    assert multi_scale_ssim(true, true).min() == pytest.approx(1, abs=1e-5)
    assert multi_scale_ssim(near, true).min() > multi_scale_ssim(far, true).max()
    tiny = true[:, :, :16, :16]
    near_tiny = near[:, :, :16, :16]
    assert torch.allclose(multi_scale_ssim(near_tiny, tiny), ssim(near_tiny, tiny), atol=1e-5), "one scale is SSIM"
    assert rmse(true + 2 / 255, true).mean().item() == pytest.approx(1, rel=1e-3)
    features = [torch.randn(2, 4, 8, 8, generator=rng)]
    assert perceptual_distance(features, features).max() == 0
    assert perceptual_distance([-features[0]], features).min().item() == pytest.approx(4, rel=1e-3)
    assert perceptual_distance([3 * features[0]], features).max().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", list(EDITS))
def test_map_edits_do_what_they_say(name: str) -> None:
    before = _labels()
    after = EDITS[name](before)
    assert after.dtype == np.uint8 and (after != before).any()

    def area(labels: np.ndarray, *parts: str) -> int:
        return int(np.isin(labels, [PARTS.index(part) for part in parts]).sum())

    eyes, brows = ("right eye", "left eye"), ("right brow", "left brow")
    if name == "larger-eyes":
        assert area(after, *eyes) > 1.3 * area(before, *eyes)
    if name == "lifted-eyes":
        height = [np.nonzero(np.isin(x, (5, 6)))[0].mean() for x in (before, after)]
        assert height[1] < height[0] - 1 and area(after, *eyes) == area(before, *eyes)
    if name == "short-brows":
        assert area(after, *brows) < 0.8 * area(before, *brows)
    if name == "closed-lips":
        assert area(after, "mouth") == 0
        assert area(after, "upper lip", "lower lip") == area(before, "upper lip", "lower lip", "mouth")
    if name == "open-mouth":
        assert area(after, "mouth") > 1.5 * area(before, "mouth")
    assert touched(before, after)[before != after].all() and not touched(before, before).any()


def test_maps_are_read_as_they_are_painted() -> None:
    labels = _labels()
    assert np.array_equal(read_painted(painted(labels), 64), labels)
    large = cv2.resize(painted(labels), (256, 256), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(read_painted(large, 64), labels)
    wrong = painted(labels)
    wrong[:2] = (128, 128, 255)
    with pytest.raises(ValueError, match="128 of 4096 pixels"):
        read_painted(wrong, 64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks of two steps."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("occlusion-64", "regions-64", "sgin-64"):
        train(smoke(RECIPES[name]).make(_context(folder)), folder / name, 2)
    return folder


def _edit(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train.edit", *map(str, arguments), "--weights", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def _picture(path: Path, height: int, width: int, seed: int = 0) -> Path:
    face = synthetic_faces(1, 128, seed=seed).images[0].transpose(1, 2, 0)
    canvas = np.full((height, width, 3), 90, np.uint8)
    canvas[20:148, 40:168] = face
    cv2.imwrite(str(path), canvas[:, :, ::-1])
    return path


def test_editing_end_to_end(weights: Path, tmp_path: Path) -> None:
    picture = _picture(tmp_path / "a.png", 200, 260)
    other = _picture(tmp_path / "b.png", 200, 260, seed=3)
    eyes = ("--eyes", 88, 74, 121, 74)
    plain = cv2.imread(str(picture))
    hole = np.zeros((200, 260), np.uint8)
    hole[80:110, 80:120] = 255
    cv2.imwrite(str(tmp_path / "hole.png"), hole)
    done = _edit(weights, "remove", picture, tmp_path / "r.png", *eyes, "--mask", tmp_path / "hole.png")
    assert done.returncode == 0 and done.stderr == ""
    made = cv2.imread(str(tmp_path / "r.png"))
    away = cv2.dilate(hole, np.ones((13, 13), np.uint8)) == 0
    assert made.shape == plain.shape and np.array_equal(made[away], plain[away]), "the rest stays as it was"
    assert np.abs(made[hole > 0].astype(int) - plain[hole > 0]).mean() > 1

    done = _edit(weights, "map", picture, tmp_path / "m.png", *eyes, "--save-map", tmp_path / "map.png")
    assert done.returncode == 0 and np.array_equal(cv2.imread(str(tmp_path / "m.png")), plain), "no edit, no change"
    labels = read_painted(cv2.imread(str(tmp_path / "map.png"))[:, :, ::-1], 64)
    labels[40:50, 20:44] = MOUTH
    cv2.imwrite(str(tmp_path / "painted.png"), painted(labels)[:, :, ::-1])
    options = (*eyes, "--map", tmp_path / "painted.png", "--sheet", tmp_path / "sheet.png")
    assert _edit(weights, "map", picture, tmp_path / "m.png", *options).returncode == 0
    assert not np.array_equal(cv2.imread(str(tmp_path / "m.png")), plain)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (128, 512, 3)

    options = ("--source", other, "--source-eyes", 88, 74, 121, 74)
    assert _edit(weights, "style", picture, tmp_path / "s.png", *eyes, *options).returncode == 0
    swapped = cv2.imread(str(tmp_path / "s.png"))
    assert swapped.shape == plain.shape and not np.array_equal(swapped, plain)
    assert _edit(weights, "style", picture, tmp_path / "s.jpg", *eyes, *options, "--whole").returncode == 0
    assert cv2.imread(str(tmp_path / "s.jpg")).shape == plain.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("remove", "{none}", "{out}"), "cannot read"),
        (("remove", "{text}", "{out}"), "is not a picture"),
        (("remove", "{picture}", "{folder}/x.nosuch"), "no picture format"),
        (("remove", "{picture}", "{out}", "--eyes", "5", "5", "6", "5"), "eyes at 5,5 and 6,5 of a 260x200 picture"),
        (("remove", "{picture}", "{out}", "--size", "128"), "train occlusion-128 first"),
        (("remove", "{picture}", "{out}", "--mask", "{small}"), "is 64x64, the input 260x200"),
        (("map", "{picture}", "{out}"), "nothing to do"),
        (("map", "{picture}", "{out}", "--map", "{picture}"), "the colour of no region"),
        (("style", "{picture}", "{out}", "--source", "{picture}", "--regions", "ear"), "no region 'ear'"),
    ],
)
def test_bad_input_ends_in_one_line(weights: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "text.png").write_text("no picture")
    places = {
        "none": tmp_path / "none.png",
        "text": tmp_path / "text.png",
        "small": tmp_path / "small.png",
        "picture": _picture(tmp_path / "picture.png", 200, 260),
        "out": tmp_path / "out.png",
        "folder": tmp_path,
    }
    done = _edit(weights, *(argument.format(**places) for argument in arguments))
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.startswith("train.edit: ") and done.stderr.count("\n") == 1


def test_colours_of_regions_are_told_apart() -> None:
    colours = np.array(PART_COLOURS)
    apart = np.abs(colours[:, None] - colours[None]).max(2) + 255 * np.eye(len(PARTS), dtype=int)
    assert apart.min() >= 40, "a painted map must survive a lossy picture"
