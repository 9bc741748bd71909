"""Damage that nobody tells of: found at all, found where it begins, and never where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from concealer import DamageMap, Repairer, open_decoder
from concealer.bitstream import Codec, join_annexb
from concealer.damage import Damage
from concealer.decoder.hook import DecoderCore
from concealer.decoder.locating import Weighing, begun_by
from concealer.picture import Picture
from tests.media import clip, encode_bytes, encode_file
from tests.standins.splicing import parse

PICTURES = 14


def units(codec: Codec, bframes: int = 0, **extra: int) -> list[list[bytes]]:
    """The NAL units of each access unit, one slice a picture."""
    data = encode_bytes(clip(PICTURES, 352, 288, seed=2), codec, slices=1, bframes=bframes, crf=18, extra=extra)
    return [[nal.data for nal in au.nals] for au in parse(data, codec)]


def joined(nals: list[bytes]) -> bytes:
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("wpp", [0, 1])
def test_intact_hevc_slices_end_where_their_data_end(bframes: int, wpp: int) -> None:
    core = DecoderCore("hevc")
    found = [core.decode(joined(nals), number).left_over for number, nals in enumerate(units("hevc", bframes, wpp=wpp))]
    core.close()
    assert found == [0] * PICTURES


def test_a_piece_gone_shows_in_what_is_left_over() -> None:
    core = DecoderCore("hevc")
    elsewhere = 0
    for number, nals in enumerate(units("hevc")):
        data = nals[-1]
        cut = data if number < 4 else data[: len(data) // 3] + data[len(data) // 3 + len(data) // 5 :]
        decoded = core.decode(joined([*nals[:-1], cut]), number)
        elsewhere += number >= 4 and (decoded.errors is not None or decoded.left_over != 0)
        assert number >= 4 or decoded.left_over == 0
    core.close()
    assert elsewhere == PICTURES - 4


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_intact_streams_stay_intact(codec: Codec, bframes: int) -> None:
    decoder = open_decoder(codec, repairer=Repairer(), container_framed=True, lookahead=2)
    pictures = [p for n, nals in enumerate(units(codec, bframes)) for p in decoder.decode(joined(nals), pts=n)]
    pictures += decoder.flush()
    decoder.close()
    assert len(pictures) == PICTURES
    assert not any(picture.damage.state.any() for picture in pictures)


def test_what_came_before_the_damage_is_believed_more() -> None:
    """A gap in the last third of a slice, closed up: the blocks before it are less doubted than those behind it."""
    payloads = units("hevc")
    before, behind = [], []
    for place in (6, 9, 12):
        data = payloads[place][-1]
        at = len(data) * 2 // 3
        cut = data[:at] + data[at + len(data) // 8 :]
        decoder = open_decoder("hevc", container_framed=True)
        pictures = []
        for number, nals in enumerate(payloads):
            pictures += decoder.decode(joined([*nals[:-1], cut] if number == place else nals), pts=number)
        pictures += decoder.flush()
        decoder.close()
        damage = pictures[place].damage
        belief = np.where(damage.hole, 1.0 if damage.belief is None else damage.belief, 0.0)
        before.append(belief[:6].mean())
        behind.append(belief[12:].mean())
        assert 0.0 < damage.confidence < 1.0
        assert not any(p.damage.any_hole for p in pictures[:place])
    assert np.mean(before) < 0.5 and min(behind) > 0.75


@pytest.mark.parametrize("noticed", [True, False])
def test_two_areas_are_told_apart(noticed: bool) -> None:
    weighing = Weighing(scale=0.15, power=0.4, at_once=0.0, at_end=0.0, fading=0.0)
    rng = np.random.default_rng(3)
    signs = np.concatenate([rng.normal(-2, 1, 300), rng.normal(2, 1, 200)]).astype(np.float32)
    blocks = np.ones(500, np.float32)
    belief = begun_by(signs, blocks, 500, weighing, noticed=noticed)
    assert belief.shape == signs.shape
    assert (np.diff(belief) >= -1e-6).all()
    assert belief[280] < 0.5 < belief[320]
    nothing = begun_by(np.full(500, -2, np.float32), blocks, 500, weighing, noticed=True)
    assert nothing[450] < 0.5


def test_what_is_doubtful_is_part_of_its_repair() -> None:
    """The likelier it is wrong, the less is kept of a block; what is sure to be wrong does not shine through."""
    past = [Picture((np.full((96, 96), 100, np.uint8),), order=order) for order in (0, 1)]
    kept = []
    for belief in (0.1, 0.5, 0.9, 1.0):
        picture = Picture((np.full((96, 96), 100, np.uint8),), order=2)
        picture.planes[0][32:64] = 140
        picture.planes[0][64:] = 255
        damage = DamageMap(96, 96)
        damage.state[2:] = Damage.BROKEN
        damage.doubt(damage.hole, np.full(damage.state.shape, belief, np.float32))
        damage.doubt(np.arange(6)[:, None] * np.ones((1, 6)) >= 4, np.ones(damage.state.shape, np.float32))
        Repairer("copy")(picture, damage, past)
        kept.append(int(picture.planes[0][40:56].mean()))
        assert (picture.planes[0][:32] == 100).all() and (picture.planes[0][64:] == 100).all()
    assert kept[0] > kept[1] > kept[2] > kept[3] == 100
    assert kept[0] < 140


def test_what_errs_less_than_repair_is_kept() -> None:
    """Two decoders that made nearly the same of a block tell that it hardly hangs on what is missing."""
    past = [Picture((np.full((96, 96), 100, np.uint8),), order=order) for order in (0, 1)]
    kept = []
    for error in (0.0, 300.0, np.inf):
        picture = Picture((np.full((96, 96), 100, np.uint8),), order=2)
        picture.planes[0][32:64] = 140
        damage = DamageMap(96, 96)
        damage.state[2:4] = Damage.BROKEN
        damage.expect(damage.hole, np.full(damage.state.shape, error, np.float32))
        Repairer("copy")(picture, damage, past)
        kept.append(int(picture.planes[0][40:56].mean()))
    assert kept[0] == 140 > kept[1] > kept[2] == 100


def test_zeros_at_the_end_of_a_slice_are_found(tmp_path: Path) -> None:
    """They decode to something, and look like the zero words that may stand behind a slice."""
    encode_file(tmp_path / "clip.mp4", clip(6, 176, 144, seed=2), "hevc", slices=1)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        (stream,) = container.streams.video
        samples = [bytes(packet) for packet in container.demux(stream) if packet.size]
        decoder = open_decoder("hevc", stream.codec_context.extradata, container_framed=True)
    samples[4] = samples[4][: len(samples[4]) // 3] + bytes(len(samples[4]) - len(samples[4]) // 3)
    pictures = [p for number, sample in enumerate(samples) for p in decoder.decode(sample, pts=number)]
    pictures += decoder.flush()
    decoder.close()
    assert [picture.pts for picture in pictures if picture.damage.any_hole] == [4]


def test_payloads_reach_the_decoder_with_a_tail_behind_slices_only() -> None:
    """A unit of another kind at the end leaves the reading head unasked."""
    core = DecoderCore("hevc")
    nals = units("hevc")[0]
    suffix_sei = bytes([40 << 1, 1, 5, 1, 0, 0x80])
    assert core.decode(join_annexb([]) + joined(nals), 0).left_over == 0
    assert core.decode(joined([*nals, suffix_sei]), 1).left_over is None
    core.close()


@pytest.mark.filterwarnings("error")
def test_bytes_behind_a_slice_leave_a_confidence() -> None:
    """They say that something is wrong, the samples of a still picture that nothing is: hardly a block is doubted."""
    data = encode_bytes(clip(1, 1280, 704) * 3, "hevc", slices=1)
    decoder = open_decoder("hevc", container_framed=True)
    pictures = []
    for number, au in enumerate(parse(data, "hevc")):
        nals = [nal.data for nal in au.nals]
        pictures += decoder.decode(joined([*nals[:-1], nals[-1] + b"\x5a\xc3" * 5]), pts=number)
    pictures += decoder.flush()
    decoder.close()
    assert all(picture.damage.hole.mean() < 0.01 for picture in pictures[1:])
    assert all(0 <= picture.damage.confidence <= 1 for picture in pictures)


def _gap(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at] + data[at + length :]


def _truncated(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at]


def _zeros(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at] + bytes(length) + data[at + length :]


def _flipped(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def _duplicated(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at] + data[at - length : at] + data[at:]


def _stale(data: bytes, earlier: bytes, at: int, length: int) -> bytes:
    return data[:at] + earlier[at : at + length] + data[at + length :]


@pytest.mark.parametrize("damaged", [_gap, _truncated, _zeros, _flipped, _duplicated, _stale])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_every_kind_of_damage_is_found(codec: Codec, damaged: Callable[[bytes, bytes, int, int], bytes]) -> None:
    """Half-way in a slice: its picture is told of, none before it, and of what follows in it most is doubted."""
    payloads = units(codec)
    for place in (5, 8, 11):
        data, earlier = payloads[place][-1], payloads[place - 1][-1]
        wrong = damaged(data, earlier, len(data) // 2, len(data) // 6)
        decoder = open_decoder(codec, container_framed=True)
        pictures = []
        for number, nals in enumerate(payloads):
            pictures += decoder.decode(joined([*nals[:-1], wrong] if number == place else nals), pts=number)
        pictures += decoder.flush()
        decoder.close()
        assert len(pictures) == PICTURES
        damage = pictures[place].damage
        assert not any(p.damage.any_hole for p in pictures[:place])
        assert damage.hole[15:].mean() > 0.9
        assert 0.0 < damage.confidence <= 1.0
