"""A recording of any length with sound and subtitles, made by repeating packets, and a damaged copy of it.

Every turn of the loop begins with a white picture and, at the same moment, a burst of sound, so that a player's output
tells how far the two are apart.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from random import Random

import av
import numpy as np

from benchmarks.clips import CUPS_720P, Clip, available, load
from benchmarks.streams import FPS, AccessUnit, Encoding, encode
from concealer.bitstream import join_annexb, nal_type, split_annexb

TURN = 200
"""Pictures after which all repeats: eight seconds, which are 375 frames of AAC at 48 kHz exactly."""
GOP, RATE, FRAME = 50, 48000, 1024
TONE_SECONDS = 0.1
_DEPTH = 2
"""Pictures by which decode times lie before: those of a pyramid of three B-pictures."""
_TICKS = 12800
"""Of video a second, as FFmpeg's MP4 muxer takes it for 25 pictures a second."""
ENCODING = Encoding("h264", "B", TURN, gop=GOP, slices=4, further=f"min-keyint={GOP}:scenecut=0:open-gop=0")


@dataclass(frozen=True)
class Recording:
    """What was written."""

    pictures: int
    damaged_groups: tuple[int, ...]
    """Numbers of the groups of pictures that lost slices, in order."""
    damaged_pictures: tuple[int, ...]
    """Numbers in decode order."""

    @property
    def seconds(self) -> float:
        return self.pictures / FPS


@dataclass(frozen=True)
class _Sounds:
    first: Sequence[bytes]
    """Packets of the first turn, the encoder's priming ahead of it left out."""
    later: Sequence[bytes]
    header: bytes


def write_long(path: Path, turns: int, groups: int, *, seed: int = 1) -> Recording:
    """An MP4 file of so many turns; in `groups` groups of pictures three pictures on end have lost a slice or two."""
    units = _units(available([CUPS_720P])[0])
    sounds = _sounds()
    random = Random(seed)
    per_turn = TURN // GOP
    # Evenly over the file, so that a part of it holds a part of them.
    step = turns * per_turn / groups
    hit = tuple(int((number + random.uniform(0.2, 0.8)) * step) for number in range(groups))
    lost: dict[int, tuple[int, ...]] = {}
    for group in hit:
        first = group * GOP + random.randrange(2, GOP - 8)
        lost |= {first + number: tuple(random.sample(range(1, 4), random.choice((1, 2)))) for number in range(3)}
    with (
        av.open(io.BytesIO(b"".join(unit.payload for unit in units)), format="h264") as raw,
        av.open(str(path), "w", format="mp4") as out,
    ):
        video = out.add_stream_from_template(raw.streams.video[0])
        video.time_base = Fraction(1, _TICKS)
        sound = out.add_stream("aac", rate=RATE, layout="stereo")
        sound.codec_context.extradata = sounds.header
        words = out.add_mux_stream("mov_text")
        words.time_base = Fraction(1, 1000)
        for turn in range(turns):
            for packet in _video(units, turn, lost):
                packet.stream = video
                out.mux(packet)
            for place, data in enumerate(sounds.later if turn else sounds.first):
                packet = av.Packet(data)
                packet.stream, packet.time_base = sound, Fraction(1, RATE)
                packet.pts = packet.dts = (turn * len(sounds.later) + place) * FRAME
                packet.duration = FRAME
                out.mux(packet)
            text = f"turn {turn + 1}".encode()
            packet = av.Packet(len(text).to_bytes(2, "big") + text)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = turn * TURN * 1000 // FPS
            packet.duration = 3000
            out.mux(packet)
    return Recording(turns * TURN, hit, tuple(sorted(lost)))


def _video(units: Sequence[AccessUnit], turn: int, lost: dict[int, tuple[int, ...]]) -> Iterator[av.Packet]:
    ticks = _TICKS // FPS
    for place, unit in enumerate(units):
        number = turn * TURN + place
        data = _without(unit.payload, lost[number]) if number in lost else unit.payload
        packet = av.Packet(data)
        packet.time_base = Fraction(1, _TICKS)
        packet.pts = (turn * TURN + unit.pts) * ticks
        packet.dts, packet.duration, packet.is_keyframe = (number - _DEPTH) * ticks, ticks, place % GOP == 0
        yield packet


def _without(payload: bytes, slices: Sequence[int]) -> bytes:
    nals = split_annexb(payload)
    own = [nal for nal in nals if nal_type("h264", nal) in (1, 5)]
    gone = {id(own[number]) for number in slices}
    return join_annexb([nal for nal in nals if id(nal) not in gone])


@lru_cache(1)
def _units(clip: Clip) -> list[AccessUnit]:
    pictures = load(clip, TURN)
    while len(pictures) < TURN:  # there and back again
        pictures += pictures[-2 : -(TURN - len(pictures)) - 2 : -1]
    pictures[0] = tuple(np.full_like(plane, value) for plane, value in zip(pictures[0], (235, 128, 128), strict=True))  # type: ignore[assignment]
    units, _ = encode(pictures, ENCODING)
    return units


@lru_cache(1)
def _sounds() -> _Sounds:
    """Three turns are encoded: the second one follows upon itself."""
    samples = TURN * RATE // FPS
    wave = np.zeros(3 * samples, np.float32)
    tone = np.sin(2 * np.pi * 1000 * np.arange(int(TONE_SECONDS * RATE)) / RATE).astype(np.float32) * 0.5
    for turn in range(3):
        wave[turn * samples : turn * samples + len(tone)] = tone
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format, context.bit_rate = RATE, "stereo", "fltp", 128000
    context.flags |= av.codec.context.Flags.global_header
    packets = []
    for start in range(0, len(wave), FRAME):
        frame = av.AudioFrame.from_ndarray(np.stack([wave[start : start + FRAME]] * 2), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        packets += context.encode(frame)
    packets += context.encode(None)
    each = samples // FRAME
    timed = {packet.pts // FRAME: bytes(packet) for packet in packets if packet.pts is not None}
    first = [timed[number] for number in range(each)]
    return _Sounds(first, [timed[each + number] for number in range(each)], bytes(context.extradata or b""))
