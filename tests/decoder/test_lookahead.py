"""Looking ahead: nothing lost, nothing late, and what the scout sees is true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from concealer.bitstream.nal import join_annexb
from concealer.damage import DamageMap
from concealer.decoder import MOST_AHEAD, ConcealingDecoder, DecodedPicture
from concealer.outlook import NOWHERE, Outlook
from concealer.picture import Picture
from concealer.repair import Repairer, measured_motion
from tests.media import Codec, clip, encode_bytes
from tests.standins.splicing import parse

FRAMES = 16


@cache
def access_units(codec: Codec, bframes: int, pix_fmt: str = "yuv420p") -> list[tuple[bytes, list[bytes]]]:
    """(payload, its slices one by one with what precedes them) of each access unit."""
    width = 352 if codec == "hevc" else 176
    extra: dict[str, str | int] = {"ctu": 32} if codec == "hevc" else {}
    stream = encode_bytes(
        clip(FRAMES, width, 288), codec, slices=4, bframes=bframes, crf=20, extra=extra, pix_fmt=pix_fmt
    )
    out = []
    for au in parse(stream, codec):
        slices = {id(piece.nal) for piece in au.slices}
        numbers = [number for number, nal in enumerate(au.nals) if id(nal) in slices]
        without = [join_annexb([n for i, n in enumerate(au.nals) if i != lost]) for lost in numbers]
        out.append((join_annexb(au.nals), without))
    return out


def decode(
    codec: Codec, bframes: int, lost: dict[int, int], lookahead: int, repair: Any = None, pix_fmt: str = "yuv420p"
) -> tuple[list[DecodedPicture], list[int]]:
    """Pictures, and how many had come out after each access unit; `lost`: slice that misses, by access unit."""
    decoder = ConcealingDecoder(
        codec,
        repair=repair or Repairer(),
        measure=measured_motion,
        scout_repair=Repairer(),
        container_framed=True,
        lookahead=lookahead,
    )
    assert decoder.hooked
    pictures, counts = [], []
    for index, (whole, without) in enumerate(access_units(codec, bframes, pix_fmt)):
        payload = without[lost[index]] if index in lost else whole
        pictures += decoder.decode(payload, pts=None)
        counts.append(len(pictures))
    pictures += decoder.flush()
    decoder.close()
    return pictures, counts


def luma(pictures: Sequence[DecodedPicture]) -> list[bytes]:
    return [bytes(picture.frame.planes[0]) for picture in pictures]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_undamaged_streams_come_out_the_same_and_later(codec: Codec, bframes: int) -> None:
    plain, counts = decode(codec, bframes, {}, 0)
    for lookahead in (1, 3):
        ahead, later = decode(codec, bframes, {}, lookahead)
        assert luma(ahead) == luma(plain)
        assert later[lookahead:] == counts[:-lookahead] and not any(later[:lookahead])


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_every_picture_comes_out_in_order_while_holes_follow_each_other(codec: Codec, bframes: int) -> None:
    lost = {5: 1, 6: 2, 8: 0, 13: 3, 15: 1}
    pictures, _ = decode(codec, bframes, lost, 2)
    assert len(pictures) == FRAMES
    orders = [picture.order for picture in pictures]
    assert orders == sorted(orders)
    assert sum(picture.damage.any_hole for picture in pictures) == len(lost)


def outlooks(codec: Codec, bframes: int, lost: dict[int, int], lookahead: int) -> list[tuple[Any, Outlook | None]]:
    """(output order, copy of the damage, what was seen ahead) of the main decoder's holes."""
    seen: list[tuple[Any, Outlook | None]] = []

    def repair(
        picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None
    ) -> Any:
        seen.append((damage.hole.copy(), outlook))
        if outlook is not None:
            checks(picture, damage, outlook)
        return Repairer("copy")(picture, damage, references)

    def checks(picture: Picture, damage: DamageMap, outlook: Outlook) -> None:
        outside = ~damage.hole_pixels()
        assert np.array_equal(outlook.now.planes[0][outside], picture.planes[0][outside])
        for ahead in outlook.later:
            assert ahead.picture.order != picture.order

    decode(codec, bframes, lost, lookahead, repair)
    return seen


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_received_vectors_point_to_the_hole(codec: Codec) -> None:
    ((_, outlook),) = outlooks(codec, 0, {6: 1}, 1)
    assert outlook is not None
    received = outlook.later[0].received
    assert received is not None
    hole_order, used = outlook.now.order, received.toward != NOWHERE
    assert used[0].mean() > 0.5 and not used[1].any()
    assert (received.toward[0][used[0]] <= hole_order).all()
    assert (received.toward[0] == hole_order).mean() > 0.5


def test_one_repair_cannot_serve_both_decoders() -> None:
    repairer = Repairer()
    with pytest.raises(ValueError, match="scout_repair must be another"):
        ConcealingDecoder("hevc", repair=repairer, scout_repair=repairer, lookahead=2)


def test_no_repair_means_no_wait() -> None:
    decoder = ConcealingDecoder("h264", container_framed=True, lookahead=3)
    payloads = [whole for whole, _ in access_units("h264", 0)]
    assert sum(len(decoder.decode(payload)) for payload in payloads) + len(decoder.flush()) == FRAMES
    decoder.close()


@pytest.mark.parametrize("lookahead", [-1, MOST_AHEAD + 1])
def test_impossible_lookahead_is_refused(lookahead: int) -> None:
    with pytest.raises(ValueError, match="lookahead must be"):
        ConcealingDecoder("h264", lookahead=lookahead)


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv444p", "yuv420p10le"])
def test_other_pixel_formats(pix_fmt: str) -> None:
    for codec in ("h264", "hevc"):
        pictures, _ = decode(codec, 0, {5: 1, 6: 2}, 2, pix_fmt=pix_fmt)  # type: ignore[arg-type]
        assert len(pictures) == FRAMES
        assert [picture.outcome.method for picture in pictures if picture.damage.any_hole] == ["motion"] * 2
