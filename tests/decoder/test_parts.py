"""What arrived behind a gap in a picture is shown as it was sent: later slices, HEVC tiles by their entry points."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import av
import numpy as np
import pytest

from benchmarks.arrived import WAYS, Hit, Way, arrived, pieces_of
from benchmarks.clips import Clip, Planes, to_planes
from benchmarks.streams import AccessUnit, Encoding, Stream
from benchmarks.tiled import Tiling, tiled_after
from concealer.bitstream import AccessUnit as Parsed
from concealer.bitstream import Codec, StreamParser, hevc
from concealer.damage import Damage, DamageMap
from concealer.decoder.hook import SubstreamProbe
from concealer.decoder.parts import Parts, _likely
from concealer.decoder.session import ConcealingDecoder
from concealer.standins.hevc import coding_order
from tests.media import clip, encode_bytes
from tests.standins.splicing import decode as decode_plainly

PICTURES, WIDTH, HEIGHT = 6, 352, 288
ONE_SLICE = Tiling(2, 2, "one")
NOBODY = Clip("test", "")


def _planes(pictures: int) -> list[Planes]:
    frames = [av.VideoFrame.from_ndarray(rgb, format="rgb24") for rgb in clip(pictures, WIDTH, HEIGHT)]
    return [to_planes(frame.reformat(format="yuv420p")) for frame in frames]


@cache
def tiles(tiling: Tiling) -> Stream:
    """An IDR picture without tiles, and P pictures with them."""
    intra = encode_bytes(clip(1, WIDTH, HEIGHT), "hevc", extra={"ctu": 32, "no-sao": 1})
    first = Stream(NOBODY, Encoding("hevc", "P", 1), [AccessUnit(intra, 0)], WIDTH, HEIGHT)
    return tiled_after(first, _planes(PICTURES), tiling, qp=24)


@cache
def slices(codec: Codec, count: int, **extra: int) -> Stream:
    data = encode_bytes(clip(PICTURES, WIDTH, HEIGHT), codec, slices=count, extra=extra)
    parser = StreamParser(codec)
    units = parser.push(data) + parser.flush()
    sent = [AccessUnit(b"".join(b"\0\0\0\1" + nal.data for nal in au.nals), place) for place, au in enumerate(units)]
    return Stream(NOBODY, Encoding(codec, "P", PICTURES, slices=count), sent, WIDTH, HEIGHT)


def parsed(stream: Stream, index: int) -> Parsed:
    parser = StreamParser("hevc")
    return [au for unit in stream.units[: index + 1] for au in parser.push(unit.payload, complete=True)][-1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "tiling",
    [ONE_SLICE, Tiling(3, 2, "one"), Tiling(2, 2, "each"), Tiling(2, 2, "dependent"), Tiling(1, 3, "one", False)],
)
def test_tiles(tiling: Tiling, way: Way) -> None:
    stream = tiles(tiling)
    assert not decode_plainly(stream.payload, "hevc")[1]
    rng = np.random.default_rng(1)
    for _ in range(3):
        found = arrived(stream, 4, way, rng)
        assert (found.repainted, found.wrong) == (0, 0)
        assert found.psnr > found.psnr_stock


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("codec", "count"), [("h264", 4), ("hevc", 4)])
def test_later_slices(codec: Codec, count: int, way: Way) -> None:
    stream = slices(codec, count, **({"ctu": 16} if codec == "hevc" else {}))
    rng = np.random.default_rng(2)
    for _ in range(3):
        found = arrived(stream, 4, way, rng)
        assert (found.repainted, found.wrong) == (0, 0)


@pytest.mark.parametrize("live", [False, True])
def test_live_streams_have_their_tiles_too(live: bool) -> None:
    found = arrived(tiles(ONE_SLICE), 4, "ts", np.random.default_rng(3), live=live)
    assert found.whole
    assert (found.repainted, found.wrong) == (0, 0)


def test_the_report_counts_what_was_saved() -> None:
    stream, at = tiles(ONE_SLICE), 4
    au = parsed(stream, at)
    piece = pieces_of(au)[1]
    decoder = ConcealingDecoder("hevc")
    shown = []
    for place, unit in enumerate(stream.units):
        start = len(unit.payload) - len(au.slices[0].nal.data) + piece.first - au.slices[0].nal.offset
        hit = Hit("zeros", start + 20, 60)
        payload = hit.payload(unit.payload)[0] if place == at else unit.payload
        shown += decoder.decode(payload, pts=unit.pts, complete=True)
    shown += decoder.flush()
    decoder.close()
    damage = shown[at].damage
    tile = set(piece.units)
    # Tiles 2 and 3, below, came behind it; tile 1 is wrong from its first CTBs on.
    assert damage.saved == sum(len(other.units) * 4 for other in pieces_of(au)[2:])
    assert 0 < damage.count(Damage.BROKEN) + damage.count(Damage.LOST) <= len(tile) * 4
    assert [one.damage.saved for one in shown if one.pts != at] == [0] * (len(shown) - 1)


def test_saved_blocks_lie_behind_damage_in_coding_order() -> None:
    damage = DamageMap(64, 32)
    assert damage.saved == 0
    damage.places = np.array([[0, 0, 2, 2], [1, 1, 3, 3]])
    damage.mark(damage.places == 1, Damage.LOST)
    assert damage.saved == 4


def test_tiles_lie_still_where_nobody_knows_how_much_is_missing() -> None:
    """What follows is named lost then, and garbage is not taken for it."""
    stream, at = tiles(ONE_SLICE), 4
    clean = decode_plainly(stream.payload, "hevc")[0]
    payload = stream.units[at].payload
    cut = len(payload) // 3
    decoder = ConcealingDecoder("hevc")
    shown = []
    for place, unit in enumerate(stream.units[: at + 1]):
        hit = place == at
        sent = payload[:cut] + payload[cut + 301 :] if hit else unit.payload
        shown += decoder.decode(sent, pts=unit.pts, gaps=[cut] if hit else [], complete=True)
    shown += decoder.flush()
    decoder.close()
    wrong = shown[at].frame.to_ndarray()[:HEIGHT, :WIDTH] != clean[at][0]
    wrong[shown[at].damage.hole_pixels()] = False
    assert wrong.mean() < 0.02  # loop filters of the hole's neighbours
    assert shown[at].damage.saved == 0


def test_a_part_ends_where_its_data_end_and_nowhere_else() -> None:
    au = parsed(tiles(ONE_SLICE), 4)
    header, nal = au.slices[0].header, au.slices[0].nal
    assert isinstance(header, hevc.SliceHeader)
    starts = hevc.substream_starts(nal, header)
    order = coding_order(header.sps, header.pps)
    places = [place for place in range(order.size) if order.starts_tile(place)]
    probe = SubstreamProbe()
    for place, first, end in zip(places, starts, [*starts[1:], len(nal.data)], strict=True):
        last = end == len(nal.data)
        right = probe.read(header, order.scan[place], nal.data[first:end])
        assert right is not None
        assert right.ends if last else right.goes_on
        for shift in (-2, 1, 184):
            wrong = probe.read(header, order.scan[place], nal.data[first + shift : end + shift])
            assert wrong is None or not wrong.goes_on
    probe.close()


def test_how_much_is_likely_to_be_missing() -> None:
    groups = [list(group) for group in _likely(2 + 3 * 1186)]
    assert [1186, 2372, 3558, 4744] in groups
    assert any({184, 368, 15 * 184} <= set(group) for group in groups)


def test_an_encoder_whose_entry_points_are_wrong_is_decoded_as_it_is() -> None:
    """Entry points are needed by nobody, so an encoder may write what it likes: without a gap they aren't trusted."""
    stream = tiles(ONE_SLICE)
    au = parsed(stream, 4)
    header = au.slices[0].header
    assert isinstance(header, hevc.SliceHeader)
    header.entry_points = tuple(size * 3 for size in header.entry_points)
    before = au.slices[0]
    parts = Parts()
    parts.take_apart(au)
    parts.close()
    assert au.slices == [before]
    assert au.coverage.is_intact
    assert replace(before).nal.damaged_at is None
