"""Streams made whole: what stock FFmpeg shows of them, and that nothing received has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, Codec, MissingPicture, join_annexb, split_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder import ConcealingDecoder, Settled
from concealer.repair import Repairer, predicted_motion
from concealer.splice import SplicedUnit, Splicer
from concealer.standins import UnsupportedStandInError
from tests.media import clip, encode_bytes
from tests.standins.splicing import Planes, decode, parse

Repaired = dict[int, tuple[Planes, npt.NDArray[np.bool_]]]
"""By output order: planes and hole."""


def spliced(
    payloads: Collection[bytes],
    codec: Codec = "h264",
    *,
    own_process: bool = False,
    gaps: Mapping[int, tuple[int, ...]] | None = None,
    hurry: bool = False,
    quick: bool = False,
) -> tuple[list[SplicedUnit], Repaired]:
    """Units of the spliced stream, and the pictures that repair made."""
    splicer = Splicer(codec, own_process=own_process, quick=quick)
    splicer.begin(hurry=hurry)
    units: list[SplicedUnit] = []
    repaired: Repaired = {}

    def observe(picture: Settled) -> None:
        units.extend(splicer.settled(picture))
        if picture.damage is not None and picture.damage.any_hole:
            planes = [plane.astype(np.int32) for plane in picture.planes]
            repaired[picture.order] = planes, picture.damage.hole_pixels()

    motion = predicted_motion if codec == "hevc" else None
    decoder = ConcealingDecoder(codec, repair=Repairer("auto"), motion=motion, container_framed=True, observe=observe)
    try:
        for number, payload in enumerate(payloads):
            decoder.decode(payload, pts=number, gaps=(gaps or {}).get(number, ()))
        decoder.flush()
        units += splicer.flush()
    finally:
        splicer.close()
        decoder.close()
    return units, repaired


def payload_of(au: AccessUnit, without: Collection[int] = ()) -> bytes:
    """The access unit without its slices of these numbers."""
    gone = {id(au.slices[number].nal) for number in without}
    return join_annexb(nal for nal in au.nals if id(nal) not in gone)


def shown(units: list[SplicedUnit], codec: Codec = "h264") -> dict[int, Planes]:
    """What stock FFmpeg makes of it, without a complaint, by output order."""
    pictures, complaints, _ = decode(b"".join(join_annexb(unit.nals) for unit in units), codec)
    assert not complaints
    assert len(pictures) == len(units)
    return dict(zip(sorted(unit.order for unit in units), pictures, strict=True))


def assert_shows(units: list[SplicedUnit], repaired: Repaired, codec: Codec = "h264", least: float = 38.0) -> None:
    """Stock FFmpeg shows in the holes what repair made."""
    pictures = shown(units, codec)
    for order, (planes, hole) in repaired.items():
        height, width = pictures[order][0].shape
        error = (pictures[order][0] - planes[0][:height, :width])[hole[:height, :width]]
        peak = 1023.0 if planes[0].max() > 255 else 255.0
        assert 10 * np.log10(peak**2 / max(float(np.mean(error**2.0)), 1e-9)) > least, order


def assert_received_are_kept(units: list[SplicedUnit], payloads: Collection[bytes], removed: int = 0) -> None:
    ours = {id(one.nal) for unit in units for one in unit.written}
    left = [nal.data for unit in units for nal in unit.nals if id(nal) not in ours]
    gone = [nal.data for unit in units for nal in unit.removed]
    arrived = [nal.data for payload in payloads for nal in split_annexb(payload)]
    assert len(gone) == removed
    rest = list(arrived)
    for data in (*left, *gone):
        rest.remove(data)
    assert not rest, "a received NAL unit is missing"
    assert left == [data for data in arrived if data not in gone], "the order has changed"


STREAMS = {
    "P CABAC": dict(),
    "P CAVLC": dict(extra={"cabac": 0}),
    "B CABAC": dict(bframes=2),
    "B CAVLC temporal direct": dict(bframes=3, extra={"cabac": 0, "direct": "temporal"}),
    "P 10 bit": dict(pix_fmt="yuv420p10le"),
    "B weighted, three references": dict(bframes=2, preset="slow"),
    "P without filter control": dict(extra={"no-deblock": 0}),
    "4:2:2": dict(bframes=1, pix_fmt="yuv422p"),
    "monochrome": dict(pix_fmt="gray"),
}


@pytest.mark.parametrize("name", list(STREAMS))
def test_lost_slices(name: str) -> None:
    stream = encode_bytes(clip(14, 176, 144, seed=3), "h264", slices=4, gop=10, **STREAMS[name])  # type: ignore[arg-type]
    aus = parse(stream, "h264")
    # An inter picture, one that loses two slices, its first among them, and the second IDR picture.
    payloads = [payload_of(au, {3: (1,), 6: (0, 2), 10: (3,)}.get(number, ())) for number, au in enumerate(aus)]
    units, repaired = spliced(payloads)
    assert len(units) == len(aus) and len(repaired) == 3
    assert sum(len(unit.written) for unit in units) == 4
    assert_received_are_kept(units, payloads)
    assert_shows(units, repaired)


def test_damage_of_a_reference_is_what_later_pictures_see_too() -> None:
    stream = encode_bytes(clip(12, 176, 144, seed=3), "h264", slices=4)
    aus = parse(stream, "h264")
    payloads = [payload_of(au, (1,) if number == 3 else ()) for number, au in enumerate(aus)]
    units, _ = spliced(payloads)
    hooked = ConcealingDecoder("h264", repair=Repairer("auto"), container_framed=True)
    pictures = [p for n, payload in enumerate(payloads) for p in hooked.decode(payload, pts=n)] + hooked.flush()
    for picture, planes in zip(pictures, shown(units).values(), strict=True):
        ours = np.frombuffer(picture.frame.planes[0], np.uint8)  # type: ignore[call-overload]
        ours = ours.reshape(144, -1)[:, :176].astype(np.int32)
        assert 10 * np.log10(255**2 / max(float(np.mean((ours - planes[0]) ** 2.0)), 1e-9)) > 38


def test_slices_cut_and_garbled_are_replaced() -> None:
    stream = encode_bytes(clip(10, 176, 144, seed=3), "h264", slices=4)
    aus = parse(stream, "h264")
    payloads = [payload_of(au) for au in aus]
    cut = aus[3].slices[1].nal.data
    payloads[3] = payloads[3].replace(cut, cut[: len(cut) // 2])
    place = payloads[3].index(cut[: len(cut) // 2]) + len(cut) // 2
    garbled = aus[6].slices[2].nal.data
    middle = len(garbled) // 3
    payloads[6] = payloads[6].replace(garbled, garbled[:middle] + bytes(b ^ 0x5A or 1 for b in garbled[middle:]))
    units, repaired = spliced(payloads, gaps={3: (place - 1,)})
    assert {unit.order for unit in units if unit.removed} == {aus[3].order, aus[6].order}
    assert_received_are_kept(units, payloads, removed=2)
    assert_shows(units, repaired)


@pytest.mark.parametrize("codec", get_args(Codec))
@pytest.mark.parametrize("kept", [4, 5, 7, 10])
def test_the_slice_before_a_stump_stays(codec: Codec, kept: int) -> None:
    """Of a slice too little came to read its header: that says nothing of the slice before it."""
    aus = parse(encode_bytes(clip(8, 176, 288, seed=3), codec, slices=3, crf=12), codec)
    payloads, gaps = [payload_of(au) for au in aus], {}
    count = len(aus[5].slices)
    stump = aus[5].slices[count - 1].nal.data
    payloads[5] = payloads[5][: -len(stump) + kept]
    gaps[5] = (len(payloads[5]),)
    units, repaired = spliced(payloads, codec, gaps=gaps)
    assert len(units) == len(aus) and [len(unit.removed) for unit in units] == [0] * 5 + [1] + [0] * 2
    assert units[5].removed[0].data[:kept] == stump[:kept]
    assert_shows(units, repaired, codec)


@pytest.mark.parametrize("cabac", [1, 0])
@pytest.mark.parametrize("missing", [0, 4, 40])
def test_a_slice_with_the_rest_of_the_next_picture_behind_it(missing: int, cabac: int) -> None:
    """The start of an access unit was lost: the slice before stays if all of it is there, and that can be tried."""
    aus = parse(encode_bytes(clip(10, 176, 144, seed=3), "h264", crf=18, extra={"cabac": cabac}), "h264")
    payloads = [payload_of(au) for au in aus]
    whole, rest = payloads[5], payloads[6][len(payloads[6]) // 2 :]
    payloads[5] = whole[: len(whole) - missing] + rest
    del payloads[6]
    units, _ = spliced(payloads, gaps={5: (len(whole) - missing,)})
    assert [one.form for one in units[5].written] == ["cut" if cabac and not missing else "inter"]
    if cabac and not missing:
        assert units[5].nals[-1].data == aus[5].slices[0].nal.data
    assert len(shown(units)) == 10


@pytest.mark.parametrize("bframes", [0, 2])
def test_lost_reference_picture_gets_an_access_unit_of_its_own(bframes: int) -> None:
    stream = encode_bytes(clip(16, 176, 144, seed=3), "h264", slices=4, bframes=bframes, extra={"b-pyramid": "none"})
    aus = parse(stream, "h264")
    victim = next(number for number, au in enumerate(aus) if number > 5 and au.kind == "P")
    payloads = [payload_of(au) for number, au in enumerate(aus) if number != victim]
    units, repaired = spliced(payloads)
    assert [number for number, unit in enumerate(units) if unit.au is None] == [victim]
    assert units[victim].order == aus[victim].order
    assert_received_are_kept(units, payloads)
    assert_shows(units, repaired)


@pytest.mark.parametrize("hurry", [False, True])
def test_lost_idr_picture(hurry: bool) -> None:
    """Told by hand: with the short counters of x264 its loss can't be told from that of other pictures."""
    stream = encode_bytes(clip(28, 176, 144, seed=3), "h264", slices=4, gop=14)
    aus = parse(stream, "h264")
    assert aus[14].is_idr
    planes = tuple(np.ascontiguousarray(plane, np.uint8) for plane in decode(stream, "h264")[0][14])
    damage = DamageMap(176, 144)
    damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
    splicer = Splicer("h264")
    splicer.begin(hurry=hurry)
    units: list[SplicedUnit] = []
    for number, au in enumerate(aus):
        if number == 14:
            missing = MissingPicture("h264", 0, au.order, 0)
            units += splicer.settled(Settled(number, au.order, None, None, missing, damage, planes))
        else:
            units += splicer.settled(Settled(number, au.order, None, au, None, DamageMap(176, 144), planes))
    splicer.close()
    assert units[14].written[0].nal.data[0] & 31 == 5 and units[14].written[0].form == "intra"
    got = shown(units)
    assert np.abs(got[aus[14].order][0] - planes[0]).mean() < (8 if hurry else 2)
    # The pictures after it refer to it, and their counters fit.
    clean = decode(stream, "h264")[0]
    assert np.abs(got[aus[20].order][0] - clean[20][0]).mean() < (8 if hurry else 2.5)


