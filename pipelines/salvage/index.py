"""An index for samples that lie somewhere in a file: the boxes of a QuickTime movie, to be read in front of it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from concealer.bitstream import Codec, NalUnit, h264, hevc, nal_type, unescape
from pipelines.salvage.opus import PRE_SKIP

_MOVIE_TICKS = 90000
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SPECIFIC_TAG, _DECODER_TAG, _ES_TAG, _SL_TAG = 5, 4, 3, 6


@dataclass
class Sample:
    """One sample, or of PCM a stretch of them."""

    place: int
    """In the file, without the index."""
    size: int
    time: int
    """Decode time in ticks of the track."""
    duration: int
    offset: int = 0
    """From its decode time to when it is shown."""
    key: bool = True
    count: int = 1
    """Samples in it; `duration` is that of each."""


@dataclass
class Track:
    """One stream."""

    is_video: bool
    entry: bytes
    """Its sample entry."""
    ticks: int
    """A second."""
    samples: Sequence[Sample]
    width: int = 0
    height: int = 0
    skipped: int = 0
    """Ticks before the first that is shown: an edit list."""

    @property
    def duration(self) -> int:
        """In its ticks."""
        last = self.samples[-1] if self.samples else None
        return 0 if last is None else last.time + last.duration * last.count

    @property
    def shown(self) -> int:
        """Ticks from the first that is shown to the end."""
        ends = [sample.time + sample.offset + sample.duration * sample.count for sample in self.samples[-32:]]
        return max(0, max(ends, default=0) - self.skipped)


def index_of(tracks: Sequence[Track], size: int) -> bytes:
    """What is to stand before a file of `size` bytes for its samples to be read as these tracks."""
    head = _box(b"ftyp", b"qt  " + struct.pack(">I", 512) + b"qt  isomiso2")
    shift, before = 0, b""
    for _ in range(3):  # places are written in a width that hangs on nothing: once to know it, once for good
        moov = _moov(tracks, shift)
        before = head + moov + struct.pack(">I4sQ", 1, b"mdat", size + 16)
        if len(before) == shift:
            break
        shift = len(before)
    return before


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, body: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags) + body)


def _moov(tracks: Sequence[Track], shift: int) -> bytes:
    length = max((_movie(track.shown, track) for track in tracks), default=0)
    head = struct.pack(">IIIIIHxx8x", 0, 0, _MOVIE_TICKS, min(length, 0xFFFFFFFF), 0x10000, 0x100)
    mvhd = _full(b"mvhd", head + _MATRIX + bytes(24) + struct.pack(">I", len(tracks) + 1))
    return _box(b"moov", mvhd + b"".join(_trak(number, track, shift) for number, track in enumerate(tracks, 1)))


def _movie(ticks: int, track: Track) -> int:
    return round(ticks * _MOVIE_TICKS / track.ticks)


def _trak(number: int, track: Track, shift: int) -> bytes:
    length = min(_movie(track.shown, track), 0xFFFFFFFF)
    sound = 0 if track.is_video else 0x100
    tkhd = struct.pack(">IIIII8xHHHxx", 0, 0, number, 0, length, 0, 0, sound) + _MATRIX
    tkhd += struct.pack(">II", track.width << 16, track.height << 16)
    elst = struct.pack(">IIiI", 1, length, track.skipped, 0x10000)
    edits = _box(b"edts", _full(b"elst", elst)) if track.skipped else b""
    return _box(b"trak", _full(b"tkhd", tkhd, 3) + edits + _mdia(track, shift))


def _mdia(track: Track, shift: int) -> bytes:
    long = track.duration >= 1 << 32
    times = struct.pack(">QQIQ" if long else ">IIII", 0, 0, track.ticks, track.duration)
    mdhd = _box(b"mdhd", struct.pack(">I", long << 24) + times + struct.pack(">HH", 0x55C4, 0))
    kind = b"vide" if track.is_video else b"soun"
    hdlr = _full(b"hdlr", b"mhlr" + kind + bytes(12) + b"\x00")
    head = _full(b"vmhd", bytes(8), 1) if track.is_video else _full(b"smhd", bytes(4))
    dinf = _box(b"dinf", _full(b"dref", struct.pack(">I", 1) + _full(b"url ", b"", 1)))
    return _box(b"mdia", mdhd + hdlr + _box(b"minf", head + dinf + _stbl(track, shift)))


def _stbl(track: Track, shift: int) -> bytes:
    samples = track.samples
    parts = [_full(b"stsd", struct.pack(">I", 1) + track.entry), _full(b"stts", _durations(samples))]
    if any(sample.offset for sample in samples):
        parts.append(_full(b"ctts", _runs([(sample.offset, sample.count) for sample in samples])))
    if track.is_video:
        keys = [number for number, sample in enumerate(samples, 1) if sample.key]
        parts.append(_full(b"stss", struct.pack(f">I{len(keys)}I", len(keys), *keys)))
    chunks = [(sample.count, sample.place + shift) for sample in samples]
    parts += [_full(b"stsc", _chunk_runs([count for count, _ in chunks])), _full(b"stsz", _sizes(samples))]
    parts.append(_full(b"co64", struct.pack(f">I{len(chunks)}Q", len(chunks), *(place for _, place in chunks))))
    return _box(b"stbl", b"".join(parts))


def _durations(samples: Sequence[Sample]) -> bytes:
    """Each lasts until the next begins."""
    steps = []
    for one, after in zip(samples, samples[1:], strict=False):
        rest = one.count - 1
        if rest:
            steps.append((one.duration, rest))
        steps.append((max(0, after.time - one.time - rest * one.duration), 1))
    if samples:
        steps.append((samples[-1].duration, samples[-1].count))
    return _runs(steps)


def _runs(pairs: Sequence[tuple[int, int]]) -> bytes:
    """(value, count) pairs, equal neighbours joined, as a table of counts and values."""
    rows = []
    for value, group in groupby(pairs, key=lambda pair: pair[0]):
        rows.append((sum(count for _, count in group), value))
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(">II", *row) for row in rows)


def _chunk_runs(counts: Sequence[int]) -> bytes:
    rows, number = [], 1
    for count, group in groupby(counts):
        rows.append((number, count, 1))
        number += len(list(group))
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(">III", *row) for row in rows)


def _sizes(samples: Sequence[Sample]) -> bytes:
    if any(sample.count > 1 for sample in samples):
        each = next(sample.size // sample.count for sample in samples)
        return struct.pack(">II", each, sum(sample.count for sample in samples))
    return struct.pack(f">II{len(samples)}I", 0, len(samples), *(sample.size for sample in samples))


def video_entry(codec: Codec, sets: Sequence[NalUnit], width: int, height: int) -> bytes:
    """Sample entry of video whose units have lengths of four bytes (ISO/IEC 14496-15)."""
    head = bytes(6) + struct.pack(">H16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1)
    if codec == "h264":
        return _box(b"avc1", head + _box(b"avcC", avcc(sets)))
    return _box(b"hev1", head + _box(b"hvcC", hvcc(sets)))


def avcc(sets: Sequence[NalUnit]) -> bytes:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1)."""
    sps = [nal.data for nal in sets if nal_type("h264", nal) == h264.NAL_SPS][:31]
    pps = [nal.data for nal in sets if nal_type("h264", nal) == h264.NAL_PPS][:255]
    made = b"\x01" + sps[0][1:4] + b"\xff" + _array(0xE0 | len(sps), sps) + _array(len(pps), pps)
    if sps[0][1] in (66, 77, 88):
        return made
    known = h264.parse_sps(NalUnit(sps[0]))
    depths = 0xF8 | known.bit_depth_luma - 8, 0xF8 | known.bit_depth_chroma - 8
    return made + bytes([0xFC | known.chroma_format_idc, *depths, 0])


