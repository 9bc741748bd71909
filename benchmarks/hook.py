"""What the hook costs on undamaged streams: processor time and time by the clock against PyAV, in pairs.

python -m benchmarks.hook            # about ten minutes
python -m benchmarks.hook --quick    # two sizes, shorter; results go to the cache folder
python -m benchmarks.hook --profile 'h264 1'   # where the time goes, by function, for streams of that name
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.clips import CUPS_720P, available
from benchmarks.hook_tables import hook_tables
from benchmarks.latency import decode_hooked, decode_plain
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded

KEY = ("measure", "codec", "slices", "width", "height")
SIZES: tuple[tuple[int, int], ...] = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
_QUICK_SIZES = SIZES[:2]
_SLICES = (1, 8)
_PICTURES = 40
"""Encoded; the stream is played again and again, as it begins with an IDR picture."""
_LEAST_SECONDS = 0.4
"""Of a round, by PyAV."""


def light(codec: Codec, slices: int, size: tuple[int, int], cache: Path) -> Stream:
    """A stream that is quick to decode, so that what comes on top shows most."""
    preset = "veryfast" if codec == "h264" else "ultrafast"
    scaled = None if size == SIZES[1] else size
    encoding = Encoding(codec, "P", _PICTURES, preset=preset, slices=slices, size=scaled)
    return encoded(available([CUPS_720P])[0], encoding, cache)


def longer(stream: Stream, times: int) -> Stream:
    """The same played so often, on one timeline."""
    length = len(stream.units)
    units = [replace(unit, pts=unit.pts + turn * length) for turn in range(times) for unit in stream.units]
    return replace(stream, units=units)


def spent(run: Callable[[Stream, int], int], stream: Stream) -> tuple[float, float]:
    """Processor time and time by the clock, ms a picture. Raises RuntimeError if pictures are missing."""
    began, used = time.perf_counter(), time.process_time()
    count = run(stream, 1)
    both = time.process_time() - used, time.perf_counter() - began
    if count != len(stream.units):
        raise RuntimeError(f"{run.__name__}: {count} pictures of {len(stream.units)}")
    return both[0] * 1e3 / count, both[1] * 1e3 / count


def cost(stream: Stream, rounds: int) -> Row:
    """Both in turns, in pairs: medians over the pairs, and the ratio of each pair's two."""
    once = spent(decode_plain, stream)[0] * len(stream.units) / 1e3
    stream = longer(stream, max(1, round(_LEAST_SECONDS / once)))
    plain, hooked = [], []
    for turn in range(rounds + 1):
        order = (decode_plain, decode_hooked) if turn % 2 else (decode_hooked, decode_plain)
        pair = {run: spent(run, stream) for run in order}
        if turn:  # the first is to warm up
            plain.append(pair[decode_plain])
            hooked.append(pair[decode_hooked])
    row: Row = {"played": len(stream.units), "rounds": rounds}
    for place, name in enumerate(("processor", "clock")):
        ratios = sorted(b[place] / a[place] for a, b in zip(plain, hooked, strict=True))
        row |= {
            f"plain_{name}_ms": median(one[place] for one in plain),
            f"hooked_{name}_ms": median(one[place] for one in hooked),
            f"ratio_{name}": median(ratios),
            f"ratio_{name}_low": ratios[0],
            f"ratio_{name}_high": ratios[-1],
        }
    return row


def profile(stream: Stream, lines: int = 40) -> None:
    """Print where the time of the hooked decoder goes."""
    stream = longer(stream, 6)
    watched = cProfile.Profile(time.thread_time)
    watched.runcall(decode_hooked, stream, 1)
    pstats.Stats(watched).sort_stats("tottime").print_stats(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hook", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two sizes, fewer rounds")
    parser.add_argument("--profile", metavar="NAME", help="by function, for streams such as 'hevc 8', and no rows")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/hook.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "hook.json"
    store = Store(out, command_line("benchmarks.hook"), KEY)
    sources = fingerprint(("concealer", "benchmarks/hook.py", "benchmarks/latency.py"))  # as they were loaded
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    for codec in codecs:
        for slices in _SLICES:
            for size in _QUICK_SIZES if options.quick or options.profile else SIZES:
                if options.profile is not None:
                    if options.profile in f"{codec} {slices} {size[1]}p":
                        profile(light(codec, slices, size, options.cache))
                    continue
                stream = light(codec, slices, size, options.cache)
                row: Row = {
                    "measure": "hook", "clip": stream.clip.name, "codec": codec, "slices": slices,
                    "width": stream.width, "height": stream.height, "settings": stream.encoding.settings,
                    "pictures": len(stream.units), "load_before": os.getloadavg()[0],
                    "sources": sources,
                }  # fmt: skip
                store.add([row | rounded(cost(stream, 3 if options.quick else 5))])
    print("\n\n".join(hook_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
