"""Sound between the pictures: what it is, and where its samples begin and end."""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from pipelines.salvage.aac import FAMILIES, SAMPLES, AacFramer, config_of, guesses, rate_of
from pipelines.salvage.found_sound import FoundSound
from pipelines.salvage.framed import FRAMED, frame_at, framed_blocks, framed_run
from pipelines.salvage.media import Media, Span
from pipelines.salvage.opus import PRE_SKIP, RATE, opus_framer
from pipelines.salvage.opus_decoding import opus_blocks
from pipelines.salvage.pcm import PcmForm, pcm_form
from pipelines.salvage.remains import SoundEntry

log = logging.getLogger(__name__)

_TRIED_BYTES = 1 << 16
_COVERED = 0.8
"""Share of what lies between pictures that a kind of sound must explain."""
_LIKELY = 0.2
"""The same before what lies behind holes is looked at."""
_LEAST_BYTES = 64
_LEAST_PIECE = 3
_ZEROS, _PCM_ZEROS = 64, 512
_MOST_ROWS = 64
_LONE_RUN = 3
"""Blocks in a row that count where they do not fill a gap."""
_CONSTANT = 0.95
"""Share of packets of one size from which on it is the encoder's rule, and no cut is in doubt."""
_LEAST_FRAMES = 10
_RESYNC = 1 << 16
"""Bytes in which blocks are looked for behind a hole."""


def find_sound(
    media: Media,
    gaps: Sequence[Span],
    known: Sequence[SoundEntry],
    starts: Sequence[int] = (),
    told: Fraction | None = None,
) -> FoundSound | None:
    """The sound in the gaps that pictures leave; None if there is none that is known here.

    starts: of the pictures. told: how many a second there are, where an index or the bitstream says so.
    """
    pieces = [piece for gap in gaps for piece in _without_zeros(media, gap) if piece[1] - piece[0] >= _LEAST_PIECE]
    if sum(end - start for start, end in pieces) < _LEAST_BYTES:
        return None
    return (
        _aac(media, pieces, known)
        or _framed(media, pieces)
        or _pcm(media, gaps, known)
        or _opus(media, pieces, known, starts, told)
    )


def _without_zeros(media: Media, gap: Span, zeros: int = _ZEROS) -> Iterator[Span]:
    """A gap without the long rows of zeros in it, which are where nothing was written."""
    start, end = gap
    if end - start < zeros or media.find(bytes(zeros), start, end) < 0:
        yield gap
        return
    data = bytes(media.data[start:end])
    place = 0
    for found in re.finditer(rb"\x00{%d,}" % zeros, data):
        if found.start() > place:
            yield start + place, start + found.start()
        place = found.end()
    if place < len(data):
        yield start + place, end


