"""All benchmarks in full, one after the other, and the page made of them.

python -m benchmarks.everything              # hours; rows that the present sources have made are skipped
python -m benchmarks.everything --quick      # the quick form of each that has one
python -m benchmarks.everything --list       # what would be run

Those that hang on the clock come last, so that the rest may share the machine with other work. What fails is told at
the end and does not hold up the others.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """One command."""

    name: str
    options: tuple[str, ...] = ()
    """Of the full form, where the defaults are not what the page shows."""
    quick: bool = True
    """Whether it is part of the quick form of all."""
    timed: bool = False
    """It measures time: the machine should do nothing else."""

    def command(self, quick: bool) -> list[str]:
        """For this interpreter."""
        return [sys.executable, "-m", f"benchmarks.{self.name}", *(("--quick",) if quick else self.options)]


BENCHMARKS = (
    Benchmark("real", ("--pictures", "60")),
    Benchmark("real_peers", ("--pictures", "60"), quick=False),
    Benchmark("detection"),
    Benchmark("real_blocks", ("--seeds", "1")),
    Benchmark("intact"),
    Benchmark("untouched"),
    Benchmark("after_gap", ("--hits", "6")),
    Benchmark("quality", ("--sets", "main")),
    Benchmark("quality", ("--sets", "sweep", "models", "--seeds", "1"), quick=False),
    Benchmark("quality", ("--sets", "pictures", "lookahead", "--seeds", "1"), quick=False),
    Benchmark("interlaced", quick=False),
    Benchmark("interlaced_splice", quick=False),
    Benchmark("splice", ("--only", "quality", "--seeds", "2"), quick=False),
    Benchmark("confidence", quick=False),
    Benchmark("stages", quick=False),
    Benchmark("joins", quick=False),
    Benchmark("faces", quick=False),
    Benchmark("blind_cue", quick=False),
    Benchmark("conformance", quick=False),
    Benchmark("containers"),
    Benchmark("formats", quick=False),
    Benchmark("salvage"),
    Benchmark("fuzz"),
    Benchmark("hook", timed=True),
    Benchmark("large", ("--rounds", "3"), quick=False, timed=True),
    Benchmark("latency", timed=True),
    Benchmark("presets", quick=False, timed=True),
    Benchmark("prior_cost", quick=False, timed=True),
    Benchmark("engines", timed=True),
    Benchmark("splice", ("--only", "speed"), timed=True),
    Benchmark("check", timed=True),
    Benchmark("archive", timed=True),
    Benchmark("long_file", timed=True),
    Benchmark("live", quick=False, timed=True),
    Benchmark("live", ("--only", "loopback", "--deadline-ms", "32"), quick=False, timed=True),
    Benchmark("live", ("--only", "loopback", "--deadline-ms", "0"), quick=False, timed=True),
    Benchmark("live", ("--only", "one-slice", "--seeds", "2"), quick=False, timed=True),
    Benchmark("cameras", quick=False, timed=True),
    Benchmark("live_events", quick=False, timed=True),
    Benchmark("live_splice", quick=False, timed=True),
)
"""In the order in which they run."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everything", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the quick form of each that has one")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these (default: all)")
    parser.add_argument("--timed", choices=("yes", "no"), help="those that measure time, or the others (default: both)")
    parser.add_argument("--list", action="store_true", help="print the commands and stop")
    options = parser.parse_args(arguments)
    unknown = set(options.only) - {one.name for one in BENCHMARKS}
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    wanted = [
        one
        for one in BENCHMARKS
        if (not options.only or one.name in options.only)
        and (one.quick or not options.quick)
        and options.timed in (None, "yes" if one.timed else "no")
    ]
    commands = [one.command(options.quick) for one in wanted]
    if options.list:
        print("\n".join(shlex.join(["python", *command[1:]]) for command in commands))
        return 0
    failed = [command for number, command in enumerate(commands, 1) if not _ran(command, number, len(commands))]
    if not options.quick and subprocess.call([sys.executable, "-m", "benchmarks.report"]):
        failed.append([sys.executable, "-m", "benchmarks.report"])
    for command in failed:
        print(f"failed: {shlex.join(['python', *command[1:]])}", file=sys.stderr)
    return 1 if failed else 0


def _ran(command: Sequence[str], number: int, count: int) -> bool:
    began = time.monotonic()
    print(f"{number}/{count} {shlex.join(['python', *command[1:]])}", file=sys.stderr, flush=True)
    worked = subprocess.call(command) == 0
    took = f"{(time.monotonic() - began) / 60:.1f} min"
    print(f"{number}/{count} {'done' if worked else 'FAILED'} after {took}", file=sys.stderr, flush=True)
    return worked


if __name__ == "__main__":
    raise SystemExit(main())
