"""Recordings whose first bytes are missing: they begin in the middle of a GOP, and of a packet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest

from pipelines.cli import main
from tests.media import Codec, clip, encode_file

CODECS = get_args(Codec)
GOP, PICTURES = 20, 60


def _luma(path: Path) -> dict[int, np.ndarray]:
    """By time in units of 1/25 s."""
    found: dict[int, np.ndarray] = {}
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.time is not None
            found[round(frame.time * 25)] = frame.to_ndarray(format="gray8")
    return found


def _cut(folder: Path, codec: Codec, bframes: int, extra: dict[str, Any]) -> tuple[Path, Path]:
    """The whole file, and one without its first quarter."""
    whole, cut = folder / "whole.ts", folder / "cut.ts"
    encode_file(whole, clip(PICTURES), codec, bframes=bframes, gop=GOP, crf=22, extra=extra)
    data = whole.read_bytes()
    cut.write_bytes(data[len(data) // 4 + 77 :])
    return whole, cut


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("bframes", "extra"), [(0, {}), (0, {"intra-refresh": 1}), (3, {"open-gop": 1})], ids=["gop", "refresh", "open"]
)
def test_what_is_not_told_to_be_touched_is_as_it_was_sent(
    tmp_path: Path, codec: Codec, bframes: int, extra: dict[str, Any]
) -> None:
    whole, cut = _cut(tmp_path, codec, bframes, extra)
    report, out = tmp_path / "report.json", tmp_path / "out.mkv"
    arguments = ["--output", "encode", "--encoder", "ffv1", "--always-encode", "-q", "--report", str(report)]
    assert main([str(cut), str(out), *arguments]) == 0
    told = [one for one in json.loads(report.read_text())["pictures"] if one["time"] is not None]
    clean, shown = _luma(whole), _luma(out)
    start = min(shown)
    offset = round(told[0]["time"] * 25) - start
    untouched = [one for one in told if "confidence" not in one]
    assert len(told) == len(shown)
    for one in untouched:
        place = round(one["time"] * 25)
        assert np.array_equal(shown[place - offset], _at(clean, place, told))
    assert len(untouched) >= (0 if extra.get("intra-refresh") else GOP)


def _at(clean: dict[int, np.ndarray], place: int, told: list[dict[str, Any]]) -> np.ndarray:
    """The picture of the whole file at the same distance from its end."""
    return clean[max(clean) - (round(told[-1]["time"] * 25) - place)]


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_that_lacks_references_is_shown_where_that_is_asked_for(tmp_path: Path, codec: Codec) -> None:
    whole, cut = _cut(tmp_path, codec, 0, {})
    out = tmp_path / "out.mkv"
    arguments = ["--output", "encode", "--encoder", "ffv1", "--on-damage", "drop", "-q"]
    assert main([str(cut), str(out), *arguments]) == 0
    clean, shown = _luma(whole), _luma(out)
    assert GOP <= len(shown) <= PICTURES - GOP
    for place, luma in shown.items():
        assert np.array_equal(luma, clean[max(clean) - max(shown) + place])
