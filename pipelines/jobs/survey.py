"""What a first pass finds out about a stream: where it can be entered, and which of its payloads hold damage."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from concealer.bitstream import (
    PARAMETER_SETS,
    BitReader,
    BitstreamError,
    Codec,
    NalUnit,
    h264,
    hevc,
    join_annexb,
    nal_type,
    parse_extradata,
    recovery_count,
    split_sample,
    unescape,
)
from concealer.decoder import DecodedPicture
from pipelines.errors import CannotKeepError
from pipelines.reading import Source, VideoPayload
from pipelines.report import is_damaged

_CLOSED: dict[Codec, frozenset[int]] = {"h264": frozenset({5}), "hevc": frozenset(range(16, 21))}
"""nal_unit_type of pictures that nothing behind them reaches back over: IDR and BLA."""
_ENTRIES: dict[Codec, frozenset[int]] = {"h264": frozenset({5}), "hevc": frozenset(range(16, 22))}
"""Those at which decoding can begin, CRA among them: all but the pictures shown before it is whole. In H.264 there are
recovery points beside them."""
_I = 2
"""slice_type of intra slices (7.4.3)."""
PIECE = 150
"""Payloads from which on a damaged stretch is cut in two where that can be done."""
_WHOLE = 2
"""Payloads from such a cut on that must be undamaged."""
_NONE_MISSING = 16
"""Payloads on either side of it beside which no picture may be missing: as many as can wait for the place where they
are shown, and from whose times it is known how far pictures are apart."""
_SLICES: dict[Codec, range] = {"h264": range(1, 6), "hevc": range(32)}


@dataclass(frozen=True)
class Span:
    """A stretch of one stream that is repaired; what lies between spans is copied."""

    lead: int
    """Number of the payload at which decoding begins, so that what comes behind has its references."""
    first: int
    """Number of the first payload that may change."""
    end: int
    """Number behind the last."""


@dataclass
class Places:
    """Numbers of payloads."""

    damaged: set[int] = field(default_factory=set)
    """They hold damage, or lie next to where something is missing."""
    incomplete: set[int] = field(default_factory=set)
    """Those of them beside which a whole picture is missing, or that are out of their place."""

    def update(self, others: Places) -> None:
        """Take in those of another part of the stream."""
        self.damaged |= others.damaged
        self.incomplete |= others.incomplete


class Survey:
    """Of one stream, payload by payload in decode order, counted from 0."""

    def __init__(self, codec: Codec, extradata: bytes | None, *, headless: bool = False) -> None:
        """headless: it begins without whole parameter sets, so that its first group cannot stay as it is."""
        framing = parse_extradata(codec, extradata)
        self._codec = codec
        self._length_size = framing.length_size
        self._header = extradata
        self._split = False
        """The container's header alone does not tell how to decode from any entry on."""
        self._sets: dict[tuple[int, int], NalUnit] = {}
        self._known_at: list[tuple[int, tuple[NalUnit, ...]]] = []
        self._entries, self._closed = array("q"), array("q")
        self.nal_units, self.sizes = array("L"), array("L")
        """Of each payload: NAL units, and bytes."""
        self.places = Places({0}, {0}) if headless else Places()
        self._keep(framing.parameter_sets)
        self._own = tuple(self._sets.values())

    def payload(self, payload: VideoPayload) -> bool:
        """The next one; whether decoding can begin with it."""
        number = len(self.sizes)
        if payload.extradata is not None:
            framing = parse_extradata(self._codec, payload.extradata)
            self._length_size = framing.length_size
            self._keep(framing.parameter_sets)
            self._split = True
        nals, _ = split_sample(payload.data, self._length_size)
        self._keep(nal for nal in nals if nal_type(self._codec, nal) in PARAMETER_SETS[self._codec])
        kind = next((k for nal in nals if (k := nal_type(self._codec, nal)) in _SLICES[self._codec]), None)
        entry = kind in _ENTRIES[self._codec]
        entry |= kind == h264.NAL_SLICE and self._codec == "h264" and _recovers(nals)
        if entry:
            self._entries.append(number)
            if kind in _CLOSED[self._codec]:
                self._closed.append(number)
            sets = tuple(self._sets.values())
            self._split |= bool(self._length_size) and sets != self._own
            if not self._known_at or self._known_at[-1][1] != sets:
                self._known_at.append((number, sets))
        self.nal_units.append(len(nals))
        self.sizes.append(len(payload.data))
        if payload.truncated or payload.gaps:
            self.places.damaged.add(number)
        return entry

    def _keep(self, nals: Iterable[NalUnit]) -> None:
        for came in nals:
            nal = NalUnit(came.data)  # wherever it stood, it is the same
            kind = nal_type(self._codec, nal)
            try:
                self._sets[kind, _set_id(self._codec, kind, nal)] = nal
            except BitstreamError:
                continue

    @property
    def is_split(self) -> bool:
        """Parameter sets of the container's form change, so that decoding cannot begin just anywhere."""
        return self._split

    def spans(self, *, closed: bool) -> list[Span]:
        """Stretches that hold all damage from the first entry on, in order, each from one entry to another.

        What lies before that was cut from its references, and is left as it is: decoders show nothing of it.
        closed: no picture behind a span, or in it, is predicted over its ends, so that it can be coded anew.
        Raises CannotKeepError where damage lies before the first such end.
        """
        entries = self._closed if closed else self._entries
        if self._split:
            return [self.whole]
        spans: list[Span] = []
        for number in sorted(self.places.damaged):
            if number < self._entries[0] or (spans and number < spans[-1].end):
                continue
            place = bisect_right(entries, number) - 1
            if place < 0:
                raise CannotKeepError("it is damaged before the first picture that nothing behind reaches back over")
            first = entries[place]
            ahead = bisect_right(entries, number)
            end = entries[ahead] if ahead < len(entries) else len(self.sizes)
            if spans and first <= spans[-1].end:
                spans[-1] = Span(spans[-1].lead, spans[-1].first, end)
            else:
                before = bisect_left(entries, first) - 1
                spans.append(Span(entries[before] if before >= 0 else first, first, end))
        return [piece for span in spans for piece in self._pieces(span)]

    def _pieces(self, span: Span) -> Iterator[Span]:
        """The same in stretches that several processes can work on, cut at IDR pictures where nothing is missing.

        Nothing leads to these: what is predicted behind an IDR picture is not predicted from what lies before it.
        """
        first, lead = span.first, span.lead
        closed = self._closed[bisect_right(self._closed, span.first) : bisect_left(self._closed, span.end)]
        for number in closed:
            long = number - first >= PIECE and span.end - number >= PIECE
            if long and self._can_be_cut(number):
                yield Span(lead, first, number)
                first = lead = number
        yield Span(lead, first, span.end)

    def _can_be_cut(self, number: int) -> bool:
        """Whether decoding that ends there misses nothing that shows only behind, and what begins there is whole."""
        damaged, incomplete = self.places.damaged, self.places.incomplete
        return damaged.isdisjoint(range(number, number + _WHOLE)) and incomplete.isdisjoint(
            range(number - _NONE_MISSING, number + _NONE_MISSING)
        )

    @property
    def whole(self) -> Span:
        """All of it."""
        return Span(0, 0, len(self.sizes))

    def header(self, number: int) -> bytes | None:
        """What a decoder is to be opened with that begins at the payload of that number: in the container's form, or
        the parameter sets known there, with start codes."""
        if self._length_size or number == 0:
            return self._header
        return join_annexb(self.sets_at(number)) or self._header

    def sets_at(self, number: int) -> list[NalUnit]:
        """Parameter sets in force at the payload of that number."""
        known = [sets for at, sets in self._known_at if at <= number]
        return list(known[-1]) if known else list(self._own)

    @property
    def has_entries(self) -> bool:
        """Decoding can begin somewhere."""
        return bool(self._entries)

    def groups(self, span: Span) -> int:
        """Closed groups of pictures in it."""
        return max(1, sum(span.first <= number < span.end for number in self._closed))

    @property
    def used_ids(self) -> set[int]:
        """Identifiers of parameter sets of any kind that the stream uses."""
        return {number for _, number in self._sets}


