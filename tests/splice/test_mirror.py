"""The mirror decodes late, and what it then holds is what a decoder of the whole stream holds."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream import Codec, join_annexb
from concealer.decoder.hook.core import DecoderCore
from concealer.splice.mirror import MOST_WAITING, Mirror
from concealer.splice.open_unit import OpenUnit
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("bframes", [0, 3])
def test_pictures_passed_by_are_there_when_asked_for(codec: Codec, bframes: int) -> None:
    extra: dict[str, str | int] = {"ctu": 32} if codec == "hevc" else {}
    aus = parse(encode_bytes(clip(20, 176, 144), codec, slices=2, bframes=bframes, gop=8, extra=extra), codec)
    mirror, core = Mirror(codec, ()), DecoderCore(codec)
    references = []
    for tag, au in enumerate(aus[:-3]):
        mirror.pass_by(OpenUnit([*au.nals], au.order, au.is_reference, au.is_irap, au.is_disposable, au.sps))
        buffer = core.decode(join_annexb(au.nals), tag).buffer
        assert buffer is not None
        if au.is_irap:
            references.clear()
        if au.is_reference:
            references.append((au.order, buffer))
    for order, buffer in references[-4:]:
        seen = mirror.at(order)
        assert seen is not None
        assert all(np.array_equal(a, b) for a, b in zip(seen, buffer.planes, strict=True))
    au = aus[-3]
    planes = mirror.follow(au.nals, au.order, au.is_reference, au.is_irap)
    expected = core.decode(join_annexb(au.nals), 99).buffer
    assert expected is not None
    assert all(np.array_equal(a, b) for a, b in zip(planes, expected.planes, strict=True))
    mirror.close()
    core.close()


def test_nothing_is_decoded_before_somebody_asks() -> None:
    aus = parse(encode_bytes(clip(20, 176, 144), "h264", slices=2, gop=8), "h264")
    mirror = Mirror("h264", ())
    waiting = []
    for au in aus:
        mirror.pass_by(OpenUnit([*au.nals], au.order, au.is_reference, au.is_irap, au.is_disposable, au.sps))
        waiting.append(mirror.waiting)
    # All of a group, until the next begins: what came before is never decoded.
    assert waiting == [1 + number % 8 for number in range(20)]
    assert mirror.latest() is not None
    assert mirror.waiting == 0
    mirror.close()


def test_what_waits_is_bounded() -> None:
    aus = parse(encode_bytes(clip(20, 176, 144), "h264", slices=1, gop=400), "h264")
    mirror = Mirror("h264", ())
    for number in range(MOST_WAITING + 20):
        au = aus[min(number, len(aus) - 1)]
        mirror.pass_by(OpenUnit([*au.nals], number, au.is_reference, au.is_irap, au.is_disposable, au.sps))
        assert mirror.waiting <= MOST_WAITING
    mirror.close()
