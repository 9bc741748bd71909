"""Before and after as a video: what stands on either side, whatever way the file took."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from concealer.damage import Damage, DamageMap
from pipelines.cli import main
from pipelines.overlay import draw_overlay
from tests.media import decode_luma


def _luma(path: Path) -> list[tuple[float, npt.NDArray[np.uint8]]]:
    with av.open(str(path)) as opened:
        opened.streams.video[0].codec_context.thread_count = 1
        return [(float(f.time or 0), f.to_ndarray(format="gray")) for f in opened.decode(video=0)]


def _alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Share of samples that are alike: all but labels, outlines and what the encoder spoils."""
    return float(np.mean(np.abs(one.astype(int) - other) < 24))


@pytest.mark.parametrize("mode", ["splice", "gop", "encode"])
def test_both_sides_are_what_they_say(media: Path, tmp_path: Path, mode: str) -> None:
    source, out, target = media / "damaged-h264.mp4", tmp_path / "out.mp4", tmp_path / "c.mkv"
    assert main([str(source), str(out), "--output", mode, "--compare", str(target), "-q"]) == 0
    shown, before, after = _luma(target), _luma(source), _luma(out)
    assert len(shown) == len(before) == len(after) == 24
    for (time, both), (_, plain), (at, ours) in zip(shown, before, after, strict=True):
        assert both.shape == (144, 2 * 176 + 4) and time == pytest.approx(at - after[0][0] + shown[0][0], abs=2e-3)
        left, right = both[32:, :176], both[32:, 180:]  # below the labels
        assert _alike(left, plain[32:]) > 0.8 and _alike(right, ours[32:]) > 0.8
    hurt = max(range(24), key=lambda n: float(np.abs(before[n][1].astype(int) - after[n][1]).mean()))
    left, right = shown[hurt][1][:, :176], shown[hurt][1][:, 180:]
    assert np.abs(left.astype(int) - right).mean() > 1


def test_of_a_stream_from_a_pipe_and_of_another_size(media: Path, tmp_path: Path) -> None:
    """No times in it; the HEVC clip is upright."""
    target = tmp_path / "c.mp4"
    words = ["--output", "encode", "--preset", "ultrafast", "-q", "--report", str(tmp_path / "r.html")]
    assert main([str(media / "damaged-hevc.265"), str(tmp_path / "o.mp4"), "--compare", str(target), *words]) == 0
    assert decode_luma(target)[0].shape == (288, 356)
    assert len(decode_luma(target)) == 24


def test_nothing_to_compare_is_told(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "c.mp4"
    assert main([str(media / "h264.mp4"), str(tmp_path / "o.mp4"), "--compare", str(target)]) == 0
    assert f"{target}: not written, as there is nothing to compare" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--compare", "c.wav"], 2, "c.wav: wav holds no H.264"),
        (["--compare", "c.what"], 2, "c.what: no container has this suffix"),
        (["--compare", "there.mp4"], 2, "there.mp4: exists; -y overwrites it"),
        (["--compare", "o.mp4"], 2, "o.mp4: the comparison would replace the output"),
        (["--compare", "r.mp4", "--report", "r.mp4"], 2, "r.mp4: the comparison would replace the output"),
        (["--compare", "no/c.mp4"], 4, "no/c.mp4: cannot be written"),
        (["--compare", "c.mp4", "--dry-run"], 2, "--compare: --dry-run repairs nothing"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    media: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    assert main([str(media / "damaged-h264.mp4"), "o.mp4", *words]) == code
    said = capsys.readouterr().err
    assert said.startswith(f"conceal: {says}") and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.mp4"]


def test_outlines_of_a_scaled_picture_lie_where_the_damage_is() -> None:
    damage = DamageMap(640, 320)
    damage.state[5:10, 8:16] = Damage.LOST
    planes = tuple(np.full(shape, 128, np.uint8) for shape in ((160, 320), (80, 160), (80, 160)))
    draw_overlay(planes, 8, damage, False, "", scale=(2.0, 2.0))
    drawn = np.argwhere(planes[0][30:] != 128) + (30, 0)
    assert drawn.min(axis=0).tolist() == [40, 64] and drawn.max(axis=0).tolist() == [79, 127]
