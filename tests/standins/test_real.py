"""Stand-in slices in streams of other encoders: openh264, JM, hardware, Panasonic, HM and the like."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, NalUnit, StreamParser, h264, hevc, join_annexb, parse_extradata
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins
from tests.standins.splicing import Planes, decode

STREAMS = [
    "damaged_streams/BA1_FT_C.264",  # many slices
    "damaged_streams/LS_SVA_D.264",
    "damaged_streams/MR2_TANDBERG_E.264",  # several references, reordered
    "damaged_streams/FREXT01_JVC_D.264",  # MBAFF
    "damaged_streams/HCAMFF1_HHI.264",  # MBAFF, CABAC
    "damaged_streams/HPCAMOLQ_BRCM_B.264",  # monochrome
    "damaged_streams/test_scalinglist_jm.264",
    "damaged_streams/Zhling_1280x720.264",
    "eval_video/openh264_road_1080p.264",
    "eval_video/bus_qcif.264",
    "eval_video/retalk_5.mp4",
    "damaged_streams/girlshy.h265",
    "damaged_streams/hevc_elst_ends_betn_b_and_i.mp4",
    "eval_video/foreman_cif_hevc.265",
    "eval_video/spreedmovie_360p.hevc",
]
FIELDS = ["damaged_streams/Freh7_B.264", "damaged_streams/freh4.264"]
_PACKETS = 12


def opened(path: Path) -> tuple[str, list[NalUnit], list[AccessUnit]]:
    """Codec, parameter sets from the container, the first access units."""
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        codec, extradata = video.codec_context.name, video.codec_context.extradata
        packets = []
        for packet in container.demux(video):
            packets.append(bytes(packet))
            if len(packets) == _PACKETS:
                break
    parser = StreamParser(codec, extradata)  # type: ignore[arg-type]
    aus = [au for packet in packets for au in parser.push(packet)] + parser.flush()
    return codec, parse_extradata(codec, extradata).parameter_sets, aus  # type: ignore[arg-type]


def span(au: AccessUnit, number: int) -> tuple[h264.SliceHeader | hevc.SliceHeader, int, int]:
    """Header and range of a slice, in the units its writer counts."""
    piece = au.slices[number]
    header = piece.header
    assert header is not None
    after = au.slices[number + 1].header if number + 1 < len(au.slices) else None
    if isinstance(header, hevc.SliceHeader):
        end = after.address if isinstance(after, hevc.SliceHeader) else au.rows * au.cols
        return header, header.address, end
    scale = 2 if header.mbaff else 1
    same = isinstance(after, h264.SliceHeader) and after.bottom_field == header.bottom_field
    end = after.first_mb * scale if same else au.rows * au.cols >> header.field_pic  # type: ignore[union-attr]
    return header, header.first_mb * scale, end


def stand_in(header: h264.SliceHeader | hevc.SliceHeader, first: int, end: int, kind: str) -> NalUnit:
    if isinstance(header, hevc.SliceHeader):
        if kind == "intra":
            flat = [np.full((header.sps.height >> x, header.sps.width >> x), 128) for x in (0, 1, 1)]
            return hevc_standins.intra_coded_standin(hevc_standins.coded_header(header, 20), first, end, flat)
        shape = (2 if header.slice_type == hevc.B else 1, header.sps.height >> 3, header.sps.width >> 3, 2)
        return hevc_standins.inter_standin(header, first, end, noise(shape) if kind == "motion" else None)
    rows, cols = header.sps.height_mbs >> header.field_pic, header.sps.width_mbs
    if kind == "intra":
        chroma = {0: (), 1: (8, 8), 2: (16, 8), 3: (16, 16)}[header.sps.chroma_array_type]
        shapes = [(16, 16)] + [chroma, chroma] * bool(chroma)
        return h264_standins.pcm_standin(
            header, first, end, [np.full((rows * y, cols * x), 77, np.uint8) for y, x in shapes]
        )
    shape = (2 if header.slice_type == h264.B else 1, rows, cols, 2)
    return h264_standins.inter_standin(header, first, end, noise(shape) if kind == "motion" else None)


def noise(shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
    return np.random.default_rng(1).integers(-40, 40, shape).astype(np.int16)


def complaints(logs: list[str]) -> list[str]:
    """Without what the demultiplexer says about its guesses."""
    return [text for text in logs if "Stream #0" not in text and "reorder buffer" not in text]


def changed(codec: str, sets: list[NalUnit], aus: list[AccessUnit], swap: dict[int, NalUnit]) -> list[Planes]:
    stream = join_annexb(sets + [swap.get(id(nal), nal) for au in aus for nal in au.nals])
    planes, logs, _ = decode(stream, codec)  # type: ignore[arg-type]
    assert not complaints(logs)
    return planes


@pytest.mark.parametrize("name", STREAMS)
def test_other_encoders(shared_data: Path, name: str) -> None:
    codec, sets, aus = opened(shared_data / name)
    clean = changed(codec, sets, aus, {})
    index = next((i for i, au in enumerate(aus) if i >= 3 and au.kind == "P"), None)
    if index is None:
        index = next(i for i, au in enumerate(aus) if i >= 3 and au.kind == "B")
    au = aus[index]
    place = sorted(range(len(aus)), key=lambda i: aus[i].order).index(index)
    number = len(au.slices) // 2
    header, first, end = span(au, number)
    mbaff = isinstance(header, h264.SliceHeader) and header.mbaff
    for kind in ("skip", "motion", "intra"):
        new = changed(codec, sets, aus, {id(au.slices[number].nal): stand_in(header, first, end, kind)})
        assert len(new) == len(clean)
        rows = max(1, au.cols * (2 if mbaff else 1))
        top = first // rows * rows // au.cols * au.unit
        bottom = -(-end // rows) * rows // au.cols * au.unit
        height = new[place][0].shape[0]
        # Deblocking reaches a few rows into the neighbours.
        assert np.array_equal(new[place][0][: max(0, top - 8)], clean[place][0][: max(0, top - 8)])
        assert np.array_equal(new[place][0][bottom + 16 :], clean[place][0][bottom + 16 :])
        inner = slice(top + au.unit * (top > 0) + 8 * (top > 0), bottom - 8 if bottom < height else height)
        got = new[place][0][inner]
        if kind == "skip" and au.kind == "P":
            # Without residual and with equal motion nothing is deblocked inside: an exact copy.
            assert any(np.array_equal(got, other[0][inner]) for i, other in enumerate(new) if i != place)
        elif kind == "intra":
            grey = 77 if codec == "h264" else 128
            assert (got == grey).all()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("kind", ["skip", "motion", "intra"])
def test_field_pictures(shared_data: Path, name: str, kind: str) -> None:
    codec, sets, aus = opened(shared_data / name)
    clean = changed(codec, sets, aus, {})
    index = next(i for i, au in enumerate(aus) if i and au.interlaced == "field" and au.kind == "P")
    au = aus[index]
    place = sorted(range(len(aus)), key=lambda i: aus[i].order).index(index)
    headers = [piece.header for piece in au.slices]
    number = next(i for i, h in enumerate(headers) if isinstance(h, h264.SliceHeader) and h.bottom_field)
    header, first, end = span(au, number)
    new = changed(codec, sets, aus, {id(au.slices[number].nal): stand_in(header, first, end, kind)})
    assert len(new) == len(clean)
    bottom = header.bottom_field if isinstance(header, h264.SliceHeader) else False
    assert np.array_equal(new[place][0][1 - bottom :: 2], clean[place][0][1 - bottom :: 2])
    last = (end // au.cols - 1) * 16
    field = new[place][0][int(bottom) :: 2][24:last]
    if kind == "intra":
        assert (field == 77).all()
    elif kind == "skip":
        fields = [other[0][parity::2][24:last] for other in new for parity in (0, 1)]
        assert sum(np.array_equal(field, other) for other in fields) >= 2
