"""Undamaged 2160p at about 20 Mbit/s, one slice a picture: who keeps up on how many cores.

python -m benchmarks.large            # some minutes, most of them encoding
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.clips import CUPS_720P, available
from benchmarks.hook import longer, spent
from benchmarks.large_tables import FPS, large_table
from benchmarks.latency import decode_hooked, decode_plain
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Codec, Encoding, Stream, default_cache, encoded

KEY = ("measure", "codec", "structure")
SIZE = (3840, 2160)
_KBITS = 20_000
_PRESETS: dict[Codec, str] = {"h264": "fast", "hevc": "ultrafast"}
"""x265 takes minutes for a second of this size otherwise."""
_PICTURES = 24
"""Encoded; played twice, as the stream begins with an IDR picture."""
_TIMES = 2
_FRAME_THREADS = 2


def in_frame_threads(stream: Stream, threads: int) -> int:
    """Decode with PyAV alone, in two frame threads at least; the number of pictures."""
    return decode_plain(stream, max(threads, _FRAME_THREADS), "FRAME")


WAYS: dict[str, Callable[[Stream, int], int]] = {
    "plain": decode_plain,
    "frame": in_frame_threads,
    "hooked": decode_hooked,
}


def rates(stream: Stream, rounds: int) -> Row:
    """Medians over the rounds, ms a picture, of each way, taken in turns."""
    stream = longer(stream, _TIMES)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for turn in range(rounds + 1):
        for name, run in WAYS.items():
            both = spent(run, stream)
            if turn:  # the first is to warm up
                found[name].append(both)
    row: Row = {"played": len(stream.units), "rounds": rounds}
    for name, pairs in found.items():
        row |= {f"{name}_processor_ms": median(processor for processor, _ in pairs)}
        row |= {f"{name}_clock_ms": median(clock for _, clock in pairs)}
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of each way (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "large.json", help="results file (default: %(default)s)")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.large"), KEY)
    sources = fingerprint(("concealer", "benchmarks/large.py", "benchmarks/latency.py"))  # as they were loaded
    clip = available([CUPS_720P])[0]
    for codec, structure in COMBINATIONS:
        if store.has({"measure": "large", "codec": codec, "structure": structure, "sources": sources}):
            continue
        further = f"bitrate={_KBITS}"
        preset = _PRESETS[codec]
        encoding = Encoding(codec, structure, _PICTURES, preset, slices=1, size=SIZE, gop=60, further=further)
        stream = encoded(clip, encoding, options.cache)
        row: Row = {
            "measure": "large", "clip": clip.name, "codec": codec, "structure": structure,
            "settings": encoding.settings, "pictures": len(stream.units), "width": stream.width,
            "height": stream.height, "mbits": len(stream.payload) * 8 * FPS / len(stream.units) / 1e6,
            "load_before": os.getloadavg()[0], "sources": sources,
        }  # fmt: skip
        store.add([row | rounded(rates(stream, options.rounds))])
    print(large_table(store.rows))
    print(f"\n{options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