@pytest.mark.parametrize("kind", ["P", "B"])
def test_access_unit_whose_slices_are_all_unreadable(kind: str) -> None:
    stream = encode_bytes(clip(16, 176, 144, seed=3), "h264", slices=2, bframes=2, extra={"b-pyramid": "none"})
    aus = parse(stream, "h264")
    victim = next(number for number, au in enumerate(aus) if number > 5 and au.kind == kind)
    payloads = [payload_of(au) for au in aus]
    payloads[victim] = b"\0\0\0\1\x21\x00\x80\x00\x80"
    units, _ = spliced(payloads)
    assert len(units) == 16 and units[victim].au is not None and units[victim].removed
    assert len(shown(units)) == 16


def test_undamaged_stream_leaves_as_it_came() -> None:
    stream = encode_bytes(clip(8, 176, 144), "h264", slices=2, bframes=2)
    payloads = [payload_of(au) for au in parse(stream, "h264")]
    units, _ = spliced(payloads)
    assert not any(unit.changed for unit in units)
    assert [join_annexb(unit.nals) for unit in units] == payloads


def test_process_beside_writes_the_same() -> None:
    stream = encode_bytes(clip(40, 176, 144, seed=3), "h264", slices=4, bframes=2)
    aus = parse(stream, "h264")
    payloads = [payload_of(au, (number % 4,) if number % 5 == 3 else ()) for number, au in enumerate(aus)]
    here, _ = spliced(payloads)
    beside, _ = spliced(payloads, own_process=True)
    assert [unit.nals for unit in here] == [unit.nals for unit in beside]
    assert [unit.index for unit in here] == [unit.index for unit in beside]


