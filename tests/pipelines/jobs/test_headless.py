"""Files whose first parameter sets are damaged or missing: those of further on hold, and no picture is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from concealer.bitstream import PARAMETER_SETS, h264, hevc, join_annexb, nal_type, split_annexb
from pipelines import InputError, Settings, conceal_file
from pipelines.checking import Candidate, check_file
from pipelines.jobs import OutputMode
from tests.media import Codec, clip, decode_luma, encode_file
from tests.pipelines.files import VideoPacket, rewrite_video

PICTURES, GOP = 30, 10
How = Literal["short", "gone", "all gone"]
KINDS: list[tuple[Codec, int]] = [
    ("h264", h264.NAL_SPS),
    ("h264", h264.NAL_PPS),
    ("hevc", hevc.NAL_VPS),
    ("hevc", hevc.NAL_SPS),
    ("hevc", hevc.NAL_PPS),
]


def hurt(codec: Codec, kind: int, how: How) -> Callable[[list[VideoPacket]], list[VideoPacket]]:
    """The first set of a kind cut short or taken away, or all sets with it."""

    def damage(packets: list[VideoPacket]) -> list[VideoPacket]:
        first = split_annexb(packets[0].data)
        assert any(nal_type(codec, nal) == kind for nal in first)
        wanted = PARAMETER_SETS[codec] if how == "all gone" else (kind,)
        if how == "short":
            first = [replace(n, data=n.data[:3]) if nal_type(codec, n) in wanted else n for n in first]
        else:
            first = [nal for nal in first if nal_type(codec, nal) not in wanted]
        return [replace(packets[0], data=join_annexb(first)), *packets[1:]]

    return damage


def make(folder: Path, codec: Codec, kind: int, how: How) -> tuple[Path, Path]:
    extra = {"repeat-headers": 1} if codec == "hevc" else {}
    whole = encode_file(folder / "whole.ts", clip(PICTURES, 176, 144), codec, gop=GOP, extra=extra)
    return whole, rewrite_video(whole, folder / "damaged.ts", hurt(codec, kind, how))


@pytest.mark.parametrize("output", ["auto", "splice", "encode"])
@pytest.mark.parametrize("how", ["short", "gone", "all gone"])
@pytest.mark.parametrize(("codec", "kind"), KINDS)
def test_every_picture_comes_out_for_any_decoder(
    tmp_path: Path, codec: Codec, kind: int, how: How, output: OutputMode
) -> None:
    whole, damaged = make(tmp_path, codec, kind, how)
    out = tmp_path / "out.ts"
    result = conceal_file(damaged, out, Settings(output=output))
    sent, shown = decode_luma(whole), decode_luma(out)
    assert (result.totals.damaged, len(shown)) == (0, PICTURES)
    if output != "encode":
        assert all(np.array_equal(a, b) for a, b in zip(sent, shown, strict=True))
    else:
        assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(sent, shown, strict=True)) > 0.99


@pytest.mark.parametrize(("codec", "kind"), [KINDS[1], KINDS[4]])
def test_a_file_that_stock_decoders_lose_pictures_of_is_not_called_intact(
    tmp_path: Path, codec: Codec, kind: int
) -> None:
    whole, damaged = make(tmp_path, codec, kind, "gone")
    assert check_file(Candidate(str(damaged), True)).status == "damaged"
    assert check_file(Candidate(str(whole), True)).status == "intact"


def test_without_any_whole_set_it_says_so(tmp_path: Path) -> None:
    """Nothing is taken from elsewhere, and nothing is made up."""
    whole = encode_file(tmp_path / "whole.ts", clip(GOP, 176, 144), "h264", gop=GOP)
    damaged = rewrite_video(whole, tmp_path / "damaged.ts", hurt("h264", h264.NAL_PPS, "gone"))
    with pytest.raises(InputError, match="not one picture could be decoded"):
        conceal_file(damaged, None, Settings(dry_run=True))
