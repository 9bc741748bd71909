"""Pictures as they leave, in output order: those the decoder could not repair repaired, those it lacks made up."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

import av

from concealer.damage import DamageMap
from concealer.decoder.hook import copy_frame, frame_picture
from concealer.decoder.outputs import DecodedPicture, Due, OutputQueue, Record
from concealer.decoder.painting import Painter
from concealer.decoder.promising import Promises
from concealer.decoder.rules import Rules
from concealer.decoder.turn import all_lost
from concealer.picture import Picture

log = logging.getLogger(__name__)


class Showing:
    """Makes the pictures of one stream from what is due."""

    def __init__(self, rules: Rules, painter: Painter, promises: Promises, hooked: bool) -> None:
        """hooked: pictures were repaired before they came here. promises: tells what those repaired here are worth."""
        self._rules = rules
        self._painter = painter
        self._promises = promises
        self._hooked = hooked
        self._last: DecodedPicture | None = None
        self._shown: deque[Picture] = deque(maxlen=2)

    def show(self, due: Iterable[Due]) -> list[DecodedPicture]:
        """The pictures that are due. None for one that is to be made up where there is neither one before nor after."""
        made, without = [], 0
        for one in due:
            if one.record.hidden:
                continue
            picture = self._synthesise(one) if one.frame is None else self._complete(one.record, one.frame)
            if picture is None:
                without += 1
                continue
            made.append(picture)
            if one.frame is not None:
                self._last = picture
        if without:
            log.warning("nothing could be decoded: %d access units without a picture", without)
        return made

    def show_frames(self, frames: Iterable[av.VideoFrame], outputs: OutputQueue) -> list[DecodedPicture]:
        """The pictures that are due now that the decoder put out `frames`. outputs: where their records wait."""
        made: list[DecodedPicture] = []
        for frame in frames:
            record = outputs.take(frame)
            if record is None or record.damage is None:
                made += self.show(outputs.put(frame))
                continue
            self._last = self._put_out(record, frame, record.damage)
            made.append(self._last)
        return made

    def _complete(self, record: Record, frame: av.VideoFrame) -> DecodedPicture:
        damage = record.damage or DamageMap(frame.width, frame.height)
        if record.repairable:
            frame = copy_frame(frame)
            damage = _resized(damage, frame.width, frame.height)
            picture = frame_picture(frame, record.order, record.pts, record.kind, record.scene)
            if picture is not None:
                picture.concealed = self._rules.fills_holes
                record.outcome = self._painter.paint(picture, damage, list(self._shown))
                self._promises.judge(record, damage)
        return self._put_out(record, frame, damage)

    def _synthesise(self, due: Due) -> DecodedPicture | None:
        """A picture for a record without a frame, from its neighbours in output order."""
        record, last, following = due.record, self._last, due.following
        if last is not None:
            base = last.frame
        elif following is not None:
            base = following[1]
        else:
            return None
        frame = copy_frame(base)
        damage = all_lost(frame.width, frame.height)
        references = []
        if last is not None:
            references.append(frame_picture(last.frame, last.order, last.pts, last.kind, record.scene))
        if following is not None:
            near, near_frame = following
            references.append(frame_picture(near_frame, near.order, near.pts, near.kind, near.scene))
        picture = frame_picture(frame, record.order, record.pts, record.kind, record.scene)
        if picture is not None:
            record.outcome = self._painter.paint(picture, damage, [r for r in references if r is not None])
            self._promises.judge(record, damage)
        record.synthesised, record.in_loop = True, False
        return self._put_out(record, frame, damage)

    def _put_out(self, record: Record, frame: av.VideoFrame, damage: DamageMap) -> DecodedPicture:
        frame.pts = record.pts
        if not self._hooked:
            shown = frame_picture(frame, record.order, record.pts, record.kind, record.scene)
            if shown is not None:
                self._shown.append(shown)
        return DecodedPicture(
            frame,
            damage,
            record.outcome,
            record.pts,
            record.duration,
            record.kind,
            record.order,
            record.index,
            record.synthesised,
            record.in_loop,
            record.moved,
            record.tag,
            record.scene,
            record.layered,
            record.promise,
            record.real,
            record.leading,
            bottom_first=record.bottom_first,
            pic_struct=record.pic_struct,
            unreadable_sets=record.unreadable_sets,
        )


def _resized(damage: DamageMap, width: int, height: int) -> DamageMap:
    """The map of a coded picture cut to the size of its cropped output."""
    resized = DamageMap(width, height, causes=damage.causes, confidence=damage.confidence)
    rows, cols = (min(a, b) for a, b in zip(resized.state.shape, damage.state.shape, strict=True))
    resized.state[:rows, :cols] = damage.state[:rows, :cols]
    return resized