HEVC = {
    "P": dict(),
    "B": dict(bframes=2),
    "P 10 bit": dict(pix_fmt="yuv420p10le"),
    "P several slice segments": dict(slices=3, extra={"ctu": 32}),
}


@pytest.mark.parametrize("name", list(HEVC))
def test_hevc_lost_slices(name: str) -> None:
    stream = encode_bytes(clip(12, 176, 288, seed=3), "hevc", **{"slices": 3, **HEVC[name]})  # type: ignore[arg-type]
    aus = parse(stream, "hevc")
    payloads = [payload_of(au, {4: (1,), 8: (0,)}.get(number, ())) for number, au in enumerate(aus)]
    units, repaired = spliced(payloads, "hevc")
    assert len(units) == len(aus) and len(repaired) == 2
    assert_received_are_kept(units, payloads)
    assert_shows(units, repaired, "hevc")


def test_hevc_lost_reference_picture() -> None:
    stream = encode_bytes(clip(12, 176, 288, seed=3), "hevc", slices=2)
    aus = parse(stream, "hevc")
    payloads = [payload_of(au) for number, au in enumerate(aus) if number != 6]
    units, repaired = spliced(payloads, "hevc")
    assert [number for number, unit in enumerate(units) if unit.au is None] == [6]
    assert_received_are_kept(units, payloads)
    assert_shows(units, repaired, "hevc")