def _array(count: int, units: Sequence[bytes]) -> bytes:
    return bytes([count]) + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def hvcc(sets: Sequence[NalUnit]) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1)."""
    first = next(nal for nal in sets if nal_type("hevc", nal) == hevc.NAL_SPS)
    sps = hevc.parse_sps(first)
    profile = unescape(first.data)[3:15]
    body = b"\x01" + profile + struct.pack(">HBBBBHB", 0xF000, 0xFC, 0xFC | sps.chroma_format_idc,
        0xF8 | sps.bit_depth_luma - 8, 0xF8 | sps.bit_depth_chroma - 8, 0, sps.max_sub_layers << 3 | 3)  # fmt: skip
    kinds = [(kind, [nal.data for nal in sets if nal_type("hevc", nal) == kind]) for kind in (32, 33, 34)]
    body += bytes([sum(bool(units) for _, units in kinds)])
    for kind, units in kinds:
        if units:
            body += bytes([0x80 | kind]) + struct.pack(">H", len(units))
            body += b"".join(struct.pack(">H", len(unit)) + unit for unit in units)
    return body


def sound_entry(kind: str, channels: int, bits: int, rate: int, config: bytes) -> bytes:
    """Sample entry of sound (ISO/IEC 14496-12 12.2.3). config: AudioSpecificConfig of AAC, dac3 of AC-3."""
    # 24 bits do not fit the field of version 0; QuickTime reads them by the four letters.
    head = bytes(6) + struct.pack(">H8xHHHHI", 1, channels, min(bits, 16), 0, 0, rate << 16)
    own = {
        "mp4a": _esds(config),
        "samr": _box(b"damr", b"    \x00\x81\xff\x00\x01"),
        "ac-3": _box(b"dac3", config),
        "ec-3": _box(b"dec3", config),
        "Opus": _box(b"dOps", struct.pack(">BBHIHB", 0, channels, PRE_SKIP, rate, 0, 0)),
    }
    return _box(kind.encode("latin-1"), head + own.get(kind, b""))


def _esds(config: bytes) -> bytes:
    """ES_Descriptor (ISO/IEC 14496-1 7.2.6.5)."""
    specific = _descriptor(_SPECIFIC_TAG, config)
    decoder = _descriptor(_DECODER_TAG, b"\x40\x15" + bytes(11) + specific)
    return _full(b"esds", _descriptor(_ES_TAG, b"\x00\x00\x00" + decoder + _descriptor(_SL_TAG, b"\x02")))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body
