"""What can be asked of a run over one file."""

from __future__ import annotations

from dataclasses import dataclass

from concealer.decoder import MOST_AHEAD
from concealer.repair import Method
from pipelines.errors import UsageError
from pipelines.generative import check_engine
from pipelines.joining import JoinPolicy
from pipelines.metrics import parse_address
from pipelines.outage import HOLD, read_slate
from pipelines.writing import EncoderSettings


@dataclass(frozen=True)
class Settings:
    """How to treat a file."""

    encoder: EncoderSettings = EncoderSettings()
    method: Method = "auto"
    """Repair by the method that fits best, or always by one."""
    engine: str = "auto"
    """What runs the generative method's network: "auto" or a backend of `engines`."""
    join: JoinPolicy = "conceal"
    """What is shown of a stream joined in its middle, until its pictures have what they are predicted from."""
    outage: str | None = None
    """What is shown while a live input says nothing: "hold", the last good picture, or the file of one; sound is
    silent. None: nothing."""
    metrics: str | None = None
    """ADDR:PORT to serve the counts of the streams at, for Prometheus."""
    fill_gaps: float = 1.0
    """Seconds: holes in time up to this long, left by lost pictures that nobody refers to, are filled; 0 = none."""
    freeze_gaps: bool = False
    """Longer holes are filled with the picture before them; else they are told and left."""
    output_format: str | None = None
    """FFmpeg's muxer name; None = by the output's suffix."""
    input_format: str | None = None
    """FFmpeg's demuxer name; None = by content."""
    sdp: str | None = None
    """Path of a session description with the parameter sets of a stream that holds none."""
    overwrite: bool = False
    """Replace an output that exists."""
    always_encode: bool = False
    """Encode video without damage too."""
    splice: bool = False
    """Encode nothing: put slices that carry the repair into the gaps of the stream."""
    dry_run: bool = False
    """Analyse only: no output."""
    lookahead: int | None = None
    """Access units to look ahead in repair; None = 2 for a file or pipe, 0 for a live input."""
    reconnect: bool = False
    """Open a live input again when it ends or falls silent."""
    keep_partial: bool = False
    """When stopped, complete the output with what was done so far."""
    report: str | None = None
    """Path of a JSON report (docs/report.md)."""
    threads: int = 1
    """Slice threads of the HEVC decoder; encoders choose their own."""

    def check(self) -> None:
        """Raise UsageError if one of them makes no sense, whatever the file."""
        self.encoder.check()
        check_engine(self.engine)
        if self.outage is not None and self.outage != HOLD:
            read_slate(self.outage)
        if self.outage is not None and (self.splice or self.dry_run):
            raise UsageError("--outage: pictures are made up for an encoder, which --splice and --dry-run have not")
        if self.metrics is not None:
            parse_address(self.metrics)
        if not 0 <= self.fill_gaps <= 3600:
            raise UsageError(f"gaps to fill must be 0 to 3600 seconds long, got {self.fill_gaps:g}")
        if self.lookahead is not None and not 0 <= self.lookahead <= MOST_AHEAD:
            raise UsageError(f"look-ahead must be 0 to {MOST_AHEAD} access units, got {self.lookahead}")
