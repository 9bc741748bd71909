"""Looking ahead: access units wait here for their turn while a scout decodes them.

The main decoder cannot look ahead itself, because its reference pictures are repaired in line. The scout is a second
decoder that keeps step with it and runs ahead of it where there is a hole. In its own holes it is content with H.264's
concealment (0.1 dB less than a repair would give, at none of its cost); HEVC has none, so there their luma is repaired
without knowing what follows. Once the main decoder has repaired a picture, the scout gets its
samples and vectors.

The scout starts at the first hole by decoding everything since the last IDR once more and stops when going on has cost
as much as starting anew would, so an undamaged stream pays nothing but the wait.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from concealer.bitstream import AccessUnit, Codec, MissingPicture, join_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder.extent import known_damage, mark_slices
from concealer.decoder.hook import Buffer, Decoded, DecoderCore, Field, open_store
from concealer.decoder.lost_pictures import decode_stand_in
from concealer.decoder.prepare import Prepared, prepare
from concealer.decoder.received_motion import open_reader
from concealer.decoder.shadow import History
from concealer.outlook import Ahead, Outlook, ReceivedMotion
from concealer.picture import Picture

log = logging.getLogger(__name__)

_IDLE = 300
"""Access units without a hole after which the scout stops at the latest."""
_WORTH_KEEPING = 16
"""As many it goes on for however short the way from the last IDR picture is: opening a decoder has its cost."""
MOST_AHEAD = 32
"""Longest look-ahead."""
REFERENCES = 5
"""Decoded pictures offered to repair: two on either side would do, B-pyramids interleave more."""

Key = AccessUnit | MissingPicture
PaintFn = Callable[[Picture, DamageMap, list[Picture]], Any]
TeachFn = Callable[..., Any]


@dataclass
class _Seen:
    """One picture of the scout that the main decoder has not come to yet."""

    key: Key
    order: int
    buffer: Buffer
    received: ReceivedMotion | None


class LookAhead:
    """The waiting access units, and the scout when there is one."""

    def __init__(self, codec: Codec, depth: int, paint: PaintFn, teach: TeachFn) -> None:
        """depth: access units that wait. paint, teach: repair a hole, tell a decoder how its blocks moved."""
        self._codec = codec
        self._paint = paint
        self._teach = teach
        self._depth = depth
        self._waiting: deque[AccessUnit] = deque()
        self._scout: Scout | None = None
        self._quiet = 0
        # In HEVC the scout repairs and measures, with what the main decoder uses as well.
        self._beside = ThreadPoolExecutor(1, "scout") if depth and codec == "h264" else None
        self._task: Future[None] | None = None
        """What the scout is doing beside the main decoder; wait for it before asking the scout anything."""

    def push(self, au: AccessUnit) -> AccessUnit | None:
        """Take in the next access unit; the one whose turn it is now, if any."""
        if not self._depth:
            return au
        self._waiting.append(au)
        return self._waiting.popleft() if len(self._waiting) > self._depth else None

    def drain(self) -> Iterator[AccessUnit]:
        """The access units still waiting."""
        while self._waiting:
            yield self._waiting.popleft()

    def outlook(
        self,
        key: Key,
        au: AccessUnit,
        previous: AccessUnit | None,
        history: History,
        references: Sequence[tuple[Picture, Buffer]],
    ) -> Outlook | None:
        """What follows the picture of `key`, in which the main decoder just found a hole; None if nothing is known.

        au: the access unit whose turn it is; `key` itself, or the one before which the picture of `key` is missing.
        previous: the one before it. history: what the main decoder got before `key`. references: its latest pictures.
        """
        if not self._waiting:
            return None
        self._quiet = 0
        if self._scout is None:
            if not history.complete:
                return None
            log.debug("scout starts after %d pictures", len(history))
            self._scout = Scout(self._codec, history, previous, references, self._paint, self._teach)
            self._scout.decode(au, late=key is au)
        self._wait()
        for unit in (au, *self._waiting):
            self._scout.decode(unit)
        return self._scout.outlook(key)

    def settled(self, key: Key, au: AccessUnit, buffer: Buffer, vectors: Field | None, history: History) -> None:
        """The main decoder's picture of `key` is final; `vectors`: its motion field, if that can be read.

        history: what the scout would have to be started with again.
        """
        if self._scout is None:
            return
        self._wait()
        if self._beside is None:
            self._scout.keep_step(key, au, buffer, vectors)
        else:
            self._task = self._beside.submit(self._scout.keep_step, key, au, buffer, vectors)
        self._quiet += 1
        if self._quiet > (min(_IDLE, max(_WORTH_KEEPING, len(history))) if history.complete else _IDLE):
            self._stop()

    def close(self) -> None:
        """Free the scout."""
        self._stop()
        if self._beside is not None:
            self._beside.shutdown()

    def _stop(self) -> None:
        self._wait()
        if self._scout is not None:
            log.debug("scout stops")
            self._scout.close()
            self._scout = None

    def _wait(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.result()


class Scout:
    """The decoder that runs ahead."""

    def __init__(
        self,
        codec: Codec,
        history: History,
        previous: AccessUnit | None,
        references: Sequence[tuple[Picture, Buffer]],
        paint: PaintFn,
        teach: TeachFn,
    ) -> None:
        """Decode `history` once more. references: the pictures it ends with."""
        self._paint = paint
        self._teach = teach
        luma = ((replace(picture, planes=picture.planes[:1]), buffer) for picture, buffer in references)
        self._references: deque[tuple[Picture, Buffer]] = deque(luma, maxlen=REFERENCES)
        self._core = DecoderCore(codec, seed=2)
        self._store = open_store(self._core)
        self._reader = open_reader(self._core, self._store)
        self._previous = previous
        self._seen: deque[_Seen] = deque()
        self._decoded: deque[AccessUnit] = deque(maxlen=MOST_AHEAD + 1)
        for step in history:
            decoded = self._core.decode(step.payload, 0)
            if step.painted is not None and decoded.buffer is not None:
                step.painted.paint(decoded.buffer.planes)
                if self._store is not None and step.painted.vectors is not None:
                    self._store.copy(decoded.buffer, step.painted.vectors)

    def keep_step(self, key: Key, au: AccessUnit, buffer: Buffer, vectors: Field | None) -> None:
        """Come to where the main decoder is, at the picture of `key` in or before `au`, and take that over."""
        if not (key is au and au.is_disposable and not au.missing_before):
            self.decode(au, ahead=False)
        self.follow(key, buffer, vectors)

    def decode(self, au: AccessUnit, *, late: bool = False, ahead: bool = True) -> None:
        """Decode `au` unless that is done already, and have its holes repaired.

        late: pictures missing before it were decoded before. ahead: somebody will look at it.
        """
        if any(done is au for done in self._decoded):
            return
        self._decoded.append(au)
        for missing in () if late else au.missing_before:
            latest = self._references[-1][1] if self._references else None
            stand_in = decode_stand_in(self._core, self._previous, missing, latest, 0)
            if stand_in is not None:
                self._keep(missing, missing.order, stand_in[1])
        prepared = prepare(au)
        if not prepared.slices:
            return
        self._keep(au, au.order, self._core.decode(join_annexb(prepared.nals), 0), prepared, ahead)
        self._previous = au

    def outlook(self, key: Key) -> Outlook | None:
        """The picture of `key` and those decoded behind it; None if either is missing."""
        places = [place for place, seen in enumerate(self._seen) if seen.key is key]
        if not places:
            return None
        now = _picture(self._seen[places[0]])
        later = [seen for place, seen in enumerate(self._seen) if place > places[0]]
        alike = [seen for seen in later if seen.buffer.planes[0].shape == now.planes[0].shape]
        if not alike:
            return None
        ahead = (Ahead(_picture(seen), seen.received) for seen in alike)
        return Outlook(now, tuple(ahead), inherited=self._core.codec == "hevc")

    def follow(self, key: Key, buffer: Buffer, vectors: Field | None) -> None:
        """Take over the main decoder's picture of `key`; what was seen before it is done with."""
        if not any(seen.key is key for seen in self._seen):
            return
        while True:
            seen = self._seen.popleft()
            if seen.key is key:
                break
        if [p.shape for p in seen.buffer.planes] == [p.shape for p in buffer.planes]:
            for own, plane in zip(seen.buffer.planes, buffer.planes, strict=True):
                np.copyto(own, plane)
        if vectors is not None and self._store is not None:
            self._store.copy(seen.buffer, vectors)

    def close(self) -> None:
        self._seen.clear()
        self._references.clear()
        self._core.close()

    def _keep(
        self, key: Key, order: int, decoded: Decoded, prepared: Prepared | None = None, ahead: bool = True
    ) -> None:
        buffer = decoded.buffer
        if buffer is None:
            return
        height, width = buffer.planes[0].shape
        damage = DamageMap(width, height)
        if isinstance(key, MissingPicture) or prepared is None:
            damage.mark(damage.state >= 0, Damage.LOST)
        else:
            known_damage(damage, key, prepared, decoded, all_arrived=False)
            mark_slices(damage, key, (piece for piece in key.slices if piece.nal.damaged_at is not None), "")
        # Luma alone is repaired: motion shows in it.
        picture = Picture(buffer.planes[:1], buffer.layout.bit_depth, order=order)
        if isinstance(key, AccessUnit):
            picture.kind, picture.pts = key.kind, key.pts
        if damage.any_hole:
            damage.decoder_filled = decoded.concealed is not None
            if not damage.decoder_filled:
                self._paint(picture, damage, [p for p, _ in self._references])
            self._teach(self._store, picture, buffer, damage.hole, key, self._previous, self._references)
        self._references.append((picture, buffer))
        received = None
        if self._reader is not None and isinstance(key, AccessUnit):
            if ahead:
                received = self._reader.read(buffer, key)
            else:
                self._reader.pass_over(key)
        elif self._reader is not None and isinstance(key, MissingPicture):
            self._reader.stood_in(key)
        self._seen.append(_Seen(key, order, buffer, received))


def _picture(seen: _Seen) -> Picture:
    return Picture(seen.buffer.planes, seen.buffer.layout.bit_depth, order=seen.order)
