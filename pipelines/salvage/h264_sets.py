"""H.264 parameter sets written anew."""

from __future__ import annotations

from dataclasses import dataclass

from concealer.bitstream import BitReader, BitstreamError, BitWriter, NalUnit, escape, h264, unescape

_HIGH = (100, 110, 122, 244)


@dataclass(frozen=True)
class Guess:
    """What H.264 parameter sets say, as far as decoding asks for it. Defaults are those of most encoders."""

    columns: int = 256
    rows: int = 256
    crop: tuple[int, int] = (0, 0)
    """Right and bottom, in samples."""
    profile: int = 100
    log2_max_frame_num: int = 4
    poc_type: int = 0
    log2_max_poc_lsb: int = 6
    references: int = 4
    frame_mbs_only: bool = True
    cabac: bool = True
    transform_8x8: bool = True
    default_references: tuple[int, int] = (1, 1)
    weighted: bool = False
    bipred: int = 0
    init_qp: int = 26
    chroma_offset: int = 0
    deblocking_control: bool = True
    bottom_field_order: bool = False


def sets_of(guess: Guess) -> list[NalUnit]:
    """SPS and PPS (7.3.2.1, 7.3.2.2)."""
    return [_sps(guess), _pps(guess)]


def _sps(guess: Guess) -> NalUnit:
    w = BitWriter()
    for value in (0x67, guess.profile, 0, 51):
        w.u(value, 8)
    w.ue(0)
    if guess.profile in _HIGH:
        w.ue(1)  # 4:2:0
        w.ue(0)
        w.ue(0)
        w.u(0, 2)
    w.ue(guess.log2_max_frame_num - 4)
    w.ue(guess.poc_type)
    if guess.poc_type == 0:
        w.ue(guess.log2_max_poc_lsb - 4)
    w.ue(guess.references)
    w.flag(False)
    w.ue(guess.columns - 1)
    w.ue((guess.rows if guess.frame_mbs_only else guess.rows // 2) - 1)
    w.flag(guess.frame_mbs_only)
    if not guess.frame_mbs_only:
        w.flag(False)
    w.flag(True)  # direct_8x8_inference
    _crop(w, guess.crop, guess.frame_mbs_only)
    w.flag(False)
    return _unit(w)


def _crop(w: BitWriter, crop: tuple[int, int], frame_mbs_only: bool) -> None:
    """Of 4:2:0."""
    w.flag(any(crop))
    if any(crop):
        for value in (0, crop[0] // 2, 0, crop[1] // (2 if frame_mbs_only else 4)):
            w.ue(value)


def _pps(guess: Guess) -> NalUnit:
    w = BitWriter()
    w.u(0x68, 8)
    w.ue(0)
    w.ue(0)
    w.flag(guess.cabac)
    w.flag(guess.bottom_field_order)
    w.ue(0)
    w.ue(guess.default_references[0] - 1)
    w.ue(guess.default_references[1] - 1)
    w.flag(guess.weighted)
    w.u(guess.bipred, 2)
    w.se(guess.init_qp - 26)
    w.se(0)
    w.se(guess.chroma_offset)
    w.flag(guess.deblocking_control)
    w.u(0, 2)
    if guess.transform_8x8:
        w.flag(True)
        w.flag(False)
        w.se(guess.chroma_offset)
    return _unit(w)


def _unit(w: BitWriter) -> NalUnit:
    data = w.aligned()
    return NalUnit(data[:1] + escape(data[1:]))


def resized(sps: NalUnit, columns: int, rows: int, crop: tuple[int, int]) -> NalUnit:
    """An SPS with another picture size, all else as it was. rows: of the frame. crop: right and bottom, in samples.

    Raises BitstreamError.
    """
    known = h264.parse_sps(sps)
    plain = unescape(sps.data)
    r = BitReader(plain)
    start = _size_at(r, known)
    r.pos = start
    r.ue()
    r.ue()
    flags = r.pos
    r.skip(1)
    if not known.frame_mbs_only:
        r.skip(1)
    r.skip(1)
    end = r.pos
    if r.flag():
        for _ in range(4):
            r.ue()
    w = BitWriter()
    w.bits(r.bits[:start])
    w.ue(columns - 1)
    w.ue((rows if known.frame_mbs_only else rows // 2) - 1)
    w.bits(r.bits[flags:end])
    _crop(w, crop, known.frame_mbs_only)
    rest = r.bits[r.pos :]
    w.bits(rest[: rest.rfind("1")])
    return _unit(w)


def _size_at(r: BitReader, known: h264.Sps) -> int:
    """Where pic_width_in_mbs_minus1 begins: the fields before it read once more."""
    r.skip(32)
    r.ue()
    if known.profile_idc in _HIGH:
        if r.ue() == 3:
            r.skip(1)
        r.ue()
        r.ue()
        r.skip(1)
        if r.flag():
            raise BitstreamError("scaling lists in the SPS are not read over here")
    r.ue()
    kind = r.ue()
    if kind == 0:
        r.ue()
    elif kind == 1:
        r.skip(1)
        r.ue()
        r.ue()
        for _ in range(r.ue()):
            r.ue()
    r.ue()
    r.skip(1)
    return r.pos
