"""The evaluation: every system measured on tiny networks, tables written, results reused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.test_inception import pooling
from train.boosted.lambdas import VARIANTS
from train.card import card
from train.context import Context
from train.data.codec_masks import CODEC_MASKS, save_holes
from train.data.shards import write_shards
from train.data.synthetic import synthetic_faces
from train.evaluation.catalogue import GROUPS, SEMANTIC_MASKS, SEMANTICS, SHEETS, SYSTEMS, slug
from train.evaluation.groups import measure
from train.evaluation.intervals import interval
from train.evaluation.workbench import EvaluationSettings, Workbench
from train.recipes import RECIPES, smoke
from train.run import train
from train.structure import draw_maps, visible
from train.tables import write_papers

MASKS = ("central", "codec")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of synthetic faces, and every 64 px recipe after two steps of tiny networks."""
    folder = tmp_path_factory.mktemp("trained")
    for name, count, clips in (
        ("stills-eval", 5, 0),
        ("stills-val", 5, 0),
        ("clips-eval", 0, 2),
        ("masked-eval", 5, 0),
    ):
        faces = synthetic_faces(count, 64, clips=clips)
        sources = [
            (n, "none", faces.images[faces.clip(i)].transpose(0, 2, 3, 1), faces.landmarks[faces.clip(i)])
            for i, n in enumerate(faces.names)
        ]
        write_shards(folder / "shards", name, 64, sources)
    rng = np.random.default_rng(0)
    save_holes(np.repeat(rng.random((8, 24, 1)) < 0.2, 40, 2), folder / "shards" / CODEC_MASKS)
    context = Context(folder / "none", folder / "runs", torch.device("cpu"), smoke=True)
    for name, recipe in RECIPES.items():
        if name.endswith("-64"):
            train(smoke(recipe).make(context), folder / "runs" / name, 2)
    return folder


def _bench(folder: Path, results: Path, inception: Path | None = None) -> Workbench:
    settings = EvaluationSettings(
        folder / "shards",
        folder / "runs",
        results,
        size=64,
        device=torch.device("cpu"),
        search_count=2,
        search_steps=2,
        inception=inception,
        still_masks=MASKS,
    )
    return Workbench(settings)


@pytest.fixture(scope="module")
def measured(trained: Path) -> Path:
    """The same, two masks measured with a search of two steps."""
    bench = _bench(trained, trained / "results")
    bench.describe("a test")
    for group in GROUPS:
        for searches in (False, True):
            measure(bench, group, searches)
    return trained


def test_every_system_is_measured(measured: Path) -> None:
    cells = {path.stem for path in (measured / "results" / "64").glob("*.json")}
    for key in SYSTEMS:
        assert slug(f"speed-{key}") in cells and slug(f"video-{key}-moving") in cells
        assert any(slug(f"stills-{key}-{maps}-central") in cells for maps in ("none", "clean"))
    for mask in MASKS:
        cell = json.loads((measured / "results/64" / f"{slug(f'stills-navier-stokes-none-{mask}')}.json").read_text())
        assert 5 < cell["hole PSNR"] < cell["PSNR"] < 60
    speed = {key: json.loads((measured / "results/64" / f"{slug(f'speed-{key}')}.json").read_text()) for key in SYSTEMS}
    assert all(cell["ms"] > 0 for cell in speed.values())
    assert all((measured / "results/64" / f"{name}.png").stat().st_size > 1000 for name in (*SHEETS, "search"))


def test_tables_hold_every_system_and_need_results(measured: Path, tmp_path: Path) -> None:
    text = write_papers(measured / "results", tmp_path).read_text()
    for listed in SYSTEMS.values():
        assert f"| {listed.title} |" in text
    assert text.count("M_z+S+L over M_z+L |") == 2 and "### Ranking" in text
    assert "not** FID" in text and "a test" in text
    with pytest.raises(ValueError, match="no results in"):
        write_papers(tmp_path / "none", tmp_path)


def test_cards_tell_data_training_and_measures(measured: Path) -> None:
    folders = (measured / "shards", measured / "runs", measured / "results")
    with pytest.raises(ValueError, match="no shards stills-train"):
        card("z", 64, *folders)
    faces = synthetic_faces(2, 64)
    for name in ("stills-train", "clips-train"):
        write_shards(
            measured / "shards", name, 64, [("a", "CC BY", faces.images.transpose(0, 2, 3, 1), faces.landmarks)]
        )
    text = card("z", 64, *folders)
    assert "# M_z, 64 px faces" in text and "CC BY: 2 pictures" in text and "central holes: PSNR" in text
    assert "clips-train" not in text  # which M_z is not trained on
    assert "CC BY: 4 pictures" in card("z+l", 64, *folders)
    assert "mean error" in card("refiner", 64, *folders)
    assert "CC BY: 2 pictures" in card("regions", 64, *folders), (
        "the clips alone: the still is of no archive of its own"
    )
    occlusion = card("occlusion", 64, *folders)
    assert "but for faces_pixabay" in occlusion and "found blindly, hand: IoU" in occlusion
    assert "detector, map predictor and generator in a row" in card("sgin", 64, *folders)


