"""Interlaced H.264 spliced: what FFmpeg shows of the file that `conceal` leaves, against repair in the decoder.

python -m benchmarks.interlaced_splice            # everything; rows that are there already are skipped
python -m benchmarks.interlaced_splice --quick    # one stream of each kind, one rate, one seed; to the cache folder

The streams and losses of `benchmarks.interlaced`. Of each damaged file the repaired pictures as they are (FFV1), the
spliced file, and the file whose groups of pictures with damage are encoded anew, both as FFmpeg decodes them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.interlaced import KEY, RATES, STREAMS, Job, damaged_file, transport_stream
from benchmarks.interlaced_tables import interlaced_splice_table
from benchmarks.metrics import Luma
from benchmarks.real import decode, from_zero, sequence_psnr
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import default_cache
from benchmarks.workers import run_all
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interlaced_splice", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one stream of each kind, one rate, one seed")
    parser.add_argument("--streams", nargs="*", default=[], help="names of streams (default: all)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds that hit the stream (default {SEEDS})")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for undamaged streams")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/interlaced_splice.json)")
    options = parser.parse_args(arguments)
    streams = [stream for stream in STREAMS if not options.streams or stream.name in options.streams]
    rates: tuple[float, ...] = RATES
    if options.quick:
        streams, options.seeds, rates = [STREAMS[0], STREAMS[5], STREAMS[9]], 1, RATES[1:]
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "interlaced_splice.json"
    store, sources = Store(out, command_line("benchmarks.interlaced_splice"), KEY), fingerprint(_SOURCES)
    jobs = [Job(stream, rate, number + 1) for number in range(options.seeds) for rate in rates for stream in streams]
    jobs = [job for job in jobs if not store.has(job.key | {"sources": sources})]
    for stream in {job.stream: None for job in jobs}:
        transport_stream(stream, options.cache)
    failed = run_all(run_job, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(interlaced_splice_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
