"""A decoder that says what is damaged in each picture and has it repaired before the next one is predicted from it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

import av

from concealer.bitstream import AccessUnit, Codec, MissingPicture, NalUnit, StreamParser, join_annexb, parse_extradata
from concealer.damage import Damage, DamageMap
from concealer.decoder.extent import estimate_broken
from concealer.decoder.fields import field_orders, is_interlaced
from concealer.decoder.finding import is_one_slice, known_damage
from concealer.decoder.growing import Growing
from concealer.decoder.history import History, Painted, Step
from concealer.decoder.hook import Buffer
from concealer.decoder.interlaced import InterlacedTurns
from concealer.decoder.locating import Suspicion
from concealer.decoder.lookahead import LookAhead
from concealer.decoder.lost_pictures import decode_stand_in
from concealer.decoder.opening import open_core
from concealer.decoder.outputs import DecodedPicture, OutputQueue, Record
from concealer.decoder.painting import Painter, known_motion
from concealer.decoder.placing import Placer
from concealer.decoder.predicting import Predicting
from concealer.decoder.prepare import Prepared, prepare
from concealer.decoder.promising import Promises
from concealer.decoder.recent import Recent
from concealer.decoder.roots import NO_REFERENCES
from concealer.decoder.rules import rules_of
from concealer.decoder.scout import MOST_AHEAD
from concealer.decoder.settled import ObserveFn, Settled
from concealer.decoder.shadow import Shadows
from concealer.decoder.showing import Showing
from concealer.decoder.turn import Held, Turn, all_lost
from concealer.decoder.whole import LastBlocks, arrived_whole, is_whole
from concealer.decoder.work import Unfinished, Work
from concealer.outcome import Measure, Motion, Repair
from concealer.picture import Picture

log = logging.getLogger(__name__)


class ConcealingDecoder:
    """Decodes H.264 or HEVC; every access unit gives one picture, and known missing pictures are made up.

    Damaged blocks are passed to `repair` right after their access unit was decoded, in decode order, as views of the
    decoder's own reference memory: what is painted there is what later pictures are predicted from. Where the hook is
    not available, `repair` works on a copy of the output frame instead. Interlaced H.264 is left to the decoder's own
    concealment; its pictures say `in_loop=False`. `concealer.open_decoder` puts one together as `conceal` uses it.

    codec: "h264" or "hevc".
    extradata: the container's avcC/hvcC box or Annex B headers, if it has any.
    repair: paints holes; None only analyses.
    motion: predicts how the blocks of lost HEVC slices moved; None takes them for still, or leaves it to `measure`.
    measure: tells how repaired HEVC blocks moved, so that pictures which inherit their vectors inherit good ones; where
        that can be told to the decoder, `motion` only serves pictures whose reference is not the one before them. None
        leaves what the stand-ins hold.
    scout_repair: paints the luma of holes for the decoder that looks ahead in HEVC; another object than `repair`, which
        must see every damaged picture once. None: these holes stay stand-ins. scout_measure: as `measure`, for it.
    stand_ins: put written slices in place of lost HEVC ones; False leaves their blocks undecoded, for comparison.
    container_framed: payloads are whole MP4/Matroska samples; otherwise they are split into access units anew.
    threads: slice threads for HEVC; H.264 always uses one (libav conceals nothing under slice threads).
    track_taint: find tainted blocks too, with a shadow decoder: about halves the speed while there is damage.
    probe_breaks: decode HEVC slices with a known damaged byte once more with other bytes behind it, which shows the
        block where they go wrong; False estimates the block from the share of bytes before it: no picture then takes
        longer than its decoding and repair. Over seven clips the mean was 0.2 dB lower, single ones 2.5 either way.
    hook: False takes the slow route on purpose (out-of-loop repair of what the parser can see).
    lookahead: access units that wait so that repair sees what follows; pictures come out that much later.
    observe: told of every picture right after it was repaired; what it raises ends the decoding.
    fill: most lost pictures in a row that nobody refers to and that are made up all the same, where times tell of them.
        Whoever shows the pictures can do that too, and with what follows (`Between`).

    Raises ValueError for a look-ahead outside 0..`MOST_AHEAD` and for one repair in both places, never on bad data.
    """

    def __init__(
        self,
        codec: Codec,
        extradata: bytes | None = None,
        *,
        repair: Repair | None = None,
        motion: Motion | None = None,
        measure: Measure | None = None,
        scout_repair: Repair | None = None,
        scout_measure: Measure | None = None,
        stand_ins: bool = True,
        container_framed: bool = False,
        threads: int = 1,
        track_taint: bool = False,
        probe_breaks: bool = True,
        hook: bool = True,
        lookahead: int = 0,
        observe: ObserveFn | None = None,
        fill: int = 0,
    ) -> None:
        if not 0 <= lookahead <= MOST_AHEAD:
            raise ValueError(f"lookahead must be 0..{MOST_AHEAD}, got {lookahead}")
        if scout_repair is not None and scout_repair is repair:
            raise ValueError("scout_repair must be another object than repair")
        self._parser = StreamParser(codec, extradata, container_framed=container_framed)
        self._headers: list[NalUnit] = parse_extradata(codec, extradata).parameter_sets
        self._rules = rules_of(codec, threads)
        self._core = open_core(codec, threads, hook)
        self._store = self._core.motion_store if stand_ins else None
        self._stand_ins = stand_ins
        self._painter = Painter(self._rules, repair, measure)
        ahead = lookahead if self._core.hooked and repair is not None else 0
        self._lookahead = LookAhead(
            codec, self._rules, ahead, Painter(self._rules, scout_repair, scout_measure or measure)
        )
        self._shadows = Shadows(codec, track_taint, probe_breaks)
        self._suspicion = Suspicion(codec)
        self._track_taint = track_taint
        self._observe = observe
        self._placer = Placer(self._rules, fill)
        self._outputs = OutputQueue()
        self._history = History()
        self._turns = InterlacedTurns(self._core, self._painter, self._shadows, self._history)
        self._promises = Promises(self._rules)
        self._showing = Showing(self._rules, self._painter, self._promises, self._core.hooked)
        self._recent = Recent()
        self._predicting = Predicting(motion, self._rules, self._painter, self._store, self._recent)
        self._last_blocks = LastBlocks()
        self._previous: AccessUnit | None = None
        self._hollow: list[Record] = []
        self._unfinished: Unfinished | None = None
        self._index = self._scene = 0
        self._growing = Growing(codec, self._rules)

    @property
    def hooked(self) -> bool:
        """True if pictures are repaired inside the decoder's reference memory."""
        return self._core.hooked

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width of a sample by its height, as the bitstream says; None if it does not."""
        return self._core.sample_aspect_ratio

    @property
    def frame_rate(self) -> Fraction | None:
        """Pictures a second, as the bitstream says; None if it does not."""
        return self._core.frame_rate

    def decode(
        self,
        payload: bytes,
        *,
        pts: int | None = None,
        dts: int | None = None,
        duration: int | None = None,
        tag: int | None = None,
        gaps: Sequence[int] = (),
        truncated: bool = False,
        complete: bool = False,
    ) -> list[DecodedPicture]:
        """Decode one demuxed packet; returns the pictures whose turn in output order has come.

        gaps: byte offsets in `payload` before which the transport lost bytes. truncated: its end is missing.
        complete: the payload ends an access unit, so nothing of it is held back for the next one.
        """
        units = self._parser.push(
            payload, pts=pts, dts=dts, duration=duration, tag=tag, gaps=gaps, truncated=truncated, complete=complete
        )
        return [picture for unit in units for picture in self._come_in(unit)]

    def flush(self) -> list[DecodedPicture]:
        """The pictures still held back; call once at the end of the stream."""
        out = [picture for unit in self._parser.flush() for picture in self._come_in(unit)]
        out += [picture for unit in self._lookahead.drain() for picture in self._access_unit(unit)]
        out += self._put_out(self._core.flush())
        return out + self._showing.show(self._outputs.flush())

    def close(self) -> None:
        """Free the decoders and our share of their buffers. Pictures already put out stay valid."""
        self._unfinished = None
        self._shadows.drop()
        self._lookahead.close()
        self._growing.close()
        self._recent.clear()
        self._core.close()
        self._rules.close()

    def _come_in(self, au: AccessUnit) -> list[DecodedPicture]:
        """An access unit arrives; the pictures of the one whose turn it is then."""
        self._placer.place(au)
        due = self._lookahead.push(au)
        return [] if due is None else self._access_unit(due)

    def _access_unit(self, au: AccessUnit) -> list[DecodedPicture]:
        """Decode one access unit, in decode order."""
        out: list[DecodedPicture] = []
        self._placer.settle(au, self._lookahead.waiting)
        self._finish()
        for missing in au.missing_before:
            out += self._missing_picture(missing, au)
            self._finish()
        if au.is_idr:
            self._shadows.drop()
            self._history.restart()
        if au.is_irap:
            self._scene += 1
        if au.rasl_skipped:
            # 8.3.3.1, C.5.2.2: what it refers to lies before the first picture, and it is not put out.
            record = self._record(au.order, au.pts, au.duration, au.kind, au)
            self._core.decode(join_annexb(self._headers + au.base_nals), record.index)
            self._headers = []
            self._tell(record, au=au)
            return out
        if au.interlaced != "progressive" and self.hooked:
            return out + self._interlaced(au)
        if self._at_rest and arrived_whole(au):
            return out + self._whole(au)
        prepared = prepare(au, self._rules, self._predicting.field(au), self._stand_ins)
        if not prepared.slices:
            record = self._record(self._placer.order_of(au), au.pts, au.duration, au.kind, au)
            record.place_guessed = True
            record.damage = all_lost(au.width, au.height)
            self._outputs.absent(record)
            self._hollow.append(record)
            self._tell(record, au=au)
            return out
        self._hollow.clear()
        record = self._record(au.order, au.pts, au.duration, au.kind, au)
        payload = join_annexb(self._headers + prepared.nals)
        other = None if prepared.other_nals is None else join_annexb(self._headers + prepared.other_nals)
        self._headers = []
        conceal = not is_one_slice(au)
        decoded = self._core.decode(payload, record.index, conceal)
        self._settle(Work(record, au, au, Step(payload, conceal), decoded, prepared, other))
        self._tell(record, decoded.buffer, au=au)
        self._previous = au
        return out + self._put_out(decoded.frames)

    @property
    def _at_rest(self) -> bool:
        """No other decoder runs beside the main one, and no picture lacks its references."""
        return self.hooked and self._shadows.idle and self._lookahead.idle and self._growing.at_rest

    def _whole(self, au: AccessUnit) -> list[DecodedPicture]:
        """Decode an access unit that arrived whole, which nothing that came before has to do with."""
        self._hollow.clear()
        record = self._record(au.order, au.pts, au.duration, au.kind)
        record.describe_whole(au)
        payload = join_annexb([*self._headers, *au.nals] if self._headers else au.nals)
        self._headers = []
        step = Step(payload, len(au.slices) > 1 or not au.coverage.reliable)
        decoded = self._core.decode(payload, record.index, step.concealed, ends=self._last_blocks.of(au))
        buffer = decoded.buffer
        if buffer is None or not is_whole(decoded, au) or not self._growing.roots.passes(au):
            self._settle(Work(record, au, au, step, decoded, Prepared(au.nals, slices=len(au.slices))))
        else:
            self._outputs.expect(record)
            record.damage, record.in_loop = DamageMap(buffer.width, buffer.height), True
            self._history.add(step)
            self._recent.add(Held(None, buffer, record.order, record.pts, record.kind, self._scene))
        self._tell(record, buffer, au=au)
        self._previous = au
        pictures = self._put_out(decoded.frames)
        self._recent.thin_out(pictures)
        return pictures

    def _interlaced(self, au: AccessUnit) -> list[DecodedPicture]:
        """Decode one access unit that is no progressive frame."""
        record = self._record(au.order, au.pts, au.duration, au.kind, au)
        self._hollow.clear()
        self._lookahead.stop()
        self._growing.close()
        whole = self._turns.decode(au, self._headers, record.index, self._scene, tuple(self._recent))
        self._headers = []
        self._growing.roots.arrives(au)
        record.damage, record.outcome, record.in_loop = whole.damage, whole.outcome, whole.buffer is not None
        if record.damage is None or whole.buffer is None or whole.picture is None:
            record.damage = all_lost(au.width, au.height)
            self._outputs.absent(record)
        else:
            if self._growing.roots.lacks(record.order):
                record.leading = self._growing.roots.found
                record.damage.mark(record.damage.state >= 0, Damage.TAINTED, NO_REFERENCES)
            self._outputs.expect(record)
            self._recent.add(Held(whole.picture, whole.buffer))
        self._tell(record, whole.buffer, au=au)
        self._previous = au
        return self._put_out(whole.frames)

    def _missing_picture(self, missing: MissingPicture, before: AccessUnit) -> list[DecodedPicture]:
        """A reference picture before `before` never arrived: decode a stand-in in its place and repair all of it."""
        key = missing
        if self._hollow:  # its access unit did arrive, but without a slice
            record = self._hollow.pop(0)
            missing = replace(missing, poc=missing.poc + record.order - missing.order, order=record.order)
        else:
            record = self._record(missing.order, self._placer.time_of(missing), None, "P")
            record.synthesised = record.place_guessed = True
            record.hidden = not missing.shown
        last = self._recent.last
        latest = None if last is None else last.buffer
        stand_in = decode_stand_in(self._core, self._previous, missing, latest, record.index)
        if stand_in is None:
            record.damage = all_lost(*self._last_size())
            self._outputs.absent(record)
            self._tell(record, missing=missing)
            return []
        payload, decoded = stand_in
        self._settle(Work(record, key, before, Step(payload, concealed=True), decoded))
        self._tell(record, decoded.buffer, missing=missing)
        return self._put_out(decoded.frames)

    def _put_out(self, frames: Iterable[av.VideoFrame]) -> list[DecodedPicture]:
        return self._showing.show_frames(frames, self._outputs)

    def _settle(self, work: Work) -> None:
        """Find the damage of the picture just decoded, have it repaired, keep the other decoders in step."""
        record, au, buffer = work.record, work.received, work.decoded.buffer
        if buffer is None and self.hooked:
            record.damage = all_lost(*self._last_size())
            self._outputs.absent(record)
            return
        self._outputs.expect(record)
        damage = record.damage = known_damage(work, self._growing.roots, self._rules, self._previous, self._last_size())
        if buffer is None:
            if au is not None:
                estimate_broken(damage, au)
            record.repairable = damage.any_hole and (au is None or au.interlaced == "progressive")
            return
        record.in_loop = True
        depth, filled = buffer.layout.bit_depth, work.decoded.filled
        fields = field_orders(work.au) if is_interlaced(work.au) else None
        picture = Picture(buffer.planes, depth, record.order, record.pts, record.kind, self._scene, filled, fields)
        self._growing.mark(record, damage, au, work.step, buffer)
        self._shadows.find_broken(damage, au, buffer, work.step, work.other, self._history)
        if au is not None and not (damage.any_hole and damage.hole.all()):
            self._suspicion.mark(damage, au, work.decoded, picture, self._recent.pictures)
        turn = Turn(work.key, self._previous, Held(picture, buffer), damage, tuple(self._recent), work.decoded.errors)
        if damage.any_hole:
            self._repair(work, turn)
        self._unfinished = Unfinished(work, turn)
        if self._track_taint or self._observe:  # what it finds is told with the picture
            self._finish()
        self._recent.add(turn.held)

    def _repair(self, work: Work, turn: Turn) -> None:
        self._recent.foretell(turn.picture, turn.damage)
        sides = {reference.order > turn.picture.order for reference in turn.reference_pictures}
        # Between pictures on both sides repair need not look any further.
        outlook = None
        if len(sides) < 2 and not is_interlaced(work.au):
            outlook = self._lookahead.outlook(work.key, work.au, self._previous, self._history, turn.references)
        work.record.outcome = self._painter.paint(turn.picture, turn.damage, turn.reference_pictures, outlook)

    def _finish(self) -> None:
        """Do what the picture before left to do: vectors, and the other decoders."""
        if self._unfinished is None:
            return
        (work, turn), self._unfinished = (self._unfinished.work, self._unfinished.turn), None
        au = work.received
        vectors = self._painter.teach(self._store, turn, measured=au is None or self._predicting.measures(au))
        work.record.motion = known_motion(vectors, turn)
        self._lookahead.settled(work.key, work.au, turn.buffer, vectors, self._history)
        painted = Painted.of(turn.buffer.planes, turn.damage, vectors) if turn.hole is not None else None
        self._growing.painted(painted)
        step = replace(work.step, painted=painted)
        other = step if work.other is None else replace(step, payload=work.other)
        self._shadows.follow(turn.damage, turn.buffer, other, self._history)
        self._history.add(step)

    def _tell(
        self,
        record: Record,
        buffer: Buffer | None = None,
        *,
        au: AccessUnit | None = None,
        missing: MissingPicture | None = None,
    ) -> None:
        self._promises.settled(record, au or missing, buffer)
        if self._observe is not None:
            planes, damage = ((), None) if buffer is None else (buffer.planes, record.damage)
            motion, record.motion = record.motion, ()
            self._observe(Settled(record.index, record.order, record.pts, au, missing, damage, planes, motion))

    def _record(
        self, order: int, pts: int | None, duration: int | None, kind: str, au: AccessUnit | None = None
    ) -> Record:
        record = Record(self._index, order, pts, duration, kind, scene=self._scene)
        if au is not None:
            record.describe(au)
        self._index += 1
        return record

    def _last_size(self) -> tuple[int, int]:
        """(width, height) of the latest picture, 16x16 if there was none yet."""
        if self._recent.last is not None:
            return self._recent.last.buffer.width, self._recent.last.buffer.height
        if self._previous is not None and self._previous.width:
            return self._previous.width, self._previous.height
        return 16, 16
