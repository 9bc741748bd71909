"""What each stage of choosing between candidates is worth, in both profiles of damage: without the network, with it but
no memory, with it, and told the truth.

python -m benchmarks.stages            # ten clips, five seeds (two for the oracles); rows that are there are skipped

slices: many slices a picture, whole ones lost. real: one slice a picture, RTP packets lost, their places unknown. No
look-ahead. Every method sees the same damage; hole PSNR is taken over all holes of a stream together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.channel import Loss
from benchmarks.clips import Clip, pick
from benchmarks.methods import methods_for
from benchmarks.prior_tables import PROFILES, STAGES, stages_table
from benchmarks.quality import KEY, RATE, QualityJob, run_job
from benchmarks.store import RESULTS, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, Encoding, default_cache
from benchmarks.workers import run_all

FEW = ("forgetful", "oracle_choice", "oracle_motion")
"""Stages that two seeds are enough for."""


def plan(clips: Sequence[Clip], pictures: int, seeds: Sequence[int], profiles: Sequence[str]) -> list[QualityJob]:
    """All jobs, seed by seed, each with the stages that it is run with."""
    jobs = []
    for seed in seeds:
        methods = tuple(name for name in STAGES if name not in FEW or seed <= 2)
        for profile in profiles:
            for clip in clips:
                for codec, structure in COMBINATIONS:
                    many = Encoding(codec, structure, pictures)
                    one = Encoding(codec, structure, pictures, gop=50, slices=1)
                    encoding = many if profile == "slices" else one
                    jobs.append(QualityJob(clip, encoding, Loss(PROFILES[profile], RATE), seed, methods))
    return jobs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__.split("\n")[0])
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--profiles", nargs="*", default=list(PROFILES), choices=list(PROFILES))
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1..N (default 5)")
    parser.add_argument("--pictures", type=int, default=60, help="pictures a clip (default 60)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "stages.json", help="results file")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.stages"), KEY)
    sources = {m.name: fingerprint(m.rooms) for codec in ("h264", "hevc") for m in methods_for(codec)}
    todo = []
    for job in plan(pick(options.clips), options.pictures, list(range(1, options.seeds + 1)), options.profiles):
        names = [name for name in job.methods if not store.has(job.key(name) | {"sources": sources[name]})]
        if names:
            todo.append((job, names, sources, options.cache))
    failed = run_all(run_job, todo, store.add, options.processes)
    print(stages_table(store.rows))
    print(f"\n{options.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
