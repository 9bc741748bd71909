"""What can be asked of a run over one file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from concealer.decoder import MOST_AHEAD
from concealer.repair import Method
from pipelines.errors import UsageError
from pipelines.generative import check_engine, check_network
from pipelines.metrics import parse_address
from pipelines.on_damage import OnDamage
from pipelines.outage import HOLD, read_slate
from pipelines.writing import EncoderSettings

MOST_JOBS = 256
OutputMode = Literal["auto", "splice", "gop", "encode"]
OUTPUT_MODES: tuple[OutputMode, ...] = ("auto", "splice", "gop", "encode")


@dataclass(frozen=True)
class Settings:
    """How to treat a file."""

    encoder: EncoderSettings = EncoderSettings()
    method: Method = "auto"
    """Repair by the method that fits best, or always by one."""
    engine: str = "auto"
    """What runs the generative method's network: "auto" or a backend of `engines`."""
    network: str = "auto"
    """That network's name in the zoo; "auto": the one that did best on held-out pictures."""
    on_damage: OnDamage = "conceal"
    """What is shown in place of a picture that damage touches, or that lacks what it is predicted from."""
    min_confidence: float | None = None
    """With "hold" and "drop": confidence from which a picture is shown all the same, 0 to 1; None: untouched ones."""
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
    like: str | None = None
    """Path of a healthy file of the same camera, for an MP4 file without index that holds no parameter sets."""
    overwrite: bool = False
    """Replace an output that exists."""
    always_encode: bool = False
    """Encode video without damage too."""
    output: OutputMode = "auto"
    """What changes of a damaged file. "splice": slices that carry the repair are put into the gaps, nothing is encoded.
    "gop": groups of pictures with damage are encoded anew, the others copied. "encode": all of it. "auto": as little as
    the stream allows, in this order."""
    dry_run: bool = False
    """Analyse only: no output."""
    lookahead: int | None = None
    """Access units to look ahead in repair; None = 2 for a file or pipe, 0 for a live input."""
    reconnect: bool = False
    """Open a live input again when it ends or falls silent."""
    keep_partial: bool = False
    """When stopped, complete the output with what was done so far."""
    report: str | None = None
    """Path of a report, whose suffix names its form (docs/report.md)."""
    compare: str | None = None
    """Path of a video that shows before and after side by side."""
    jobs: int = 0
    """Processes that look for damage in a file and repair it; 0 = as many as there are cores."""
    threads: int = 1
    """Slice threads of the HEVC decoder; encoders choose their own."""

    @property
    def cores(self) -> int:
        """Processes that work at once."""
        if self.jobs:
            return self.jobs
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def keeps(self) -> bool:
        """What is not damaged is to stay as it is."""
        if self.output == "auto":
            encodes = self.encoder != EncoderSettings() or self.always_encode or self.freeze_gaps
            return not encodes and self.on_damage == "conceal"
        return self.output == "gop"

    def check(self) -> None:
        """Raise UsageError if one of them makes no sense, whatever the file."""
        self.encoder.check()
        check_engine(self.engine)
        check_network(self.network, self.method)
        if self.outage is not None and self.outage != HOLD:
            read_slate(self.outage)
        if self.outage is not None and (self.output == "splice" or self.dry_run):
            raise UsageError("--outage: pictures are made for an encoder, which --output splice and --dry-run have not")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError(f"--min-confidence must be 0 to 1, got {self.min_confidence:g}")
        if self.min_confidence is not None and self.on_damage == "conceal":
            raise UsageError("--min-confidence: --on-damage conceal shows every picture; it is for hold and drop")
        if self.on_damage != "conceal" and self.output == "gop":
            raise UsageError("--on-damage: pictures are held and dropped where all of them are encoded, not in groups")
        if self.compare is not None and self.dry_run:
            raise UsageError("--compare: --dry-run repairs nothing that could be shown")
        if self.metrics is not None:
            parse_address(self.metrics)
        if not 0 <= self.fill_gaps <= 3600:
            raise UsageError(f"gaps to fill must be 0 to 3600 seconds long, got {self.fill_gaps:g}")
        if not 0 <= self.jobs <= MOST_JOBS:
            raise UsageError(f"jobs must be 0 to {MOST_JOBS}, got {self.jobs}")
        if self.lookahead is not None and not 0 <= self.lookahead <= MOST_AHEAD:
            raise UsageError(f"look-ahead must be 0 to {MOST_AHEAD} access units, got {self.lookahead}")
