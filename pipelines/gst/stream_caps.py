"""What `concealdec` takes, and what the caps of a stream say of it."""

from __future__ import annotations

from dataclasses import dataclass

from concealer.bitstream import Codec, parse_extradata
from pipelines.gst.bindings import Gst

SINK_CAPS = Gst.Caps.from_string(
    "video/x-h264, stream-format=(string){ byte-stream, avc, avc3 }, alignment=(string)au; "
    "video/x-h265, stream-format=(string){ byte-stream, hvc1, hev1 }, alignment=(string)au"
)
_CODECS: dict[str, Codec] = {"video/x-h264": "h264", "video/x-h265": "hevc"}


class BadCodecDataError(ValueError):
    """codec_data that no decoder can make anything of."""


@dataclass(frozen=True, slots=True)
class StreamCaps:
    """Codec and framing of a stream."""

    codec: Codec
    extradata: bytes | None
    """avcC or hvcC; None: Annex B."""

    @classmethod
    def of(cls, caps: Gst.Caps) -> StreamCaps:
        """Raises ValueError for caps that nothing can be decoded by, BadCodecDataError for nonsense inside them."""
        structure = caps.get_structure(0)
        codec = _CODECS.get(structure.get_name())
        if codec is None or structure.get_string("alignment") not in (None, "au"):
            raise ValueError(f"cannot decode {caps.to_string()}: access units are needed (a parser)")
        stream_format = structure.get_string("stream-format")
        if stream_format in (None, "byte-stream"):
            return cls(codec, None)
        data = structure.get_value("codec_data")
        extradata = data.extract_dup(0, data.get_size()) if isinstance(data, Gst.Buffer) else None
        if not extradata:
            raise ValueError(f"{stream_format} without codec_data")
        least, newest = (7, 1) if codec == "h264" else (23, 1)
        if len(extradata) < least or extradata[0] > newest or not parse_extradata(codec, extradata).length_size:
            raise BadCodecDataError(f"codec_data of {len(extradata)} bytes is not that of {stream_format}")
        return cls(codec, extradata)

    @property
    def length_size(self) -> int:
        """Bytes of the length before each NAL unit, 0 for Annex B."""
        if self.extradata is None:
            return 0
        place = 4 if self.codec == "h264" else 21
        return 1 + (self.extradata[place] & 3) if len(self.extradata) > place else 4