def test_sgin_is_measured_as_its_paper_does(measured: Path, tmp_path: Path) -> None:
    folder = measured / "results" / "64"
    for key in SEMANTICS:
        for mask in SEMANTIC_MASKS:
            cell = json.loads((folder / f"{slug(f'semantics-{key}-{mask}')}.json").read_text())
            assert cell["hole PSNR"] > cell["PSNR"] > 3 and cell["RMSE"] > cell["hole RMSE"] > 0
            assert {"SSIM", "MS-SSIM", "perceptual", "Frechet"} <= set(cell)
    occlusion = json.loads((folder / "semantics-occlusion.json").read_text())
    assert set(occlusion) >= {"object", "hand", "damage", "whole"} and occlusion["whole"]["IoU"] == 0
    maps = json.loads((folder / "semantics-maps.json").read_text())
    assert 0 <= maps["half"]["map predictor"] <= 1
    text = write_papers(measured / "results", tmp_path).read_text().split("### SGIN")[1]
    assert "23.73" in text and "paper: without attention" in text and "| centre 70 % |" in text
    assert "semantics.png" in text and (folder / "occlusion.png").stat().st_size > 1000


def test_table_2_is_measured_where_all_its_rows_have_weights(measured: Path, tmp_path: Path) -> None:
    folder = measured / "results" / "64"
    for key in VARIANTS:
        cell = json.loads((folder / f"lambdas-{key}.json").read_text())
        assert len(cell["per picture hole SSIM"]) == cell["pictures"] == 5
    runs = tmp_path / "runs"
    shutil.copytree(measured / "runs", runs, ignore=shutil.ignore_patterns("boosted-a0-s1-64"))
    (tmp_path / "shards").symlink_to(measured / "shards")
    measure(_bench(tmp_path, tmp_path / "results"), "lambdas", False)
    assert not list((tmp_path / "results" / "64").glob("lambdas-*"))


def test_cells_are_kept_until_weights_change(measured: Path) -> None:
    path = measured / "results/64/speed-z.json"
    kept = path.read_bytes()
    path.write_text(json.dumps(json.loads(kept) | {"ms": -1.0}))
    measure(_bench(measured, measured / "results"), "speed", False)
    assert json.loads(path.read_text())["ms"] == -1.0
    weights = measured / "runs/prior-64/prior.safetensors"
    original = weights.read_bytes()
    try:
        recipe = RECIPES["prior-64"]
        context = Context(measured / "none", measured / "runs", torch.device("cpu"), smoke=True)
        train(recipe.make(context), measured / "runs/prior-64", 3)
        measure(_bench(measured, measured / "results"), "speed", False)
        assert json.loads(path.read_text())["ms"] > 0
    finally:
        weights.write_bytes(original)
        path.write_bytes(kept)


def test_fid_is_measured_with_the_users_network(measured: Path, tmp_path: Path) -> None:
    network = pooling(tmp_path / "mean.onnx")
    bench = _bench(measured, tmp_path, network)
    measure(bench, "stills", False)
    cell = json.loads((tmp_path / "64" / "stills-z-none-central.json").read_text())
    assert cell["FID"] > 0
    bench.describe("here")
    write_papers(tmp_path, tmp_path)
    assert "FID" in (tmp_path / "papers.md").read_text().split("### Other measures")[1]


def test_an_interval_holds_the_mean_and_narrows_with_more_values() -> None:
    rng = np.random.default_rng(5)
    few, many = rng.normal(1.0, 1.0, 10), rng.normal(1.0, 1.0, 1000)
    (low, high), (least, most) = interval(few), interval(many)
    assert low < few.mean() < high and least < many.mean() < most
    assert most - least < (high - low) / 4 and least > 0.8
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_switches_follow_the_mask() -> None:
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., :32] = 1
    points = torch.tensor([[[0.25, 0.5], [0.75, 0.5], [1.2, 0.5], [0.49, 0.1], [0.51, 0.1]]])
    assert visible(points, masks).tolist() == [[0, 1, 0, 0, 1]]


def test_maps_are_drawn_in_range() -> None:
    maps = draw_maps(torch.from_numpy(synthetic_faces(2, 64).landmarks.copy()), 64)
    assert maps.shape == (2, 3, 64, 64) and maps.min() == -1 and maps.max() == 1


def test_command_names_what_is_missing(tmp_path: Path) -> None:
    arguments = [
        "--shards",
        str(tmp_path),
        "--results",
        str(tmp_path / "r"),
        "--docs",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "train.evaluate", "--all", *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and "python -m train.data.pack" in done.stderr and "Traceback" not in done.stderr
