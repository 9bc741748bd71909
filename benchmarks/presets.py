"""What encoder presets cost and give, through the command: why `conceal` takes those that it takes.

python -m benchmarks.presets

A damaged file (RTP packets lost, one slice a picture) is repaired and encoded whole at the default quality. Seconds and
processor time are the command's, start included; quality is that of the repaired pictures against the undamaged ones.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clips import CUPS_720P, available
from benchmarks.real import GOP, DamagedStream, Way, damaged_file, decode, sequence_psnr
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, default_cache, encoded
from benchmarks.tables import CODEC_NAMES, markdown, number

KEY = ("codec", "preset")
PRESETS = ("superfast", "veryfast", "fast", "medium")
PICTURES = 150
_WAY = Way("rtp", 0.03)
PRESETS_HEAD = f"""\
A damaged 720p file of {PICTURES} pictures, 3 % of its RTP packets lost, repaired and encoded whole at the default \
quality (CRF 14 and 16) on two cores, start of the command included. The default is in bold."""


def measured(codec: Codec, preset: str, cache: Path) -> Row:
    """A row of the results."""
    clip = available([CUPS_720P])[0]
    stream = encoded(clip, Encoding(codec, "P", PICTURES, gop=GOP, slices=1), cache)
    job = DamagedStream(clip, stream.encoding, _WAY, 1)
    with tempfile.TemporaryDirectory(prefix="concealer-presets-") as name:
        source, target = damaged_file(stream, job, Path(name)), Path(name) / "out.mkv"
        command = [sys.executable, "-m", "pipelines.cli", "-q", "--output", "encode", "--preset", preset]
        used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*command, str(source), str(target)], check=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        psnr = sequence_psnr([planes[0] for planes in stream.clean], decode(target))
        size = target.stat().st_size
    found: Row = {"preset": preset, "seconds": seconds, "processor": spent, "psnr": psnr, "bytes": size}
    found |= {"width": stream.width, "height": stream.height, "load_before": os.getloadavg()[0]}
    return job.key | rounded(found)


def presets_table(rows: Sequence[Row]) -> str:
    """One line a preset."""
    from pipelines.writing.encoder import DEFAULT_PRESET

    lines = []
    for row in rows:
        default = DEFAULT_PRESET["libx264" if row["codec"] == "h264" else "libx265"] == row["preset"]
        name = f"**{row['preset']}**" if default else row["preset"]
        figures = [number(row["seconds"], 1), number(row["processor"], 1), number(row["psnr"])]
        lines.append(
            [CODEC_NAMES[row["codec"]], name, *figures, f"{row['bytes'] / 1e6:.2f}", number(row["load_before"], 1)]
        )
    return markdown(["", "preset", "seconds", "processor, s", "PSNR-Y, dB", "MB", "load before"], lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "presets.json", help="default: %(default)s")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.presets"), KEY)
    sources = fingerprint(("concealer", "pipelines", "benchmarks/presets.py"))
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    for codec in codecs:
        for preset in PRESETS:
            store.add([measured(codec, preset, options.cache) | {"sources": sources}])
    print(presets_table(store.rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
