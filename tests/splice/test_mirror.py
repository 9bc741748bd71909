"""The mirror decodes late, and what it then holds is what a decoder of the whole stream holds."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream.nal import Codec, join_annexb
from concealer.decoder.hook.core import DecoderCore
from concealer.splice.job import Job
from concealer.splice.mirror import Mirror
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
        mirror.pass_by(Job([*au.nals], au.order, au.is_reference, au.is_irap, au.is_disposable, au.sps))
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


def test_nothing_is_decoded_before_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    aus = parse(encode_bytes(clip(20, 176, 144), "h264", slices=2, gop=8), "h264")
    mirror = Mirror("h264", ())
    decoded = []
    real = mirror._decode
    monkeypatch.setattr(mirror, "_decode", lambda nals: decoded.append(len(nals)) or real(nals))
    for au in aus:
        mirror.pass_by(Job([*au.nals], au.order, au.is_reference, au.is_irap, au.is_disposable, au.sps))
    assert not decoded
    assert mirror.latest() is not None
    # The last group begins with picture 16.
    assert len(decoded) == 4
    mirror.close()
