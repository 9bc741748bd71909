"""Decoders for fluster (https://github.com/fluendo/fluster): importing this makes them known to it. Needs fluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fluster.codec import Codec as Standard
from fluster.codec import OutputFormat
from fluster.decoder import Decoder, register_decoder

from benchmarks.conformance_decoders import Which, in_child
from concealer.bitstream import Codec


class _InChild(Decoder):
    """One decoder and codec, in a process of its own for each stream."""

    which: Which
    short: Codec

    def decode(
        self,
        input_filepath: str,
        output_filepath: str,
        output_format: OutputFormat,
        timeout: int,
        verbose: bool,
        keep_files: bool,
        optional_params: dict[str, Any] | None = None,
    ) -> str:
        """MD5 of the pictures; no file is written."""
        return str(in_child(self.which, self.short, Path(input_filepath), output_format.value, timeout)["md5"])


@register_decoder
class ConcealerH264(_InChild):
    name, description = "concealer-H.264", "concealer, H.264"
    codec, which, short = Standard.H264, "concealer", "h264"


@register_decoder
class ConcealerHevc(_InChild):
    name, description = "concealer-H.265", "concealer, HEVC"
    codec, which, short = Standard.H265, "concealer", "hevc"


@register_decoder
class LibavH264(_InChild):
    name, description = "PyAV-H.264", "libav as PyAV has it, H.264"
    codec, which, short = Standard.H264, "libav", "h264"


@register_decoder
class LibavHevc(_InChild):
    name, description = "PyAV-H.265", "libav as PyAV has it, HEVC"
    codec, which, short = Standard.H265, "libav", "hevc"