def survey_of(source: Source, index: int) -> Survey:
    """Of a stream of a source that is read from its start."""
    header = source.video[index].codec_context.extradata
    return Survey(source.codec(index), header, headless=index in source.headless)


class Marks:
    """Marks in a survey what the pictures of a track show, as they come in output order."""

    def __init__(self, survey: Survey, offset: int = 0) -> None:
        """offset: number of the payload that the track counts as 0."""
        self._places, self._offset = survey.places, offset
        self._last: int | None = None
        self._missing = False

    def picture(self, picture: DecodedPicture, counts: bool = True) -> None:
        """The next one. counts: it belongs to the stretch that is looked at."""
        if picture.tag is None:  # nothing of it arrived: it lies between those shown around it
            self._missing = True
            if self._last is not None:
                self._note(self._last, True)
            return
        number = picture.tag + self._offset
        incomplete = picture.moved or self._missing
        if counts and (is_damaged(picture) or incomplete or picture.unreadable_sets):
            self._note(number, incomplete)
        self._last, self._missing = (number if counts else None), False

    def _note(self, number: int, incomplete: bool) -> None:
        self._places.damaged.add(number)
        if incomplete:
            self._places.incomplete.add(number)


def _recovers(nals: Iterable[NalUnit]) -> bool:
    """Whether H.264 NAL units are of an intra picture after which, in output order, all is as it was sent: broadcasts
    have these, and hardly an IDR picture."""
    if recovery_count("h264", nals) != 0:
        return False
    slices = [nal for nal in nals if nal_type("h264", nal) == h264.NAL_SLICE]
    reader = BitReader(unescape(slices[0].data[1:16]))
    try:
        reader.ue()  # first_mb_in_slice
        return reader.ue() % 5 == _I
    except BitstreamError:
        return False


def _set_id(codec: Codec, kind: int, nal: NalUnit) -> int:
    """Identifier of a parameter set. Raises BitstreamError where it cannot be read."""
    if kind == (h264.NAL_SPS if codec == "h264" else hevc.NAL_SPS):
        return h264.parse_sps(nal).id if codec == "h264" else hevc.parse_sps(nal).id
    reader = BitReader(unescape(nal.data[:16]))
    reader.pos = 8 if codec == "h264" else 16
    return reader.u(4) if codec == "hevc" and kind == hevc.NAL_VPS else reader.ue()
