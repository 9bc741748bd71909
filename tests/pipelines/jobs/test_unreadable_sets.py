"""Parameter sets that are sent again and again: one that arrives damaged is left out, as those before hold on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from concealer.bitstream import h264, hevc, join_annexb, nal_type, split_annexb
from pipelines import Settings, conceal_file
from pipelines.checking import Candidate, check_file
from pipelines.jobs import OutputMode
from pipelines.summary import summary
from tests.media import Codec, clip, decode_luma, encode_file
from tests.pipelines.files import VideoPacket, rewrite_video

PICTURES, GOP = 40, 10
SPS = {"h264": h264.NAL_SPS, "hevc": hevc.NAL_SPS}


def shortened(codec: Codec, picked: set[int]) -> Callable[[list[VideoPacket]], list[VideoPacket]]:
    """Cuts the SPS short that comes with the `picked` packets."""

    def damage(packets: list[VideoPacket]) -> list[VideoPacket]:
        changed = []
        for number, packet in enumerate(packets):
            nals = split_annexb(packet.data)
            if number in picked:
                assert any(nal_type(codec, nal) == SPS[codec] for nal in nals)
                nals = [replace(n, data=n.data[:7]) if nal_type(codec, n) == SPS[codec] else n for n in nals]
            changed.append(replace(packet, data=join_annexb(nals)))
        return changed

    return damage


@pytest.fixture(params=["h264", "hevc"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Codec, Path, Path]:
    """(codec, whole, damaged) transport streams."""
    codec: Codec = request.param
    extra = {"repeat-headers": 1} if codec == "hevc" else {}
    whole = encode_file(tmp_path / "whole.ts", clip(PICTURES, 176, 144), codec, gop=GOP, extra=extra)
    return codec, whole, rewrite_video(whole, tmp_path / "damaged.ts", shortened(codec, {GOP, 3 * GOP}))


@pytest.mark.parametrize("output", ["auto", "splice", "encode"])
def test_all_pictures_are_what_was_sent(tmp_path: Path, files: tuple[Codec, Path, Path], output: OutputMode) -> None:
    codec, whole, damaged = files
    out = tmp_path / "out.ts"
    result = conceal_file(damaged, out, Settings(output=output))
    assert (result.totals.damaged, result.totals.unreadable_sets) == (0, 2)
    assert "2 damaged parameter sets left out" in summary(result) and "bit-exactly" not in summary(result)
    sent, shown = decode_luma(whole), decode_luma(out)
    assert len(shown) == PICTURES
    if output == "encode":
        assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(sent, shown, strict=True)) > 0.99
    else:
        assert all(np.array_equal(a, b) for a, b in zip(sent, shown, strict=True))


def test_they_are_told(files: tuple[Codec, Path, Path]) -> None:
    result = conceal_file(files[2], None, Settings(dry_run=True))
    assert "2 damaged parameter sets found" in summary(result)
    for fast in (False, True):
        check = check_file(Candidate(str(files[2]), True), fast=fast)
        assert check.status == "damaged" and check.total("unreadable_sets") == 2
    assert conceal_file(files[1], None, Settings(dry_run=True)).totals.unreadable_sets == 0
