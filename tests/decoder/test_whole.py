"""The short way of whole pictures: it must see what the long way sees, and leave nothing out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from concealer.bitstream.nal import Codec, join_annexb
from concealer.damage import DamageMap
from concealer.decoder import DecodedPicture
from concealer.decoder import session as session_module
from concealer.decoder.hook import DecoderCore
from concealer.decoder.hook.sentinel import Sentinel
from concealer.decoder.recent import Recent
from concealer.decoder.turn import Held
from concealer.decoder.whole import LastBlocks
from concealer.front_door import open_decoder
from concealer.picture import Picture
from tests.decoder.streams import access_units, decode, drop_slices, stream
from tests.media import clip, encode_bytes

ONE = {"slices": 1}
Told = tuple[int, int | None, str, int, int, bool, float, tuple[str, ...], bytes, bytes]


def told(pictures: list[DecodedPicture]) -> list[Told]:
    return [
        (p.order, p.pts, p.kind, p.index, p.scene, p.in_loop, p.confidence, p.damage.causes, p.damage.state.tobytes(),
         p.frame.to_ndarray().tobytes())
        for p in pictures
    ]  # fmt: skip


@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("extra", [{}, ONE])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("damaged", [False, True])
def test_both_ways_tell_the_same(
    codec: Codec, extra: dict[str, int], bframes: int, damaged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = access_units(stream(codec, bframes, **extra), codec)
    payloads = [join_annexb(unit.nals) for unit in units]
    if damaged:  # the end of one slice, here and there
        payloads = [p[: len(p) * 2 // 3] if n % 5 == 4 else p for n, p in enumerate(payloads)]
    short = told(decode(payloads, codec, container_framed=True))
    monkeypatch.setattr(session_module, "arrived_whole", lambda au: False)
    assert short == told(decode(payloads, codec, container_framed=True))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_most_pictures_are_looked_at_in_their_last_blocks_alone(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real: Callable[..., object] = Sentinel.undecoded
    monkeypatch.setattr(Sentinel, "undecoded", lambda self, *rest: asked.append(rest) or real(self, *rest))
    pictures = decode([join_annexb(u.nals) for u in access_units(stream(codec, **ONE), codec)], codec)
    assert len(pictures) > 3 and not any(p.damage.any_damage for p in pictures)
    assert len(asked) <= 1  # the first one


@pytest.mark.parametrize("extra", [{}, ONE])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_last_blocks_tell_what_all_blocks_tell(codec: Codec, extra: dict[str, int]) -> None:
    """Of a payload cut anywhere, in a decoder that fails there, or reads on, as HEVC's may."""
    units = access_units(stream(codec, **extra), codec)
    found = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        some, every, last = DecoderCore(codec), DecoderCore(codec), LastBlocks()
        for tag, unit in enumerate(units[:4]):
            payload = join_annexb(unit.nals)
            data = payload if tag < 3 else payload[: round(len(payload) * share)]
            conceal = len(unit.slices) > 1
            a = some.decode(data, tag, conceal, ends=last.of(unit)).errors
            b = every.decode(data, tag, conceal).errors
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                found += 1
                np.testing.assert_array_equal(a.missing | a.broken, b.missing | b.broken)
        some.close()
        every.close()
    assert found or codec == "hevc"


def test_the_last_block_of_every_hevc_slice_is_looked_at() -> None:
    units = access_units(stream("hevc"), "hevc")
    starts = [slice_.first for slice_ in units[2].slices]
    assert len(starts) > 2
    ends = LastBlocks().of(units[2])
    assert ends is not None and len(ends) == len(starts)
    whole = DecoderCore("hevc")
    damaged = drop_slices(units, lambda u, s: u == 3 and s == 1)
    for tag, payload in enumerate(damaged.payloads[:4]):
        errors = whole.decode(payload, tag, ends=ends).errors
    assert errors is not None
    np.testing.assert_array_equal(errors.missing, damaged.truth[units[3].order])
    whole.close()


def test_pictures_a_repair_looks_at_are_kept_and_no_others() -> None:
    """As shown pictures go by, of those shown already the three nearest stay; of those to be shown all."""
    core = DecoderCore("h264")
    units = access_units(stream("h264"), "h264")
    buffers = [core.decode(join_annexb(u.nals), n).buffer for n, u in enumerate(units[:9])]

    def shown(order: int) -> DecodedPicture:
        frame = core.flush()  # any
        return DecodedPicture(frame[0] if frame else None, DamageMap(16, 16), None, 0, 0, "P", order, 0, False, True)  # type: ignore[arg-type]

    recent = Recent()
    for order, buffer in enumerate(buffers):
        assert buffer is not None
        recent.add(Held(None, buffer, order))
        recent.thin_out([shown(order)])
    assert [held.order for held in recent] == [6, 7, 8]
    recent.clear()
    for order, buffer in zip((0, 8, 4, 2), buffers, strict=False):  # none of these was shown since
        assert buffer is not None
        recent.add(Held(None, buffer, order + 100))
        recent.thin_out([])
    assert [held.order for held in recent] == [100, 108, 104, 102]
    picture = next(iter(recent)).picture
    assert isinstance(picture, Picture) and picture.planes[0].shape == (288, 352)
    core.close()


def test_another_size_with_the_same_picture_parameter_set() -> None:
    """Only the sequence parameter set tells; the first picture of the new size is looked at in its own last blocks."""
    wide, tall = (encode_bytes(clip(3, *size), "hevc") for size in ((256, 144), (144, 256)))
    decoder = open_decoder("hevc")
    pictures = decoder.decode(wide + tall + wide, complete=True) + decoder.flush()
    decoder.close()
    assert [(p.frame.width, p.frame.height) for p in pictures] == [(256, 144)] * 3 + [(144, 256)] * 3 + [(256, 144)] * 3
    assert not any(picture.damage.any_hole for picture in pictures)
