"""A stretch of a stream, from one IDR picture to another, whose repaired pictures are encoded anew."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator

import av

from concealer.bitstream import PARAMETER_SETS, Codec, NalUnit, nal_type, parse_extradata, split_annexb
from concealer.repair import Repairer
from pipelines.errors import CannotKeepError
from pipelines.gaps import GapPolicy
from pipelines.jobs.parameter_sets import with_more_sets
from pipelines.jobs.run import Run
from pipelines.jobs.span_lines import span_lines
from pipelines.jobs.spans import SpanFacts, framed
from pipelines.jobs.survey import Span
from pipelines.presenting import ShownPicture
from pipelines.reading import Source, VideoPayload
from pipelines.reporting import Comparison
from pipelines.track import Track
from pipelines.writing import EncoderSettings, PictureEncoder


class GroupCoder:
    """Makes encoders whose groups of pictures fit in between those of a stream: no reordering, in the stream's profile,
    and, as far as the encoder can, with parameter sets of their own that leave the stream's untouched."""

    def __init__(self, source: Source, index: int, settings: EncoderSettings, used_ids: set[int]) -> None:
        """used_ids: of the stream's parameter sets. Raises CannotKeepError if no encoder makes the stream's codec."""
        self._source, self._index, self._settings = source, index, settings
        self.codec: Codec = source.codec(index)
        context = source.video[index].codec_context
        self.length_size = parse_extradata(self.codec, context.extradata).length_size
        self.sets: list[NalUnit] = []
        """Of all these groups; empty where each IDR picture brings them along."""
        if self.codec == "h264":
            free = next((n for n in range(1, 32) if n not in used_ids), None)
            if free is None:
                raise CannotKeepError("no identifier is left for parameter sets")
            self._further: dict[str, object] = {"bframes": 0, "sps-id": free}
            if "Baseline" in str(context.profile):
                self._further |= {"cabac": 0, "8x8dct": 0, "weightp": 0}
            elif context.profile == "Main":
                self._further |= {"8x8dct": 0}
        else:
            self._further = {"bframes": 0, "repeat-headers": 1, "open-gop": 0, "frame-threads": 1}
        self._sample = source.sample(index)
        if self._sample is None:
            raise CannotKeepError("no early picture can be decoded")
        first = self.open(self._sample)
        coded = [*first.encode(self._sample, 0, 1), *first.flush()]
        made = [nal for packet in coded for nal in split_annexb(bytes(packet))]
        self.own_sets = [nal for nal in made if nal_type(self.codec, nal) in PARAMETER_SETS[self.codec]]
        if not self.own_sets:
            raise CannotKeepError(f"{first.name} puts no parameter sets before its pictures")

    @property
    def leaves_sets(self) -> bool:
        """The stream's own parameter sets stay in force behind such a group."""
        return self.codec == "h264"

    def announce(self) -> None:
        """Put the parameter sets of these groups into the stream's header, where they belong and nowhere else."""
        context = self._source.video[self._index].codec_context
        if self.codec != "h264" or not context.extradata:
            return
        header = with_more_sets(context.extradata, self.own_sets, self.length_size)
        if header is not None:
            context.extradata = header
            self.sets = self.own_sets if self.length_size else []

    def open(self, first: av.VideoFrame) -> PictureEncoder:
        """An encoder of a group that begins with this picture. Raises CannotKeepError for another format or size."""
        scratch = av.open(io.BytesIO(), "w", format=self.codec)
        encoder = PictureEncoder(
            self._settings,
            self._source.video[self._index],
            first,
            scratch,
            time_base=self._source.time_base(self._index),
            rate=self._source.rate(self._index),
            sample=self._sample,
            chroma_location=self._source.chroma_location(self._index),
            further=self._further,
            one_thread=True,  # groups are encoded beside each other
        )
        if encoder.context.pix_fmt not in (first.format.name, first.format.name.replace("yuvj", "yuv")):
            raise CannotKeepError(f"{encoder.name} takes no {first.format.name}")
        return encoder


class CodedSpan:
    """A `SpanRun` whose pictures are repaired and encoded."""

    def __init__(
        self,
        run: Run,
        index: int,
        repairer: Repairer,
        header: bytes | None,
        span: Span,
        coder: GroupCoder,
        comparison: Comparison | None = None,
    ) -> None:
        """header: what the decoder is opened with. comparison: is shown every picture."""
        self._source, self._coder, self._index = run.source, coder, index
        self._lead = span.first - span.lead
        """Payloads whose pictures are copied."""
        reported = run.settings.report is not None or comparison is not None
        self._track = Track(
            run.source,
            index,
            repairer,
            reported,
            run.settings.threads,
            run.lookahead,
            gaps=GapPolicy(run.settings.fill_gaps, run.settings.freeze_gaps, quiet=True),
            header=header,
        )
        self._lines = span_lines(run, self._track, span, comparison)
        self._track.counted_from = span.first - span.lead
        self._encoder: PictureEncoder | None = None
        self._delay: int | None = None
        """Ticks from decoding to presentation, as before and behind the span."""
        self._begun = False
        self._pictures = self._bytes = 0
        """Encoded."""

    @property
    def facts(self) -> SpanFacts:
        lines, plates = ([], []) if self._lines is None else (self._lines.all(), self._lines.plates)
        return SpanFacts(self._track.totals.repaired, self._pictures, self._bytes, lines=lines, plates=plates)

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        if self._track.payloads == self._lead:
            if payload.pts is None:
                raise CannotKeepError("a group of pictures begins without a time")
            self._delay = payload.pts - payload.dts if payload.dts is not None else 0
        return self._encoded(self._track.feed(payload))

    def finish(self) -> list[av.Packet]:
        packets = self._encoded(self._track.flush())
        if self._encoder is not None:
            packets += [self._fit(packet) for packet in self._encoder.flush()]
        return packets

    def close(self) -> None:
        with contextlib.suppress(av.FFmpegError):
            self._track.close()

    def _encoded(self, pictures: Iterable[ShownPicture]) -> list[av.Packet]:
        return [self._fit(packet) for packet in self._coded(pictures)]

    def _coded(self, pictures: Iterable[ShownPicture]) -> Iterator[av.Packet]:
        for shown in pictures:
            if self._lines is not None:
                self._lines.picture(shown)
            tag = shown.picture.tag
            self._begun |= self._lead == 0 or (tag is not None and tag >= self._lead)
            if not self._begun or shown.pts is None:
                continue
            if self._encoder is None:
                self._encoder = self._coder.open(shown.picture.frame)
            self._pictures += 1
            yield from self._encoder.encode(
                shown.picture.frame, shown.pts, shown.picture.duration or self._track.interval
            )

    def _fit(self, packet: av.Packet) -> av.Packet:
        """The encoder's packet as one of the stream's."""
        coder = self._coder
        nals = split_annexb(bytes(packet))
        if coder.sets:
            nals = [nal for nal in nals if nal_type(coder.codec, nal) not in PARAMETER_SETS[coder.codec]]
        made = av.Packet(framed(nals, coder.length_size))
        made.stream, made.time_base = self._source.video[self._index], self._track.time_base
        made.pts, made.duration, made.is_keyframe = packet.pts, packet.duration, packet.is_keyframe
        assert packet.pts is not None and self._delay is not None
        made.dts = packet.pts - self._delay
        self._bytes += made.size
        return made
