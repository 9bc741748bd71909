"""The measuring chain on a small made-up clip: encode, damage, decode with every method, count blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import clips
from benchmarks.channel import FLIPS, GONE_BYTES, MODELS, SLICE, Loss, drop_one_slice, parse, transmit
from benchmarks.clips import Clip, synthetic, to_frame, to_planes
from benchmarks.detection import Counts, block_error, lost_blocks
from benchmarks.methods import METHODS, by_position, decode, decode_in_loop, methods_for
from benchmarks.metrics import CAP, score
from benchmarks.streams import COMBINATIONS, Encoding, Stream, encoded
from benchmarks.untouched import Watched
from benchmarks.untouched import measure as measure_untouched
from concealer.damage import Damage, DamageMap
from concealer.picture import Picture
from concealer.repair import Repairer

PICTURES = 10


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Stream]:
    cache = tmp_path_factory.mktemp("cache")
    return {
        (codec, structure): encoded(
            synthetic(192, 128), Encoding(codec, structure, PICTURES, preset="veryfast", slices=2), cache
        )
        for codec, structure in COMBINATIONS
    }


@pytest.fixture(params=[f"{codec} {structure}" for codec, structure in COMBINATIONS])
def stream(request: pytest.FixtureRequest, streams: dict[tuple[str, str], Stream]) -> Stream:
    codec, structure = request.param.split()
    return streams[codec, structure]


def test_streams_have_the_slices_and_the_structure_they_say(stream: Stream) -> None:
    units = parse(stream)
    assert len(units) == PICTURES and all(len(unit.slices) == 2 for unit in units)
    kinds = {unit.kind for unit in units[1:]}
    assert ("B" in kinds) == (stream.encoding.structure == "B")
    assert sorted(unit.pts for unit in stream.units) == list(range(PICTURES))
    assert len(stream.clean) == PICTURES and stream.clean[0][0].shape == (128, 192)
    assert stream.writer.startswith("x26")


def test_cache_gives_back_the_same_stream(tmp_path: Path) -> None:
    encoding = Encoding("h264", "P", 3, preset="ultrafast", slices=2)
    made = encoded(synthetic(64, 48), encoding, tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    again = encoded(synthetic(64, 48), encoding, tmp_path)
    assert again.units == made.units and file.stat().st_mtime_ns == before


def test_every_method_plays_a_damaged_stream(stream: Stream) -> None:
    damaged = drop_one_slice(stream, every=3, first=2)
    clean = [planes[0] for planes in stream.clean]
    holes = damaged.holes(stream)
    assert sum(hole is not None for hole in holes) == 3
    scores = {}
    for method in methods_for(stream.encoding.codec):
        played = method.play(stream, damaged)
        scores[method.name] = score(clean, played.pictures, holes)
        if not method.name.startswith("ffmpeg"):
            assert played.out == PICTURES
    assert scores["oracle_pixels"].hole_psnr == CAP
    # In HEVC stand-in slices mend motion too, which no repair of samples alone can.
    samples_only = "pixels_only" if "pixels_only" in scores else "concealer"
    assert scores["oracle_pixels"].psnr > scores[samples_only].psnr > scores["telea"].psnr
    assert scores["freeze"].frozen > 0


def test_undamaged_streams_score_the_cap(stream: Stream) -> None:
    damaged = transmit(stream, Loss(SLICE, 0.0), seed=1)
    clean = [planes[0] for planes in stream.clean]
    for method in METHODS:
        if stream.encoding.codec in method.codecs:
            assert score(clean, method.play(stream, damaged).pictures, damaged.holes(stream)).psnr == CAP


@pytest.mark.parametrize("loss", MODELS, ids=lambda loss: loss.title)
def test_every_loss_model_sends(streams: dict[tuple[str, str], Stream], loss: Loss) -> None:
    stream = streams["h264", "P"]
    damaged = transmit(stream, loss, seed=3)
    assert 0 < len(damaged.samples) <= PICTURES + 1
    assert damaged.record.access_units == PICTURES
    again = transmit(stream, loss, seed=3)
    assert [s.payload for s in again.samples] == [s.payload for s in damaged.samples]


def test_titles_tell_models_apart() -> None:
    assert len({loss.title for loss in MODELS}) == len(MODELS)
    assert "place known" in GONE_BYTES.title and "flips" in FLIPS.title
    with pytest.raises(ValueError, match="no such loss model"):
        Loss("fog").channel(1)


def test_lost_blocks_are_counted_against_the_record(streams: dict[tuple[str, str], Stream]) -> None:
    stream = streams["h264", "P"]
    counts = lost_blocks(stream, drop_one_slice(stream, every=3, first=2))
    assert (counts.hit, counts.false, counts.missed) == (3 * 12 * 4, 0, 0)
    assert counts.row()["precision"] == 1.0


def test_counts_and_block_error() -> None:
    counts = Counts()
    found, true = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    counts.add(found, true, np.array([1, 1, 1, 0], bool))
    assert counts.row() == {"hit": 1, "false": 1, "missed": 1, "precision": 0.5, "recall": 0.5}
    assert Counts().row()["recall"] is None
    a = np.zeros((20, 40), np.uint8)
    b = a.copy()
    b[17, 39] = 9
    expected = np.zeros((2, 3), np.uint8)
    expected[1, 2] = 9
    assert np.array_equal(block_error(a, b), expected)


def test_untouched_samples_stay(streams: dict[tuple[str, str], Stream]) -> None:
    row = measure_untouched(streams["h264", "P"], Loss(SLICE, 0.3), seed=2)
    assert row["repaired_pictures"] > 0 and row["samples"] > 0 and row["differing"] == 0


def test_a_touched_sample_is_seen() -> None:
    class Careless(Watched):
        def paint(self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Any) -> Any:
            for plane in (picture.planes[0], references[0].planes[1]):
                plane[0, 0] ^= 1

    watched = Careless()
    damage = DamageMap(64, 32)
    damage.state[1, 1] = Damage.LOST
    a, b = (Picture(tuple(np.zeros(shape, np.uint8) for shape in ((32, 64), (16, 32), (16, 32)))) for _ in range(2))
    watched(a, damage, [b])
    assert (watched.samples, watched.differing) == ((64 * 32 - 256) * 3 // 2, 2)


def test_pictures_find_their_places(streams: dict[tuple[str, str], Stream]) -> None:
    stream = streams["h264", "P"]
    pictures = decode(stream, transmit(stream, Loss(SLICE, 0.0), seed=1), None)
    assert by_position(pictures, PICTURES) == pictures
    assert by_position(pictures[3:], PICTURES) == [None, None, None, *pictures[3:]]
    twice = [pictures[0], pictures[0], *pictures[3:]]
    assert by_position(twice, PICTURES) == [pictures[0], pictures[0], None, *pictures[3:]]


def test_a_failing_repair_is_not_measured(streams: dict[tuple[str, str], Stream]) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("no such luck")

    class Failing(Repairer):
        __call__ = fails  # type: ignore[assignment]

    stream = streams["h264", "P"]
    damaged = drop_one_slice(stream, every=3, first=2)
    with pytest.raises(ZeroDivisionError, match="no such luck"):
        decode_in_loop(stream, damaged, fails)
    with pytest.raises(RuntimeError, match="a repair failed"):
        decode(stream, damaged, Failing())


def test_planes_survive_a_frame() -> None:
    planes = to_planes(to_frame(clips.load(synthetic(66, 50), 1)[0]))
    assert [plane.shape for plane in planes] == [(50, 66), (25, 33), (25, 33)]
    assert all(np.array_equal(a, b) for a, b in zip(planes, to_planes(to_frame(planes)), strict=True))


def test_missing_clips_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such clip: nothing"):
        clips.pick(["nothing"])
    monkeypatch.setattr(clips, "clip_folder", lambda: None)
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        clips.load(Clip("gone", "gone.mp4"), 1)
    assert [clip.name for clip in clips.available([Clip("gone", "gone.mp4", (64, 48))])] == ["synthetic-64x48"]
