"""Training of the prior for natural video: holes with their truth, shards, and a network that learns from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from concealer.repair import FIGURES, SHARPNESS
from tests.media import clip, encode_file
from train.spec import NetworkSpec
from train.video.collect import main as collect
from train.video.examples import Hole, Take, clips, holes_of
from train.video.shards import read, write
from train.video.synthetic import synthetic_streams
from train.video.trainer import VideoSettings, VideoTrainer, load, measure, mixed_error

SMALL = NetworkSpec("VideoPrior", {"width": 6, "hidden": 5})


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    encode_file(folder / "clip.mp4", clip(82, 176, 144, seed=5), "h264", crf=20)
    return folder


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("slices", [1, 4])
def test_holes_of_the_closed_loop_know_their_truth(media: Path, codec: str, slices: int) -> None:
    (path,) = clips([media])
    take = Take(codec, slices, 0, 27, "veryfast", 0.2, 0, 3, False)  # type: ignore[arg-type]
    holes, size = holes_of(path, take)
    assert holes and size == (18, 22)
    for hole in holes:
        count, figures, rows, cols = hole.figures.shape
        assert count > 1 and figures == FIGURES and hole.gram.shape == (count, count, rows, cols)
        assert hole.place[0] + rows <= size[0] and hole.place[1] + cols <= size[1]
        assert (np.einsum("nnij->nij", hole.gram) >= -1e-3).all()
        # What a mix errs by follows from the products: that of one candidate alone is its own square.
        alone = torch.full((count, rows, cols), 9.0)
        alone[0] = 0.0
        expected = float((hole.gram[0, 0] * hole.samples).sum())
        assert float(mixed_error(alone, hole)) == pytest.approx(expected, rel=1e-3, abs=1e-2)
    assert SHARPNESS > 0


def test_shards_keep_holes_and_other_files_are_refused(media: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    assert collect([str(shards), str(media), "--rounds", "0"]) == 0
    made = sorted(shards.glob("*.npz"))
    assert len(made) == 4 and not list(shards.glob("*.part"))
    stream = synthetic_streams(1)[0]
    write(tmp_path / "one.npz", stream.holes, stream.size)
    holes, size = read(tmp_path / "one.npz")
    assert size == stream.size and len(holes) == len(stream.holes)
    for kept, given in zip(holes, stream.holes, strict=True):
        assert (kept.place, kept.order) == (given.place, given.order)
        assert all(np.array_equal(getattr(kept, name), getattr(given, name)) for name in ("figures", "gram", "samples"))
    np.savez(tmp_path / "other.npz", other=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz holds no holes"):
        read(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="holds no shards"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize(("window", "memory"), [(8, True), (1, True), (1, False)])
def test_it_learns_whom_to_trust(window: int, memory: bool) -> None:
    settings = VideoSettings(SMALL, window, 6, 2, 2e-2, memory, steps=40)
    held = synthetic_streams(3, seed=1)
    trainer = VideoTrainer(settings, synthetic_streams(6), held, seed=0)
    assert measure(trainer.prior, held, memory)["gain"] == pytest.approx(0.0, abs=1e-6)  # type: ignore[arg-type]
    for step in range(40):
        trainer.step(step)
    gain = measure(trainer.prior, held, memory)["gain"]  # type: ignore[arg-type]
    assert 1.0 < gain <= measure(None, held, memory)["gain"] + 6.0


def test_a_hole_without_memory_is_judged_alone() -> None:
    trainer = VideoTrainer(VideoSettings(SMALL, 1, 4, 1, 1e-2), synthetic_streams(2), [], seed=0)
    for step in range(5):
        trainer.step(step)
    stream = synthetic_streams(1, seed=2)[0]
    alone = type(stream)(stream.name, stream.size, [_second(stream.holes)])
    after = type(stream)(stream.name, stream.size, [stream.holes[0], _second(stream.holes)])
    assert measure(trainer.prior, [after], True) != measure(trainer.prior, [after], False)  # type: ignore[arg-type]
    assert measure(trainer.prior, [alone], True) == measure(trainer.prior, [alone], False)  # type: ignore[arg-type]


def _second(holes: list[Hole]) -> Hole:
    return holes[1]
