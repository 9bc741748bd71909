"""A decoder that says what is damaged in each picture and has it repaired before the next one is predicted from it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, MissingPicture, NalUnit, StreamParser, join_annexb, parse_extradata
from concealer.damage import Damage, DamageMap
from concealer.decoder.extent import estimate_broken, known_damage, mark_junk
from concealer.decoder.hook import (
    Buffer,
    Decoded,
    DecoderCore,
    HookUnavailableError,
    PlainCore,
    copy_frame,
    frame_picture,
    open_store,
)
from concealer.decoder.lookahead import MOST_AHEAD, REFERENCES, Key, LookAhead
from concealer.decoder.lost_pictures import decode_stand_in, lost_since_idr, placed_behind_idr
from concealer.decoder.lost_slices import follows_its_reference
from concealer.decoder.outputs import DecodedPicture, OutputQueue, Record
from concealer.decoder.prepare import Prepared, prepare
from concealer.decoder.settled import ObserveFn, Settled
from concealer.decoder.shadow import History, Painted, Shadow, Step
from concealer.decoder.teaching import MeasureFn, teach_vectors
from concealer.decoder.timeline import Timeline
from concealer.outlook import Outlook
from concealer.picture import Picture

log = logging.getLogger(__name__)

RepairFn = Callable[..., Any]
"""repair(picture, damage, references) edits `picture.planes` inside the hole; its result is passed on untouched.