def test_hevc_cut_slice_is_replaced() -> None:
    stream = encode_bytes(clip(10, 176, 288, seed=3), "hevc", slices=2)
    aus = parse(stream, "hevc")
    payloads = [payload_of(au) for au in aus]
    cut = aus[5].slices[1].nal.data
    payloads[5] = payloads[5].replace(cut, cut[: len(cut) // 2])
    place = payloads[5].index(cut[: len(cut) // 2]) + len(cut) // 2
    units, repaired = spliced(payloads, "hevc", gaps={5: (place - 1,)})
    assert_received_are_kept(units, payloads, removed=1)
    assert_shows(units, repaired, "hevc")


@pytest.mark.parametrize("lost", [(0,), (1,)])
def test_hevc_lost_slice_of_an_intra_picture(lost: tuple[int, ...]) -> None:
    stream = encode_bytes(clip(8, 176, 288), "hevc", slices=2, gop=4)
    payloads = [payload_of(au, lost if number == 4 else ()) for number, au in enumerate(parse(stream, "hevc"))]
    units, repaired = spliced(payloads, "hevc")
    assert [one.form for unit in units for one in unit.written] == ["intra"]
    assert_received_are_kept(units, payloads)
    assert_shows(units, repaired, "hevc")


def test_hevc_with_scaling_lists_is_refused() -> None:
    stream = encode_bytes(clip(8, 176, 288), "hevc", slices=2, extra={"scaling-list": "default"})
    payloads = [payload_of(au, (1,) if number == 4 else ()) for number, au in enumerate(parse(stream, "hevc"))]
    with pytest.raises(UnsupportedStandInError, match="scaling lists"):
        spliced(payloads, "hevc")


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("codec", get_args(Codec))
def test_in_a_hurry_the_reference_is_repeated(codec: Codec, bframes: int) -> None:
    aus = parse(encode_bytes(clip(8), codec, slices=3, bframes=bframes, gop=8), codec)
    payloads = [payload_of(au, [1] if number == 3 else []) for number, au in enumerate(aus)]
    units, _ = spliced(payloads, codec, hurry=True)
    assert [one.form for unit in units for one in unit.written] == ["skip"]
    assert len(shown(units, codec)) == 8
    assert_received_are_kept(units, payloads)


@pytest.mark.parametrize("codec", get_args(Codec))
def test_in_a_hurry_intra_pictures_are_coarse(codec: Codec) -> None:
    aus = parse(encode_bytes(clip(6), codec, slices=3, gop=3), codec)
    payloads = [payload_of(au, [1] if number == 3 else []) for number, au in enumerate(aus)]
    sizes = []
    for hurry in (False, True):
        units, _ = spliced(payloads, codec, hurry=hurry)
        assert len(shown(units, codec)) == 6
        sizes.append(sum(len(one.nal.data) for unit in units for one in unit.written))
    assert sizes[1] < sizes[0] / 2