def _some(gaps: Sequence[Span]) -> list[Span]:
    """The first of them, and some from the middle, but none that is far longer than usual: holes are."""
    usual = sorted(end - start for start, end in gaps)[len(gaps) // 2]
    likely = [(start, end) for start, end in gaps if end - start <= 4 * usual]
    picked: list[Span] = []
    for begin in (0, len(likely) // 2):
        size = 0
        for start, end in likely[begin:]:
            picked.append((start, end))
            size += end - start
            if size > _TRIED_BYTES:
                break
    return sorted(set(picked))


def _covered(blocks: Iterable[Span], gaps: Sequence[Span]) -> float:
    """Share of the gaps, or of their bytes where that is more, that blocks explain: one gap may hold much else."""
    found = sorted(blocks)
    sizes = [end - start for start, end in gaps]
    inside = [0] * len(gaps)
    starts = [start for start, _ in gaps]
    for start, end in found:
        inside[bisect_right(starts, start) - 1] += end - start
    by_gap = sum(some / size for some, size in zip(inside, sizes, strict=True)) / max(1, len(gaps))
    return max(by_gap, sum(inside) / max(1, sum(sizes)))


def _aac(media: Media, gaps: Sequence[Span], known: Sequence[SoundEntry]) -> FoundSound | None:
    told = [entry for entry in known if entry.kind == "mp4a" and rate_of(entry.config) is not None]
    tried = _some(gaps)
    first = Counter(media.data[start] for start, _ in tried).most_common(1)[0][0]
    best, chosen = 0.0, b""
    for config in [*(entry.config for entry in told), *guesses(first)]:
        share = _covered(_aac_blocks(media, tried, AacFramer(config), False), tried)
        log.debug("AAC %s: %.2f", config.hex(), share)
        if share > best + 0.02:
            best, chosen = share, config
        if best > 0.97:
            break
    if _LIKELY < best < _COVERED:  # few long stretches, with holes in them
        best = _covered(_aac_blocks(media, tried, AacFramer(chosen)), tried)
    if best < _COVERED:
        return None
    blocks = list(_aac_blocks(media, gaps, AacFramer(chosen)))
    rate = rate_of(chosen)
    assert rate is not None
    entry = next((one for one in told if one.config == chosen), None)
    family = (rate,) if entry is not None else next(one for one in FAMILIES if rate in one)
    channels = chosen[1] >> 3 & 15
    trimmed = SAMPLES if blocks and b"Lavc" in bytes(media.data[blocks[0][0] : blocks[0][0] + 16]) else 0
    origin = "the index" if entry is not None else "decoding"
    return FoundSound("mp4a", channels, family, SAMPLES, blocks, chosen, origin=origin, trimmed=trimmed)


def with_rate(sound: FoundSound, rate: int) -> FoundSound:
    """The sound with one of the rates it may have."""
    if sound.kind == "mp4a" and len(sound.rates) > 1:
        sound.config = config_of(rate, sound.channels)
    sound.rates = (rate,)
    return sound


def _aac_blocks(media: Media, gaps: Sequence[Span], framer: AacFramer, behind: bool = True) -> Iterator[Span]:
    """behind: look for more where a row of blocks breaks off."""
    for start, end in gaps:
        media.go_on()
        run = list(framer.run(media.data, start, end))
        if run and (run[-1][1] == end or len(run) >= _LONE_RUN or _rest_is_void(media, run[-1][1], end)):
            yield from run
        rest = run[-1][1] if run else start
        if behind and rest < end:
            yield from _behind(media, rest, end, framer)


def _rest_is_void(media: Media, start: int, end: int) -> bool:
    return not any(media.data[start : min(end, start + 64)])


def _behind(media: Media, start: int, end: int, framer: AacFramer) -> Iterator[Span]:
    """Blocks behind what is none: rows of them that fill the gap to its end, looked for from where they may begin."""
    for place in range(max(start + 1, end - _RESYNC), end - 8):
        if not framer.patience:
            return
        if media.data[place] >> 5 > 1 or not any(media.data[place : place + 4]):
            continue
        framer.patience -= 1
        run = list(framer.run(media.data, place, end))
        if run and run[-1][1] == end and (len(run) >= 2 or end - place > 200):
            yield from run
            return


def _framed(media: Media, gaps: Sequence[Span]) -> FoundSound | None:
    """Sound whose frames say how long they are."""
    tried = _some(gaps)
    for kind in FRAMED:
        if _covered((block for gap in tried for block in framed_run(media.data, *gap, kind)[0]), tried) < _COVERED:
            continue
        blocks = list(framed_blocks(media, gaps, kind))
        if len(blocks) >= _LEAST_FRAMES:
            found = frame_at(media.data, *blocks[0], kind)
            assert found is not None
            return FoundSound(
                found.kind, found.channels, (found.rate,), found.samples, blocks, found.config, origin="its frames"
            )
    return None


def _opus(
    media: Media,
    gaps: Sequence[Span],
    known: Sequence[SoundEntry],
    starts: Sequence[int],
    told: Fraction | None,
) -> FoundSound | None:
    """starts: of the pictures."""
    framer = opus_framer([bytes(media.data[start:end]) for start, end in _some(gaps)])
    if framer is None:
        return None
    entry = next((one for one in known if one.kind == "Opus"), None)
    framer.channels = framer.channels if entry is None else min(entry.channels, 2)
    blocks = opus_blocks(media, gaps, framer, starts, told)
    if blocks is None or _covered(blocks, gaps) < _COVERED:
        return None
    origin = "its statistics" if entry is None else "the index"
    usual = Counter(end - start for start, end in blocks).most_common(1)[0][1]
    found = FoundSound("Opus", framer.channels, (RATE,), framer.samples, blocks, origin=origin, trimmed=PRE_SKIP)
    found.likely = usual < _CONSTANT * len(blocks)
    return found


def _pcm(media: Media, gaps: Sequence[Span], known: Sequence[SoundEntry]) -> FoundSound | None:
    told = next((entry for entry in known if entry.kind in ("sowt", "twos", "in24", "ipcm", "lpcm")), None)
    pieces = [bytes(media.data[start:end]) for start, end in _some(gaps)]
    form: PcmForm | None = pcm_form(pieces)
    if form is None:
        return None
    blocks = [
        (start + (end - start) % form.block if cut else start, end if cut else end - (end - start) % form.block)
        for start, end, cut in _pcm_pieces(media, gaps)
        if end - start >= form.block
    ]
    rates = (48000, 44100, 32000, 16000, 8000, 96000) if told is None else (told.rate,)
    origin = "its statistics" if told is None else "the index"
    return FoundSound(form.kind, form.channels, rates, 1, blocks, b"", form.block, form.bits, origin)


def _pcm_pieces(media: Media, gaps: Sequence[Span]) -> Iterator[tuple[int, int, bool]]:
    """Gaps without the rows of zeros in them, and whether a piece begins behind one; where there are many such rows
    they are silence, and stay."""
    cut = [list(_without_zeros(media, gap, _PCM_ZEROS)) for gap in gaps]
    if sum(len(pieces) != 1 for pieces in cut) > _MOST_ROWS:
        cut = [[gap] for gap in gaps]
    for gap, pieces in zip(gaps, cut, strict=True):
        for start, end in pieces:
            yield start, end, start > gap[0]