Where a look-ahead shows what follows, an `Outlook` is passed as fourth argument.
"""

MotionFn = Callable[[int, int, Sequence[Picture], int, int], npt.NDArray[np.int16] | None]
"""motion(order, toward, references, top, bottom) of a picture not decoded yet: see `repair.predicted_motion`."""


class ConcealingDecoder:
    """Decodes H.264 or HEVC; every access unit gives one picture, and known missing pictures are made up.

    Damaged blocks are passed to `repair` right after their access unit was decoded, in decode order, as views of the
    decoder's own reference memory: what is painted there is what later pictures are predicted from. Where the hook is
    not available, `repair` works on a copy of the output frame instead. Interlaced H.264 is left to the decoder's own
    concealment; its maps say `hooked=False`.

    Never raises on bad data.
    """

    def __init__(
        self,
        codec: Codec,
        extradata: bytes | None = None,
        *,
        repair: RepairFn | None = None,
        motion: MotionFn | None = None,
        measure: MeasureFn | None = None,
        stand_ins: bool = True,
        container_framed: bool = False,
        threads: int = 1,
        track_taint: bool = False,
        probe_breaks: bool = True,
        hook: bool = True,
        lookahead: int = 0,
        observe: ObserveFn | None = None,
    ) -> None:
        """
        codec: "h264" or "hevc".
        extradata: the container's avcC/hvcC box or Annex B headers, if it has any.
        repair: paints holes; None only analyses.
        motion: predicts how the blocks of lost HEVC slices moved; None takes them for still, or leaves it to `measure`.
        measure: tells how repaired HEVC blocks moved, so that pictures which inherit their vectors inherit good ones;
            where that can be told to the decoder, `motion` only serves pictures whose reference is not the one before
            them. None leaves what the stand-ins hold.
        stand_ins: put written slices in place of lost HEVC ones; False leaves their blocks undecoded, for comparison.
        container_framed: payloads are whole MP4/Matroska samples; otherwise they are split into access units anew.
        threads: slice threads for HEVC; H.264 always uses one (libav conceals nothing under slice threads).
        track_taint: find tainted blocks too, with a shadow decoder: about halves the speed while there is damage.
        probe_breaks: decode HEVC slices with a known damaged byte once more with other bytes behind it, which shows the
            block where they go wrong; False estimates the block from the share of bytes before it: no picture then
            takes longer than its decoding and repair. Over seven clips the mean was 0.2 dB lower so; single ones went
            up to 2.5 dB either way.
        hook: False takes the slow route on purpose (out-of-loop repair of what the parser can see).
        lookahead: access units that wait so that repair sees what follows; pictures come out that much later.
        observe: told of every picture right after it was repaired; what it raises ends the decoding.

        Raises ValueError for a look-ahead outside 0..`MOST_AHEAD`.
        """
        if not 0 <= lookahead <= MOST_AHEAD:
            raise ValueError(f"lookahead must be 0..{MOST_AHEAD}, got {lookahead}")
        self._codec = codec
        self._parser = StreamParser(codec, extradata, container_framed=container_framed)
        self._headers: list[NalUnit] = parse_extradata(codec, extradata).parameter_sets
        self._repair = repair
        self._motion = motion
        self._stand_ins = stand_ins
        self._track_taint = track_taint
        self._probe_breaks = probe_breaks
        self._observe = observe
        self._core = _open_core(codec, threads, hook)
        self._measure = measure
        self._store = open_store(self._core) if isinstance(self._core, DecoderCore) and stand_ins else None
        self._lookahead = LookAhead(
            codec,
            lookahead if self.hooked and repair is not None else 0,
            self._run_repair,
            partial(teach_vectors, measure),
        )
        self._outputs = OutputQueue(self._complete, self._synthesise)
        self._recent: deque[tuple[Picture, Buffer]] = deque(maxlen=REFERENCES)
        self._shown: deque[Picture] = deque(maxlen=2)
        self._timeline = Timeline()
        self._leap = 0
        self._greatest_order = 0
        self._goes_round = False
        self._history = History()
        self._taint_shadow: Shadow | None = None
        self._junk_shadow: Shadow | None = None
        self._previous: AccessUnit | None = None
        self._hollow: list[Record] = []
        self._unfinished: Callable[[], None] | None = None
        self._index = 0
        self._scene = 0
        self._rooted = False

    @property
    def hooked(self) -> bool:
        """True if pictures are repaired inside the decoder's reference memory."""
        return isinstance(self._core, DecoderCore)

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width of a sample by its height, as the bitstream says; None if it does not."""
        return self._core.sample_aspect_ratio

    def decode(
        self,
        payload: bytes,
        *,
        pts: int | None = None,
        dts: int | None = None,
        duration: int | None = None,
        gaps: Sequence[int] = (),
        truncated: bool = False,
        complete: bool = False,
    ) -> list[DecodedPicture]:
        """Decode one demuxed packet; returns the pictures whose turn in output order has come.

        gaps: byte offsets in `payload` before which the transport lost bytes. truncated: its end is missing.
        complete: the payload ends an access unit, so nothing of it is held back for the next one.
        """
        units = self._parser.push(
            payload, pts=pts, dts=dts, duration=duration, gaps=gaps, truncated=truncated, complete=complete
        )
        return [picture for unit in units for picture in self._come_in(unit)]

    def flush(self) -> list[DecodedPicture]:
        """The pictures still held back; call once at the end of the stream."""
        out = [picture for unit in self._parser.flush() for picture in self._come_in(unit)]
        out += [picture for unit in self._lookahead.drain() for picture in self._access_unit(unit)]
        for frame in self._core.flush():
            out += self._outputs.put(frame)
        return out + self._outputs.flush()

    def close(self) -> None:
        """Free the decoders and our share of their buffers. Pictures already put out stay valid."""
        self._unfinished = None
        self._drop_shadows()
        self._lookahead.close()
        self._recent.clear()
        self._core.close()

    # One access unit, in decode order

    def _access_unit(self, au: AccessUnit) -> list[DecodedPicture]:
        out: list[DecodedPicture] = []
        self._finish()
        for missing in au.missing_before:
            out += self._missing_picture(missing, au)
            self._finish()
        if au.is_idr:
            self._drop_shadows()
            self._history.restart()
        if au.is_irap:
            self._scene += 1
        motion = None
        if self._motion is not None and not self._measures(au):
            motion = partial(self._predict, self._motion, au.order)
        prepared = prepare(au, motion, self._stand_ins)
        if not prepared.slices:
            order = self._timeline.order_at(au.pts)
            record = self._record(au.order if order is None else order, au.pts, au.duration, au.kind)
            record.place_guessed = True
            record.damage = _all_lost(au.width, au.height)
            self._outputs.absent(record)
            self._hollow.append(record)
            self._tell(record, au=au)
            return out
        self._hollow.clear()
        record = self._record(au.order, au.pts, au.duration, au.kind)
        payload = join_annexb(self._headers + prepared.nals)
        other = None if prepared.other_nals is None else join_annexb(self._headers + prepared.other_nals)
        self._headers = []
        decoded = self._core.decode(payload, record.index)
        self._settle(record, decoded, payload, (au, au), au, prepared, other)
        self._tell(record, decoded.buffer, au=au)
        self._previous = au
        for frame in decoded.frames:
            out += self._outputs.put(frame)
        return out

    def _come_in(self, au: AccessUnit) -> list[DecodedPicture]:
        """An access unit arrives; the pictures of the one whose turn it is then."""
        self._place(au)
        if au.poc is not None:
            self._timeline.learn(au.order, au.pts)
        due = self._lookahead.push(au)
        return [] if due is None else self._access_unit(due)

    def _place(self, au: AccessUnit) -> None:
        """Where H.264 pictures are missing before `au`, believe its time rather than what it counts.

        A lost IDR picture begins to count frame_num and POC anew, which looks like many lost pictures and a leap.
        """
        au.order += self._leap
        missing = [replace(one, order=one.order + self._leap) for one in au.missing_before]
        place = self._timeline.behind_all(au.pts) if missing and au.codec == "h264" else None
        room = 0
        if place is not None and place[0] != au.order:
            order, room, step = place
            if room:
                self._leap += order - au.order
                au.order = order
                # frame_num counts the reference pictures since the IDR picture, that one among them.
                missing = missing[-max(1, min(room, au.frame_num or 1)) :]
                missing = [replace(m, order=order - step * (len(missing) - i)) for i, m in enumerate(missing)]
                missing = [replace(m, is_idr=not m.frame_num) for m in missing]
        if not room and (place is None or place[0] != au.order) and lost_since_idr(au, missing, self._goes_round):
            # Time says nothing, as in a stream without timestamps.
            missing, order = placed_behind_idr(au, missing, self._greatest_order, self._timeline.step)
            self._leap += order - au.order
            au.order = order
        self._goes_round |= au.frame_num == 0 and not au.is_idr and not missing
        self._greatest_order = max(self._greatest_order, au.order)
        au.missing_before = missing

    def _missing_picture(self, missing: MissingPicture, before: AccessUnit) -> list[DecodedPicture]:
        """A reference picture before `before` never arrived: decode a stand-in in its place and repair all of it."""
        key = missing
        if self._hollow:  # its access unit did arrive, but without a slice
            record = self._hollow.pop(0)
            missing = replace(missing, poc=missing.poc + record.order - missing.order, order=record.order)
        else:
            record = self._record(missing.order, self._timeline.estimate(missing.order), None, "P")
            record.synthesised = record.place_guessed = True
        latest = self._recent[-1][1] if self._recent else None
        stand_in = decode_stand_in(self._core, self._previous, missing, latest, record.index)
        if stand_in is None:
            record.damage = _all_lost(*self._last_size())
            self._outputs.absent(record)
            self._tell(record, missing=missing)
            return []
        payload, decoded = stand_in
        self._settle(record, decoded, payload, (key, before))
        self._tell(record, decoded.buffer, missing=missing)
        return [picture for frame in decoded.frames for picture in self._outputs.put(frame)]

    def _settle(
        self,
        record: Record,
        decoded: Decoded,
        payload: bytes,
        place: tuple[Key, AccessUnit],
        au: AccessUnit | None = None,
        prepared: Prepared | None = None,
        other: bytes | None = None,
    ) -> None:
        """Find the damage of the picture just decoded, have it repaired, keep the other decoders in step.

        place: what the look-ahead knows the picture by, and the access unit whose turn it is.
        """
        buffer = decoded.buffer
        if buffer is None and self.hooked:
            record.damage = _all_lost(*self._last_size())
            self._outputs.absent(record)
            return
        self._outputs.expect(record)
        if buffer is not None:
            height, width = buffer.planes[0].shape
        else:
            width, height = (au.width, au.height) if au is not None and au.width else self._last_size()
        damage = record.damage = DamageMap(width, height)
        damage.hooked = buffer is not None
        self._rooted |= au is not None and (au.is_irap or au.kind == "I")
        if not self._rooted:
            damage.mark(damage.state >= 0, Damage.TAINTED, "no intra picture before it")
        if au is None or prepared is None:
            damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
        else:
            known_damage(damage, au, prepared, decoded, self._same_starts(au))
        if buffer is None:
            if au is not None:
                estimate_broken(damage, au)
            record.repairable = damage.any_hole
            return
        if au is not None and au.interlaced != "progressive":
            damage.hooked = False
            return
        picture = Picture(buffer.planes, buffer.layout.bit_depth, record.order, record.pts, record.kind, self._scene)
        if other is not None and au is not None:
            if self._probe_breaks:
                self._find_junk(damage, au, buffer, other)
            else:
                estimate_broken(damage, au)
        elif self._junk_shadow is not None:
            self._junk_shadow.decode(payload)
        holed = damage.any_hole
        if holed:
            damage.decoder_filled = decoded.concealed is not None
            sides = {reference.order > record.order for reference, _ in self._recent}
            # Between pictures on both sides repair need not look any further.
            outlook = None
            if len(sides) < 2:
                outlook = self._lookahead.outlook(*place, self._previous, self._history, self._recent)
            record.outcome = self._run_repair(picture, damage, [p for p, _ in self._recent], outlook)
        hole = damage.hole if holed else None
        teach = partial(
            teach_vectors,
            self._measure if au is None or self._measures(au) else None,
            self._store,
            picture,
            buffer,
            hole,
            place[0],
            self._previous,
            tuple(self._recent),
        )

        def finish() -> None:
            vectors = teach()
            self._lookahead.settled(*place, buffer, vectors, self._history)
            self._follow(damage, buffer, payload, other, Painted.of(buffer.planes, damage, vectors) if holed else None)

        self._unfinished = finish
        if self._track_taint:  # which is told with the picture
            self._finish()
        self._recent.append((picture, buffer))

    def _measures(self, au: AccessUnit) -> bool:
        """Whether the motion of the lost blocks of `au` is measured once they are repaired, instead of predicted."""
        if self._measure is None or self._store is None:
            return False
        return self._motion is None or not au.is_reference or follows_its_reference(au)

    def _finish(self) -> None:
        """What the picture before leaves to do before the next one is decoded; it need not wait for that itself."""
        if self._unfinished is not None:
            finish, self._unfinished = self._unfinished, None
            finish()

    def _tell(
        self,
        record: Record,
        buffer: Buffer | None = None,
        *,
        au: AccessUnit | None = None,
        missing: MissingPicture | None = None,
    ) -> None:
        if self._observe is not None:
            planes = () if buffer is None else buffer.planes
            damage = None if buffer is None else record.damage
            self._observe(Settled(record.index, record.order, record.pts, au, missing, damage, planes))

    def _find_junk(self, damage: DamageMap, au: AccessUnit, buffer: Buffer, other: bytes) -> None:
        """HEVC slices with a known damaged byte: decode them once more with other junk behind it, mark what differs."""
        if self._junk_shadow is None and self._history.complete:
            self._junk_shadow = Shadow(self._codec, self._history, "same")
        differing = None
        if self._junk_shadow is not None:
            self._junk_shadow.decode(other)
            differing = self._junk_shadow.differences(buffer)
        if differing is None:
            estimate_broken(damage, au)
        else:
            mark_junk(damage, au, differing)

    def _follow(
        self, damage: DamageMap, buffer: Buffer, payload: bytes, other: bytes | None, painted: Painted | None
    ) -> None:
        """Shadows and history learn what the main decoder's picture holds now."""
        if self._junk_shadow is not None and painted is not None:
            self._junk_shadow.paint(painted)
        if self._track_taint:
            if self._taint_shadow is None and painted is not None and self._history.complete:
                self._taint_shadow = Shadow(self._codec, self._history, "different")
            if self._taint_shadow is not None:
                self._taint_shadow.decode(other or payload)
                differing = self._taint_shadow.differences(buffer)
                if differing is not None:
                    damage.mark(differing & ~damage.hole, Damage.TAINTED, "predicted from damage")
                if painted is not None:
                    self._taint_shadow.paint(painted)
                if self._taint_shadow.idle_longer_than(len(self._history)):
                    self._taint_shadow.close()
                    self._taint_shadow = None
        self._history.add(Step(payload, painted))

    def _same_starts(self, au: AccessUnit) -> bool:
        before = self._previous
        return before is not None and [s.first for s in before.slices] == [s.first for s in au.slices]

    def _drop_shadows(self) -> None:
        for shadow in (self._taint_shadow, self._junk_shadow):
            if shadow is not None:
                shadow.close()
        self._taint_shadow = self._junk_shadow = None

    def _record(self, order: int, pts: int | None, duration: int | None, kind: str) -> Record:
        record = Record(self._index, order, pts, duration, kind, scene=self._scene)
        self._index += 1
        return record

    def _last_size(self) -> tuple[int, int]:
        """(width, height) of the latest picture, 16x16 if there was none yet."""
        if self._recent:
            return self._recent[-1][0].width, self._recent[-1][0].height
        if self._previous is not None and self._previous.width:
            return self._previous.width, self._previous.height
        return 16, 16

    def _predict(self, motion: MotionFn, order: int, toward: int, top: int, bottom: int) -> Any:
        return motion(order, toward, [picture for picture, _ in self._recent], top, bottom)

    def _run_repair(
        self, picture: Picture, damage: DamageMap, references: list[Picture], outlook: Outlook | None = None
    ) -> Any:
        if self._repair is None:
            return None
        same_size = [r for r in references if (r.width, r.height) == (picture.width, picture.height)]
        try:
            if outlook is not None:
                return self._repair(picture, damage, same_size, outlook)
            return self._repair(picture, damage, same_size)
        except Exception:  # the stream goes on whatever a repair method does
            log.exception("repair failed, picture %d stays as decoded", picture.order)
            return None

    # Output order

    def _complete(self, record: Record, frame: av.VideoFrame) -> DecodedPicture:
        damage = record.damage or DamageMap(frame.width, frame.height)
        if record.repairable:
            frame = copy_frame(frame)
            damage = record.damage = _resized(damage, frame.width, frame.height)
            damage.decoder_filled = self._codec == "h264"
            picture = frame_picture(frame, record.order, record.pts, record.kind, record.scene)
            if picture is not None:
                record.outcome = self._run_repair(picture, damage, list(self._shown))
        return self._put_out(record, frame, damage)

    def _synthesise(
        self, record: Record, last: DecodedPicture | None, following: tuple[Record, av.VideoFrame] | None
    ) -> DecodedPicture | None:
        """A picture for a record without a frame, from its neighbours in output order."""
        if last is not None:
            base = last.frame
        elif following is not None:
            base = following[1]
        else:
            return None
        frame = copy_frame(base)
        damage = _all_lost(frame.width, frame.height)
        damage.hooked = False
        references = []
        if last is not None:
            references.append(frame_picture(last.frame, last.order, last.pts, last.kind, record.scene))
        if following is not None:
            near, near_frame = following
            references.append(frame_picture(near_frame, near.order, near.pts, near.kind, near.scene))
        picture = frame_picture(frame, record.order, record.pts, record.kind, record.scene)
        if picture is not None:
            record.outcome = self._run_repair(picture, damage, [r for r in references if r is not None])
        record.synthesised = True
        return self._put_out(record, frame, damage)

    def _put_out(self, record: Record, frame: av.VideoFrame, damage: DamageMap) -> DecodedPicture:
        frame.pts = record.pts
        if not self.hooked:
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
        )


def _open_core(codec: Codec, threads: int, hook: bool) -> DecoderCore | PlainCore:
    if hook:
        try:
            return DecoderCore(codec, threads)
        except HookUnavailableError as error:
            log.warning("decoder hook not available (%s): repairing output pictures instead", error)
    return PlainCore(codec, threads)


def _all_lost(width: int, height: int) -> DamageMap:
    damage = DamageMap(max(width, 16), max(height, 16))
    damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
    return damage


def _resized(damage: DamageMap, width: int, height: int) -> DamageMap:
    """The map of a coded picture cut to the size of its cropped output."""
    resized = DamageMap(width, height, causes=damage.causes, confidence=damage.confidence, hooked=damage.hooked)
    rows, cols = (min(a, b) for a, b in zip(resized.state.shape, damage.state.shape, strict=True))
    resized.state[:rows, :cols] = damage.state[:rows, :cols]
    return resized
