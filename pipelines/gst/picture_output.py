"""The source pad of `concealdec`: pictures as buffers, and serialised events in their place between them."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from concealer.decoder import DecodedPicture
from pipelines.gst import marks, raw_video
from pipelines.gst.bindings import Gst, GstVideo
from pipelines.gst.carried import Carried
from pipelines.gst.decoding import DEFAULT_INTERVAL, Shown
from pipelines.gst.negotiation import default_caps
from pipelines.gst.options import Options

_FLAGS = GstVideo.VideoBufferFlags


class PictureOutput:
    """What is known of the stream downstream: its caps, its segment, whether it still flows."""

    def __init__(self, pad: Gst.Pad, options: Options) -> None:
        self._pad = pad
        self._options = options
        self._raw = raw_video.BufferMaker()
        self._pending: list[Gst.Event] = []
        self._segment: Gst.Segment | None = None
        self._discont = True
        self._gap: tuple[int, int, Gst.Event] | None = None
        """Start and end of one that a picture may still fill, in nanoseconds."""
        self._has_caps = False
        self._rate: Fraction | None = None
        self.carried = Carried()
        """Metas of access units on their way."""
        self.kept = raw_video.KeptCaps()
        """Of the input's caps."""
        self.flow = Gst.FlowReturn.OK
        """What downstream answered last; nothing more is pushed once it is not OK."""

    def begin_stream(self) -> None:
        """The next picture does not follow the last one."""
        self._discont = True

    def flush(self) -> None:
        """What was pushed before is void."""
        self._pending = [kept for kept in self._pending if kept.type != Gst.EventType.SEGMENT]
        self._segment = self._gap = None
        self.carried.clear()
        self.flow = Gst.FlowReturn.OK

    def is_in(self, segment: Gst.Segment) -> bool:
        """The segment is the one that pictures are put out in already."""
        return self._segment is not None and bool(segment.is_equal(self._segment))

    def begin_segment(self, segment: Gst.Segment) -> None:
        """Pictures from here on lie in it."""
        self.push_gap()
        self._segment = segment
        if self.flow == Gst.FlowReturn.EOS:
            self.flow = Gst.FlowReturn.OK

    def push_in_order(self, event: Gst.Event) -> bool:
        """Push a serialised event, after the caps."""
        if not self._has_caps:
            self._pending.append(event)
            return True
        return bool(self._pad.push_event(event))

    def gap(self, event: Gst.Event, fillable: bool) -> bool:
        """A gap event came. fillable: pictures may still come that lie before it or in it."""
        start, duration = event.parse_gap()
        self.push_gap()
        if not self._has_caps and not self._lead():
            self.flow = Gst.FlowReturn.NOT_NEGOTIATED
            return False
        if not fillable:
            return bool(self._pad.push_event(event))
        length = self.duration if duration == Gst.CLOCK_TIME_NONE else duration
        self._gap = start, start + length, event
        return True

    def push_gap(self) -> None:
        """Push the gap event that waits for pictures, which do not come."""
        gap, self._gap = self._gap, None
        if gap is not None:
            self._pad.push_event(gap[2])

    def _lead(self) -> bool:
        """Caps for a stream that begins with a gap; False if downstream takes none."""
        caps = default_caps(self._pad, self.kept)
        if caps is None or not self._pad.push_event(Gst.Event.new_caps(caps)):
            return False
        self._has_caps = True
        self.push_pending()
        return True

    def push_pending(self) -> None:
        """Push the events that waited for caps."""
        pending, self._pending = self._pending, []
        for event in pending:
            self._pad.push_event(event)

    def push(self, buffer: Gst.Buffer) -> None:
        """Push a picture's buffer, and before it the gap that it leaves open."""
        if self.flow != Gst.FlowReturn.OK:
            return
        if self._options.discard_corrupted_frames and buffer.has_flags(Gst.BufferFlags.CORRUPTED):
            return
        if self._gap is not None and buffer.pts + buffer.duration // 2 > self._gap[0]:
            if buffer.pts + buffer.duration // 2 < self._gap[1]:
                self._gap = None
            self.push_gap()
        self.flow = self._pad.push(buffer)

    @property
    def running_time(self) -> int:
        """Of the latest picture, in nanoseconds; -1 if that is not known."""
        if self._segment is None or self._segment.position == Gst.CLOCK_TIME_NONE:
            return -1
        running: int = self._segment.to_running_time(Gst.Format.TIME, self._segment.position)
        return -1 if running == Gst.CLOCK_TIME_NONE else running

    @property
    def duration(self) -> int:
        """Nanoseconds from picture to picture."""
        rate = self.kept.framerate or self._rate
        return round(Gst.SECOND / rate) if rate else DEFAULT_INTERVAL

    def make_buffer(self, shown: Shown, aspect: Fraction | None, rate: Fraction | None) -> Gst.Buffer | None:
        """The picture as a buffer with everything set, its caps pushed before it; None if it lies outside the segment,
        behind which nothing more flows.

        aspect, rate: the bitstream's sample aspect ratio and pictures a second. Raises KeyError, ValueError,
        MemoryError, av.FFmpegError.
        """
        self._rate = rate
        picture, start = shown.picture, shown.pts
        duration = picture.duration or self.duration
        if self._segment is not None and self._segment.format == Gst.Format.TIME:
            inside, start, stop = self._segment.clip(Gst.Format.TIME, shown.pts, shown.pts + duration)
            if not inside:
                if self._segment.stop not in (Gst.CLOCK_TIME_NONE, -1) and shown.pts >= self._segment.stop:
                    self.flow = Gst.FlowReturn.EOS
                return None
            duration = stop - start
            self._segment.position = start
        buffer = self._wrap(picture, aspect)
        buffer.pts, buffer.duration = start, duration
        if self._discont:
            buffer.set_flags(Gst.BufferFlags.DISCONT)
            self._discont = False
        buffer.set_flags(_field_flags(picture, self.kept.bottom_first))
        self.carried.give(picture.pts, buffer)
        if picture.damage.any_damage or picture.repeated:
            marks.mark(buffer, picture, self._options)
        return buffer

    def _wrap(self, picture: DecodedPicture, aspect: Fraction | None) -> Gst.Buffer:
        frame = raw_video.with_known_format(picture.frame)
        if self._raw.adapt(frame, self.kept, aspect, self._rate, is_mixed=bool(_field_flags(picture, False))):
            self._pad.push_event(Gst.Event.new_caps(self._raw.caps))
            if not self._pad.peer_query_accept_caps(self._raw.caps):
                self.flow = Gst.FlowReturn.NOT_NEGOTIATED
            self._has_caps = True
            self.push_pending()
            query = Gst.Query.new_allocation(self._raw.caps, False)
            answered = self._pad.peer_query(query)
            meta = GstVideo.video_meta_api_get_type()
            self._raw.share_memory(answered and query.find_allocation_meta(meta)[0])
        if not (self._options.overlay and picture.damage.any_damage) or picture.repeated:
            return self._raw.buffer(frame)
        return self._raw.buffer(frame, partial(marks.draw, picture, bit_depth=self._raw.bit_depth, rgb=self._raw.rgb))


def _field_flags(picture: DecodedPicture, bottom_first: bool) -> Gst.BufferFlags:
    """What is to be known of the fields of a picture; nothing of one that is shown once, as a frame.

    bottom_first: what holds where the stream does not tell, as caps may; top is what broadcasts are.
    """
    struct, known = picture.pic_struct, picture.bottom_first
    top_first = not (bottom_first if known is None else known)
    flags = 0
    if picture.frame.interlaced_frame:
        flags |= int(_FLAGS.INTERLACED)
    if struct is not None and struct.fields == 1:
        flags |= int(_FLAGS.INTERLACED | _FLAGS.ONEFIELD)
        top_first = struct.top_first
    if struct is not None and struct.repeats_first_field:  # of progressive frames too: 3:2 pulldown
        flags |= int(_FLAGS.RFF)
        top_first = struct.top_first
    return Gst.BufferFlags(flags | (int(_FLAGS.TFF) if flags and top_first else 0))
