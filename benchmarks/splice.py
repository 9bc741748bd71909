"""`conceal --splice` against repair inside the decoder and FFmpeg: quality, growth, speed.

python -m benchmarks.splice            # everything; rows that are there already are skipped
python -m benchmarks.splice --quick    # two clips, one seed, 24 pictures; results go to the cache folder
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.channel import SLICE, Damaged, Loss, transmit
from benchmarks.clips import CUPS_720P, Clip, available, pick
from benchmarks.methods import Played, methods_for
from benchmarks.metrics import score
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded, plain_decode
from benchmarks.workers import run_all
from concealer.bitstream.nal import join_annexb, split_annexb
from concealer.decoder import ConcealingDecoder, Settled
from concealer.repair import Repairer, predicted_motion
from concealer.splice import SplicedUnit, Splicer

KEY = ("measure", "clip", "codec", "structure", "settings", "pictures", "rate", "seed")
RATE = 0.03
LOSS = Loss(SLICE, RATE)


@dataclass(frozen=True)
class Job:
    """One damaged stream."""

    clip: Clip
    encoding: Encoding
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} seed {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {
            "measure": "quality",
            "clip": self.clip.name,
            "codec": self.encoding.codec,
            "structure": self.encoding.structure,
            "settings": self.encoding.settings,
            "pictures": self.encoding.pictures,
            "rate": RATE,
            "seed": self.seed,
        }


def spliced(stream: Stream, damaged: Damaged) -> list[SplicedUnit]:
    """The damaged stream made whole."""
    units: list[SplicedUnit] = []
    splicer = Splicer(stream.encoding.codec)

    def observe(picture: Settled) -> None:
        units.extend(splicer.settled(picture))

    decoder = ConcealingDecoder(
        stream.encoding.codec,
        repair=Repairer("auto"),
        motion=predicted_motion,
        container_framed=damaged.framed,
        observe=observe,
    )
    for sample in damaged.samples:
        decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
    decoder.flush()
    decoder.close()
    return units + splicer.flush()


def quality(stream: Stream, job: Job) -> Row:
    """Sequence PSNR of what stock FFmpeg makes of the spliced stream, of hooked repair and of FFmpeg alone."""
    damaged = transmit(stream, LOSS, job.seed)
    clean = [planes[0] for planes in stream.clean]
    holes = damaged.holes(stream)
    units = spliced(stream, damaged)
    pictures = plain_decode(job.encoding.codec, [(join_annexb(unit.nals), unit.pts) for unit in units])
    shown = Played([None if (p := pictures.get(n)) is None else p[0] for n in range(len(clean))], len(pictures))
    ffmpeg, hooked = methods_for(job.encoding.codec, ("ffmpeg", "concealer"))
    received = [nal.data for sample in damaged.samples for nal in split_annexb(sample.payload)]
    arrived = set(received)
    ours = {one.nal.data for unit in units for one in unit.written}
    left = [nal.data for unit in units for nal in unit.nals]
    row: Row = dict(job.key)
    for name, played in (("spliced", shown), ("hooked", hooked.play(stream, damaged)), ("ffmpeg", ffmpeg.play(stream, damaged))):
        scores = asdict(score(clean, played.pictures, holes)) if played.out else {}
        row |= {f"{name}_{key}": value for key, value in scores.items()} | {f"{name}_out": played.out}
    forms: dict[str, int] = {}
    for one in (one for unit in units for one in unit.written):
        forms[one.form] = forms.get(one.form, 0) + 1
    return row | {
        "pictures_in": len(stream.units),
        "width": stream.width,
        "height": stream.height,
        "encoder": stream.writer,
        "received": len(received),
        "kept_identical": sum(nal in arrived for nal in left),
        "inserted": len(ours),
        "forms": forms,
        "bytes_in": sum(map(len, received)),
        "bytes_clean": len(stream.payload),
        "bytes_out": sum(map(len, left)),
    }
