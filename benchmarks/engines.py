"""What networks cost: in every backend of this machine, and in the stream beside the other methods.

python -m benchmarks.engines                                   # about five minutes on two cores
python -m benchmarks.engines --quick                           # fewer rounds and clips; results go to the cache folder
python -m benchmarks.engines --only networks --device cuda     # PyTorch eager, compiled, CUDA graph, TensorRT
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.channel import Damaged, Loss, transmit
from benchmarks.clips import CLIPS, CUPS_720P, available, to_planes
from benchmarks.engine_tables import engine_tables
from benchmarks.methods import by_position
from benchmarks.metrics import score
from benchmarks.networks import Subject, subjects
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Encoding, Stream, default_cache, encoded
from concealer.damage import DamageMap
from concealer.front_door import open_decoder
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import GenerativeRepair, Method, Repairer
from engines import Engine, EngineError, Options, open_engine
from engines import available as backends_here
from engines.differences import made_up_batch, relative_difference
from engines.measure import INCLUDES, run_steps, time_engine
from engines.zoo import open_zoo
from pipelines.errors import UsageError
from pipelines.generative import open_generative

KEY = (
    "measure",
    "network",
    "backend",
    "mode",
    "device",
    "precision",
    "bucket",
    "clip",
    "rate",
    "method",
    "deadline_ms",
)
BUCKETS = (1, 4)
DEADLINE_MS = 33.0
METHODS: tuple[Method, ...] = ("copy", "spatial", "motion", "auto", "generative")
_SOURCES = ("engines", "concealer/networks", "benchmarks/engines.py", "benchmarks/networks.py")


def network_rows(subject: Subject, device: str, buckets: tuple[int, ...], turns: int, rounds: int) -> list[Row]:
    """Time and difference of one network in every backend that runs here. Backends take turns, each alone."""
    settings: list[tuple[str, str, str]] = [("torch", "eager", "fp32"), ("openvino", "", "fp32")]
    settings += [("openvino", "", "auto"), ("onnxruntime", "", "fp32"), ("onnxruntime", "", "fp16")]
    if device == "cuda":
        settings = [("torch", mode, kind) for mode in ("eager", "compiled", "graph") for kind in ("fp32", "fp16")]
        settings += [("tensorrt", "", "fp32"), ("tensorrt", "", "fp16")]
    reasons = backends_here()
    timings: dict[tuple[str, str, str], list[list[tuple[float, ...]]]] = {}
    rows: dict[tuple[str, str, str], Row] = {}
    truth: dict[str, Any] | None = None
    for turn in range(turns):
        for setting in settings:
            backend, mode, precision = setting
            if reasons[backend] is not None or (turn and setting not in rows):
                continue
            place = "cpu" if device == "cpu" else "auto"
            options = Options(precision, buckets, device=place, mode=mode or "eager")  # type: ignore[arg-type]
            try:
                with open_engine(subject.model(precision), backend, options, strict=True) as engine:
                    if truth is None:
                        truth = _reference(subject, engine)
                    row = rows.setdefault(setting, _row_of(subject, engine, mode, truth))
                    if row["precision"] == "fp32" and precision == "auto":
                        del rows[setting]  # this machine has no better: the row is there already
                        continue
                    timed = time_engine(engine, subject.name, mode, rounds=rounds, seconds=0.8)
                    turns_of = timings.setdefault(setting, [])
                    turns_of.append([(one.best_ms, one.p50_ms, one.p95_ms, one.p99_ms) for one in timed])
            except EngineError as error:
                if not turn:
                    print(f"{subject.name} {backend} {mode} {precision}: {error}")
    out = []
    for setting, row in rows.items():
        values = np.array(timings[setting])  # (turns, buckets, 4)
        for index, bucket in enumerate(buckets):
            p50, p95, p99 = (float(value) for value in np.median(values[:, index, 1:], axis=0))
            times = {"best_ms": float(values[:, index, 0].min()), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
            out.append(row | {"bucket": bucket, **times, "turns": turns})
    return out


def _reference(subject: Subject, engine: Engine) -> dict[str, Any]:
    """PyTorch in float32 on the CPU, three steps."""
    options = Options("fp32", (4,), device="cpu")
    batch = made_up_batch(engine.inputs, 4)
    with open_engine(subject.model("fp32"), "torch", options, strict=True) as reference:
        return {"batch": batch, "made": run_steps(reference, batch, 3)}


def _row_of(subject: Subject, engine: Engine, mode: str, truth: dict[str, Any]) -> Row:
    difference = relative_difference(run_steps(engine, truth["batch"], 3), truth["made"])
    return {
        "measure": "network",
        "network": subject.name,
        "weights": subject.weights,
        "backend": engine.backend,
        "mode": mode,
        "device": engine.device,
        "precision": engine.precision,
        "difference": float(f"{difference:.2e}"),
        "includes": INCLUDES,
        "load": os.getloadavg()[0],
        "sources": fingerprint(_SOURCES),
    }


@dataclass(frozen=True)
class NetworkInUse:
    """What `auto` and `generative` repair with: the first usable network of the zoo, as `conceal` opens it."""

    name: str
    backend: str
    make: Callable[[], GenerativeRepair]


class _Timed(Repairer):
    """Times its repairs and counts what painted."""

    def __init__(self, method: Method, deadline: float | None, generative: GenerativeRepair | None) -> None:
        super().__init__(method, deadline, generative)
        self.times: list[float] = []
        """Milliseconds."""
        self.used: Counter[str] = Counter()

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        began = time.perf_counter()
        outcome = super().__call__(picture, damage, references, outlook)
        self.times.append((time.perf_counter() - began) * 1e3)
        self.used[outcome.method] += 1
        return outcome


def stream_row(
    stream: Stream, loss: Loss, seed: int, method: Method, deadline: float | None, network: NetworkInUse | None
) -> Row:
    """Decode a damaged stream, one access unit at a time; milliseconds from its payload to its repaired picture."""
    generative = network.make() if network is not None and method in ("auto", "generative") else None
    repairer = _Timed(method, deadline, generative)
    damaged: Damaged = transmit(stream, loss, seed)
    decoder = open_decoder(stream.encoding.codec, repairer=repairer, container_framed=True)
    hit: list[float] = []
    whole: list[float] = []
    pictures = []
    try:
        for sample in damaged.samples:
            before, began = len(repairer.times), time.perf_counter()
            pictures += decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
            spent = (time.perf_counter() - began) * 1e3
            (hit if len(repairer.times) > before else whole).append(spent)
        pictures += decoder.flush()
    finally:
        decoder.close()
    places = by_position(pictures, len(stream.units))
    made = [None if place is None else to_planes(place.frame)[0] for place in places]
    scores = score([planes[0] for planes in stream.clean], made, damaged.holes(stream))
    return {
        "measure": "stream",
        "clip": stream.clip.name,
        "width": stream.width,
        "height": stream.height,
        "codec": stream.encoding.codec,
        "structure": stream.encoding.structure,
        "settings": stream.encoding.settings,
        "pictures": len(stream.units),
        "encoder": stream.writer,
        "model": loss.model,
        "rate": loss.rate,
        "seed": seed,
        "method": method,
        "deadline_ms": deadline,
        "network": "" if network is None or generative is None else network.name,
        "backend": "" if network is None or generative is None else network.backend,
        "used": dict(repairer.used),
        "repairs": len(repairer.times),
        **_percentiles("repair", repairer.times),
        **_percentiles("hit", hit),
        **_percentiles("whole", whole),
        "pictures_out": len(pictures),
        "load": os.getloadavg()[0],
        "sources": fingerprint(("concealer", "engines", "benchmarks/engines.py")),
    } | asdict(scores)


def _percentiles(name: str, times: Sequence[float]) -> Row:
    if not times:
        return {}
    values = np.percentile(times, (50, 95, 99))
    return {f"{name}_{p}_ms": float(v) for p, v in zip(("p50", "p95", "p99"), values, strict=True)}


def measure_networks(store: Store, options: argparse.Namespace) -> None:
    """Rows of every network."""
    turns, rounds = (1, 10) if options.quick else (3, 25)
    buckets = (1,) if options.quick else BUCKETS
    for subject in subjects(options.cache / "networks", options.zoo)[: 1 if options.quick else None]:
        for row in network_rows(subject, options.device, buckets, turns, rounds):
            store.add([rounded(row) | {"difference": row["difference"]}])
            print(f"{row['network']} {row['backend']} {row['precision']} batch {row['bucket']}: {row['p50_ms']:.2f} ms")


def measure_streams(store: Store, options: argparse.Namespace) -> None:
    """Rows of every clip, rate and method, with the deadline and without."""
    clips = available([CUPS_720P, *(clip for clip in CLIPS if clip.name in ("foreman", "hdtf"))])
    rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    deadlines: tuple[float | None, ...] = (DEADLINE_MS, None)
    if options.quick:
        clips, rates, deadlines = clips[-1:], (0.03,), (DEADLINE_MS,)
    if options.clip:
        clips = [clip for clip in clips if clip.name in options.clip]
    network = None
    try:
        zoo = open_zoo(options.zoo)
        name = next((entry.name for entry in zoo.entries.values() if entry.task == "inpaint"), "")
        network = NetworkInUse(name, options.engine, open_generative(options.engine, zoo))
    except UsageError as error:
        print(f"streams without a network: {error}")
    plan: list[tuple[Stream, float, float | None, Method]] = []
    for clip in clips:
        stream = encoded(clip, Encoding("h264", "P", 24 if options.quick else 60, slices=8), options.cache)
        for deadline in deadlines:
            for rate in rates if deadline else (0.03,):
                plan += [(stream, rate, deadline, method) for method in METHODS]
    for stream, rate, deadline, method in plan:
        if method == "generative" and network is None:
            continue
        row = stream_row(stream, Loss("slice", rate), options.seed, method, deadline, network)
        store.add([rounded(row)])
        print(f"{row['clip']} {rate:g} {method} {deadline}: hit p99 {row.get('hit_p99_ms', 0):.1f} ms {row['used']}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, networks and clips")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips and graphs")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/engines.json)")
    parser.add_argument("--only", choices=("networks", "stream"), help="one measure only")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where networks run")
    parser.add_argument("--engine", default="auto", help="backend in the stream (default: auto)")
    parser.add_argument("--zoo", type=Path, help="networks of another zoo than the shipped one")
    parser.add_argument("--clip", nargs="+", metavar="NAME", help="streams of these only: cups-720p, foreman, hdtf")
    parser.add_argument("--seed", type=int, default=1, help="of the losses")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "engines.json"
    store = Store(out, command_line("benchmarks.engines"), KEY)
    measures: dict[str, Callable[[Store, argparse.Namespace], None]] = {
        "networks": measure_networks,
        "stream": measure_streams,
    }
    try:
        for name, measure in measures.items():
            if options.only in (None, name):
                measure(store, options)
    except (EngineError, ImportError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print("\n\n".join(engine_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
