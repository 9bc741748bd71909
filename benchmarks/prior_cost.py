"""What the network that chooses between candidates costs: each damaged picture of 1280x720 repaired with and without.

python -m benchmarks.prior_cost            # about two minutes
python -m benchmarks.prior_cost --quick    # fewer rounds, shorter streams; results go to the cache folder

Both repairs of a picture follow each other, in turns first; the stream goes on from the one with the network. Times of
the process are those of both threads together: on a machine that does other work they say more than the clock's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.channel import drop_one_slice
from benchmarks.clips import CUPS_720P, available
from benchmarks.methods import decode
from benchmarks.prior_tables import cost_table
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded
from concealer.damage import DamageMap
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer
from pipelines.generative import choice_or_none

KEY = ("measure", "clip", "codec", "structure", "settings", "pictures", "damage")
DAMAGE = "one of eight slices in every third picture"


class _Compared(Repairer):
    """Repairs every picture without the network as well, and times both: (clock, process) in milliseconds."""

    def __init__(self) -> None:
        super().__init__(choice=choice_or_none("auto", "auto"))
        if self.choice is None:
            raise RuntimeError("there is no network that chooses between candidates")
        self._plain = Repairer()
        self._turn = 0
        self.plain: list[tuple[float, float]] = []
        self.chosen: list[tuple[float, float]] = []

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        held = [plane.copy() for plane in picture.planes]
        self._turn += 1

        def without() -> None:
            begun = _now()
            self._plain(picture, damage, references, outlook)
            self.plain.append(_since(begun))
            for plane, before in zip(picture.planes, held, strict=True):
                plane[...] = before

        if self._turn % 2:
            without()
        begun = _now()
        outcome = super().__call__(picture, damage, references, outlook)
        self.chosen.append(_since(begun))
        if self._turn % 2 == 0:
            made = [plane.copy() for plane in picture.planes]
            for plane, before in zip(picture.planes, held, strict=True):
                plane[...] = before
            without()
            for plane, after in zip(picture.planes, made, strict=True):
                plane[...] = after
        return outcome


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> tuple[float, float]:
    return (time.perf_counter() - begun[0]) * 1e3, (time.process_time() - begun[1]) * 1e3


def cost(stream: Stream, rounds: int) -> Row:
    """Medians over all damaged pictures but the first of each round, which warms up."""
    plain: list[tuple[float, float]] = []
    chosen: list[tuple[float, float]] = []
    for turn in range(rounds):
        repairer = _Compared()
        decode(stream, drop_one_slice(stream, every=3, first=turn + 1), repairer)
        plain += repairer.plain[1:]
        chosen += repairer.chosen[1:]
    more = np.array(chosen) - np.array(plain)
    return {
        "repairs": len(more),
        "plain_ms": median(clock for clock, _ in plain),
        "chosen_ms": median(clock for clock, _ in chosen),
        "more_ms": float(np.median(more[:, 0])),
        "more_p95_ms": float(np.percentile(more[:, 0], 95)),
        "more_process_ms": float(np.median(more[:, 1])),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prior_cost", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter streams")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/prior_cost.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "prior_cost.json"
    store = Store(out, command_line("benchmarks.prior_cost"), KEY)
    clip = available([CUPS_720P])[0]
    for codec, structure in COMBINATIONS:
        stream = encoded(clip, Encoding(codec, structure, 24 if options.quick else 60, slices=8), options.cache)
        values = {
            "measure": "choice",
            "clip": clip.name,
            "width": stream.width,
            "height": stream.height,
            "codec": codec,
            "structure": structure,
            "settings": stream.encoding.settings,
            "pictures": len(stream.units),
            "damage": DAMAGE,
            "encoder": stream.writer,
            "sources": fingerprint(("concealer", "pipelines", "engines", "benchmarks/prior_cost.py")),
        }
        store.add([values | rounded(cost(stream, 1 if options.quick else 3))])
    print(cost_table(store.rows))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
