"""What was given to a muxer, held against what a player finds in the file it wrote."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from concealer.bitstream import START_CODE, Codec, NalUnit, nal_type, parse_extradata, split_sample
from pipelines.reading import codec_name

if TYPE_CHECKING:
    from hashlib import _Hash

_SLICES: dict[Codec, range] = {"h264": range(1, 6), "hevc": range(32)}
"""nal_unit_type of slices."""
_PRIMING_SECONDS = 0.1
"""Sound before the start that encoders put there and players leave out."""
_DECODE_TIMES = {"avi", "asf"}
"""Containers that keep no time of presentation: what is read there is libavformat's guess."""
_PIECE = 1 << 20
_MOST_TRIED = 200
"""Packets within which a picture must decode."""


class Payloads:
    """The payloads of one stream summed up; of H.264 and HEVC the slices, whatever they are wrapped in."""

    def __init__(self, stream: Stream | None = None, codec: Codec | None = None) -> None:
        """codec: of a stream without container, in place of `stream`."""
        self._sum: _Hash = hashlib.sha1(usedforsecurity=False)
        self._codec, self._length_size = codec, 0
        context = stream.codec_context if isinstance(stream, VideoStream) else None
        if context is not None and context.codec.canonical_name in ("h264", "hevc"):
            self._codec = cast(Codec, context.codec.canonical_name)
            self._length_size = parse_extradata(self._codec, context.extradata).length_size

    def add(self, packet: av.Packet) -> None:
        self.add_bytes(bytes(packet))

    def add_bytes(self, data: bytes) -> None:
        if self._codec is None:
            self._sum.update(data)
            return
        for nal in self._units(data):
            if nal_type(self._codec, nal) in _SLICES[self._codec]:
                self._sum.update(nal.data.rstrip(b"\0"))

    def _units(self, data: bytes) -> Sequence[NalUnit]:
        return split_sample(data, self._length_size)[0]

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()


@dataclass(slots=True)
class Count:
    """Packets of one stream and the time they cover."""

    packets: int = 0
    hidden: int = 0
    """Not shown: outside an edit list."""
    first: Fraction | None = None
    """Seconds."""
    end: Fraction | None = None
    times: set[int] | None = field(default_factory=set)
    """Of shown pictures, in ticks; empty for other streams, None where they are not kept."""
    equal: int = 0
    """Pictures that have the time of another."""

    def add(self, packet: av.Packet, picture: bool) -> None:
        self.packets += 1
        self.hidden += packet.is_discard
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.is_discard or not packet.time_base:
            return
        start = time * packet.time_base
        end = start + (packet.duration or 0) * packet.time_base
        self.first = start if self.first is None else min(self.first, start)
        self.end = end if self.end is None else max(self.end, end)
        if picture and packet.pts is not None and self.times is not None:
            self.equal += packet.pts in self.times
            self.times.add(packet.pts)

    @property
    def shown(self) -> int:
        return self.packets - self.hidden

    @property
    def seconds(self) -> float:
        return float(self.end - self.first) if self.end is not None and self.first is not None else 0.0


@dataclass
class Account:
    """One stream of the output."""

    label: str
    kind: str
    """"video", "audio" ..."""
    codec: str = ""
    """FFmpeg's name."""
    given: Count = field(default_factory=Count)
    """What the muxer was given."""
    refused: int = 0
    """Packets that it would not take."""
    unseen: int = 0
    """Packets whose picture decoders leave out, as it refers to what lies before the stream's start; so may players."""
    moved: int = 0
    """Packets whose time had to be moved, as it did not lie behind the one before."""
    found: Count | None = None
    """What is in the file; None where that cannot be read back."""
    exact: bool = False
    """Every payload was read back as it was given."""
    heard: float | None = None
    """Seconds of sound that decode, where its packets came back as others."""

    @property
    def missing(self) -> int:
        """Packets that a player does not show. Of other streams than video only where time is missing too: muxers
        cut sound and data as they like."""
        if self.found is None:
            return self.refused
        if self.exact and self.found.hidden <= self.given.hidden + self.unseen:
            return 0  # though a demuxer may cut what is damaged elsewhere
        lost = max(0, self.given.shown - self.found.shown - self.unseen)
        if self.kind == "video" or not lost:
            return lost
        covered = self.found.seconds if self.heard is None else self.heard
        if self.given.seconds - covered <= _PRIMING_SECONDS:
            return min(lost, self.refused)
        return lost if self.heard is None else round(self.given.shown * (1 - covered / self.given.seconds))

    @property
    def revealed(self) -> int:
        """Pictures that the input's edit list hides and a player of the output shows."""
        return 0 if self.found is None or self.kind != "video" else max(0, self.given.hidden - self.found.hidden)

    @property
    def equal_times(self) -> int:
        """Pictures with the time of another; 0 for containers that keep no time of some pictures (AVI, MPEG-PS)."""
        if self.found is None:
            return self.given.equal
        return self.found.equal if len(self.found.times or ()) + self.found.equal == self.found.shown else 0

    def as_dict(self) -> dict[str, object]:
        """In JSON's types."""
        found = self.found
        return {
            "stream": self.label,
            "packets": self.given.packets,
            "refused": self.refused,
            "moved": self.moved,
            "written": None if found is None else found.packets,
            "hidden": self.given.hidden if found is None else found.hidden,
            "missing": self.missing,
            "revealed": self.revealed,
            "equal_times": self.equal_times,
            "seconds": [round(self.given.seconds, 3), None if found is None else round(found.seconds, 3)],
            "exact": self.exact,
        }


