"""Interlaced H.264 spliced: what FFmpeg shows of the file that `conceal` leaves, against repair in the decoder.

python -m benchmarks.interlaced_splice            # everything; rows that are there already are skipped
python -m benchmarks.interlaced_splice --quick    # one stream of each kind, one rate, one seed; to the cache folder

The streams and losses of `benchmarks.interlaced`. Of each damaged file the repaired pictures as they are (FFV1), the
spliced file, and the file whose groups of pictures with damage are encoded anew, both as FFmpeg decodes them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.interlaced import Job, damaged_file, run_streams, transport_stream
from benchmarks.interlaced_tables import interlaced_splice_table
from benchmarks.metrics import Luma
from benchmarks.real import decode, from_zero, sequence_psnr
from benchmarks.store import Row, rounded
from concealer.bitstream import split_annexb
from pipelines import ConcealError, ConcealResult, EncoderSettings, Settings, conceal_file
from pipelines.jobs.settings import OutputMode

SEEDS = 2
_SOURCES = ("concealer", "pipelines", "benchmarks/interlaced.py", "benchmarks/interlaced_splice.py")


def run_job(job: Job, sources: str, cache: Path) -> list[Row]:
    """Measure one job in this process."""
    whole = transport_stream(job.stream, cache)
    clean = from_zero(decode(whole))
    truth = [clean[place] for place in sorted(clean)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        damaged, seed = damaged_file(whole, job, folder)
        lossless = folder / "repaired.mkv"
        settings = Settings(encoder=EncoderSettings("ffv1"), overwrite=True, always_encode=True)
        row: Row = {"channel_seed": seed, "pictures_in": len(truth), "bytes_in": damaged.stat().st_size}
        row["repaired"] = conceal_file(str(damaged), str(lossless), settings).totals.repaired
        row["hooked"] = sequence_psnr(truth, from_zero(decode(lossless)))
        row |= _route("splice", damaged, folder, truth)
        row |= _route("gop", damaged, folder, truth)
        row["auto"] = conceal_file(str(damaged), str(folder / "auto.ts")).action
    row |= {"width": truth[0].shape[1], "height": truth[0].shape[0], "sources": sources}
    return [rounded(job.key | row) | job.key]


def _route(route: OutputMode, damaged: Path, folder: Path, truth: Sequence[Luma]) -> Row:
    """What one way of writing the file gives; its name goes before each field."""
    out = folder / f"{route}.ts"
    try:
        result = conceal_file(str(damaged), str(out), Settings(output=route))
    except ConcealError as error:
        return {f"{route}_refused": str(error).removeprefix(f"{damaged}: ")}
    pictures = from_zero(decode(out))
    found: Row = {
        route: sequence_psnr(truth, pictures),
        f"{route}_pictures": len(pictures),
        f"{route}_bytes": out.stat().st_size,
    }
    return found | (_kept(result, damaged, out) if result.splice is not None else {})


def _kept(result: ConcealResult, damaged: Path, out: Path) -> Row:
    """Received NAL units that are not in the output, those that arrived corrupt left out; and ours."""
    assert result.splice is not None
    missing = Counter(_nal_units(damaged)) - Counter(_nal_units(out))
    return {"forms": result.splice.forms, "lost_units": missing.total() - result.splice.replaced}


def _nal_units(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [nal.data for packet in packets for nal in split_annexb(packet)]


def main(arguments: Sequence[str] | None = None) -> int:
    return run_streams("interlaced_splice", __doc__, run_job, _SOURCES, interlaced_splice_table, arguments, SEEDS)


if __name__ == "__main__":
    raise SystemExit(main())