def read_back(path: str, accounts: Sequence[Account], payloads: Sequence[Payloads | None]) -> str | None:
    """Fill in what is found in a file; returns why it cannot be played at all, if so.

    accounts, payloads: of each stream in the file's order; None where payloads are not compared.
    """
    try:
        with av.open("file:" + path, "r", metadata_errors="replace") as container:
            places = _matched(container, accounts)
            timed = container.format.name not in _DECODE_TIMES
            sums = {index: Payloads(container.streams[index]) for index in places}
            for account in accounts:
                account.found = Count()
            with contextlib.suppress(av.FFmpegError, IndexError):
                for packet in container.demux():
                    place = places.get(packet.stream_index)
                    if place is None or not packet.size:
                        continue
                    found = accounts[place].found
                    assert found is not None
                    found.add(packet, accounts[place].kind == "video" and timed)
                    if payloads[place] is not None:
                        sums[packet.stream_index].add(packet)
            _settle_refusals(accounts)
            for index, place in places.items():
                given = payloads[place]
                account, found = accounts[place], accounts[place].found
                account.exact = given is not None and sums[index].digest == given.digest
                if (
                    account.kind == "audio"
                    and found is not None
                    and found.packets != account.given.packets - account.refused
                ):
                    account.heard = _seconds_heard(path, index)
        return _unplayable(path) if any(account.kind == "video" for account in accounts) else None
    except (av.FFmpegError, OSError, ValueError) as error:
        return str(error)


def _settle_refusals(accounts: Sequence[Account]) -> None:
    """A muxer may refuse a packet when it is given another's: count it where one is missing."""
    lacking = {id(one): one.given.packets - (one.found.packets if one.found else 0) - one.refused for one in accounts}
    spare = 0
    for one in accounts:
        surplus = min(one.refused, max(0, -lacking[id(one)]))
        one.refused -= surplus
        spare += surplus
    for one in accounts:
        taken = min(spare, max(0, lacking[id(one)]))
        one.refused += taken
        spare -= taken


def read_back_bytes(path: str, codec: Codec, account: Account, payloads: Payloads) -> None:
    """As `read_back`, of a stream without container: no packets but the slices are compared. Raises OSError."""
    found = Payloads(codec=codec)
    with open(path, "rb") as file:
        rest = b""
        while piece := file.read(_PIECE):
            rest += piece
            end = rest.rfind(START_CODE)
            if end > 0:
                found.add_bytes(rest[:end])
                rest = rest[end:]
        found.add_bytes(rest)
    account.exact = found.digest == payloads.digest


def _matched(container: InputContainer, accounts: Sequence[Account]) -> dict[int, int]:
    """By index in the file the place among `accounts`.

    That is the n-th of its kind and codec, as some formats change the order, then the n-th of its kind, as some change
    the codec's name.
    """
    places: dict[int, int] = {}
    for same_codec in (True, False):
        for place, account in enumerate(accounts):
            if place in places.values():
                continue
            for stream in container.streams:
                alike = stream.type == account.kind and (not same_codec or codec_name(stream) == account.codec)
                if alike and stream.index not in places:
                    places[stream.index] = place
                    break
    return places


def _seconds_heard(path: str, index: int) -> float:
    seconds = 0.0
    with av.open("file:" + path, "r", metadata_errors="replace") as container:
        for packet in container.demux(container.streams[index]):
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    assert isinstance(frame, av.AudioFrame)
                    seconds += frame.samples / max(frame.sample_rate, 1)
    return seconds


def _unplayable(path: str) -> str | None:
    with av.open("file:" + path, "r", metadata_errors="replace") as container:
        if not container.streams.video:
            return "no video stream is found in it"
        for tried, packet in enumerate(container.demux(video=0)):
            with contextlib.suppress(av.FFmpegError):
                if packet.decode():
                    return None
            if tried > _MOST_TRIED:
                break
    return "no picture can be decoded from it"
