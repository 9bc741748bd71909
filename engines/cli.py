"""`conceal-engines`: the networks of the zoo on this machine."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from concealer import __version__
from engines.backends import BACKENDS
from engines.cache import cache_folder, write_atomic
from engines.errors import EngineError, NotInstalledError, one_line
from engines.measure import INCLUDES, compare, time_engine
from engines.model import PRECISIONS
from engines.opening import available, open_engine
from engines.session import BUCKETS, DEVICES, MODES, Options
from engines.zoo import Entry, Zoo, open_zoo
from engines.zoo.table import WHERE

_EPILOG = """\
examples:
  conceal-engines list
  conceal-engines build face-128 --backend tensorrt --precision fp16
  conceal-engines verify --crops faces/
  conceal-engines bench --backend openvino onnxruntime --buckets 1,4,8 --out latency.json

exit codes: 0 done; 1 a network cannot be compiled or differs too much; 2 bad usage; 130 interrupted
"""


def _buckets(text: str) -> tuple[int, ...]:
    try:
        return Options(buckets=tuple(sorted({int(part) for part in text.split(",")}))).buckets
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of batch sizes such as 1,2,4") from None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conceal-engines",
        description="Lists, compiles, checks and times the networks that conceal can use.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"conceal-engines {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="list | build | verify | bench")
    says = {
        "list": "the networks, and which backends run here",
        "build": "compile for this machine and keep the result",
        "verify": "compare every backend with PyTorch in float32",
        "bench": "milliseconds per backend and batch size",
    }
    for name, text in says.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument("networks", nargs="*", metavar="NETWORK", help="names of the zoo (default: all here)")
        command.add_argument("--zoo", type=Path, metavar="FOLDER", help="another zoo than the shipped one")
        command.add_argument("--json", action="store_true", help="results as JSON on stdout")
        command.add_argument("-v", "--verbose", action="store_true", help="log details")
        if name == "list":
            continue
        command.add_argument("--backend", nargs="+", choices=BACKENDS, default=None, help="these only")
        command.add_argument("--precision", nargs="+", choices=PRECISIONS, default=None, help="default: auto")
        command.add_argument("--buckets", type=_buckets, default=BUCKETS, metavar="N,N", help="batch sizes")
        command.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: one per core)")
        command.add_argument("--device", choices=DEVICES, default="auto", help="for torch, onnxruntime")
        if name == "verify":
            command.add_argument("--crops", type=Path, help="image, folder or tar of images to compare on")
        if name == "bench":
            command.add_argument("--mode", choices=MODES, default="eager", help="of torch")
            command.add_argument("--rounds", type=int, default=100, metavar="N", help="calls per batch size")
            command.add_argument("--out", type=Path, metavar="FILE", help="write the JSON to a file too")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(name: str) -> Callable[[str, float], None]:
    """One line of progress on a terminal; elsewhere nothing."""

    def show(phase: str, share: float) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{name}: {phase[:50]} {share:4.0%}")
            sys.stderr.flush()

    return show


def _end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


_NOT_INSTALLED = "not installed"


def _state(zoo: Zoo, entry: Entry) -> str:
    """Of a network's files: what is there is checked."""
    if not zoo.has(entry.graphs.values()):
        return _NOT_INSTALLED
    whole = zoo.has(entry.weights.values())
    files = [*entry.graphs.values(), *(entry.weights.values() if whole else ())]
    try:
        for file in files:
            zoo.path(file)
    except EngineError as error:
        return str(error)
    return "ok" if whole else "ok, not for torch"


def _list(zoo: Zoo, names: list[str], args: argparse.Namespace) -> tuple[dict[str, Any], str, bool]:
    backends = available()
    rows, lines = [], []
    for name in names:
        entry = zoo.entry(name)
        state = _state(zoo, entry)
        precisions = ", ".join(entry.graphs)
        rows.append({"name": name, "does": entry.does, "domain": entry.domain, "graphs": precisions, "state": state})
        size = f"{sum(file.bytes for file in (*entry.weights.values(), *entry.graphs.values())) / 1e6:.1f} MB"
        lines.append((name, entry.domain, precisions, size, state, entry.does))
    text = (
        _table(("network", "pictures", "graphs", "size", "files", "what it is"), lines) if lines else "no network yet"
    )
    if any(row["state"] == _NOT_INSTALLED for row in rows):
        text += f"\n\n{_NOT_INSTALLED}: {WHERE}"
    text += "\n\n" + _table(("backend", "here"), [(name, reason or "can be used") for name, reason in backends.items()])
    out = {"zoo": str(zoo.folder), "networks": rows, "backends": backends, "cache": str(cache_folder())}
    return out, text, all(row["state"].startswith(("ok", _NOT_INSTALLED)) for row in rows)


def _usable(args: argparse.Namespace) -> list[str]:
    """The backends asked for, else all that can be used here."""
    reasons = available()
    if args.backend is None:
        return [name for name, reason in reasons.items() if reason is None]
    for name in args.backend:
        if reasons[name] is not None:
            raise EngineError(str(reasons[name]))
    return list(args.backend)


def _options(args: argparse.Namespace, precision: str, mode: str = "eager") -> Options:
    return Options(precision, args.buckets, args.threads, args.device, mode)  # type: ignore[arg-type]


def _build(zoo: Zoo, names: list[str], args: argparse.Namespace) -> tuple[dict[str, Any], str, bool]:
    rows, good = [], True
    for name in names:
        for backend in [one for one in _usable(args) if one != "torch" or args.backend]:
            for precision in args.precision or ("auto",):
                began = time.perf_counter()
                row: dict[str, Any] = {"network": name, "backend": backend, "precision": precision}
                try:
                    model = zoo.model(name, _graph_for(backend, precision))
                    options = _options(args, precision)
                    with open_engine(model, backend, options, strict=True, progress=_progress(name)) as engine:
                        row |= {"precision": engine.precision, "device": engine.device, "reason": ""}
                except EngineError as error:
                    row["reason"] = str(error)
                    good = False
                _end_progress()
                row["seconds"] = round(time.perf_counter() - began, 2)
                rows.append(row)
                _say(f"{name} {backend} {row['precision']}: {row['reason'] or 'ready'}, {row['seconds']:.1f} s")
    return {"built": rows, "cache": str(cache_folder())}, "", good


def _graph_for(backend: str, precision: str) -> str:
    """The precision whose graph is to be at hand: OpenVINO and PyTorch need none but the full one."""
    return precision if backend in ("tensorrt", "onnxruntime") and precision in ("fp16", "bf16") else "fp32"


def _verify(zoo: Zoo, names: list[str], args: argparse.Namespace) -> tuple[dict[str, Any], str, bool]:
    backends, found = args.backend or BACKENDS, []
    for name in names:
        for precision in args.precision or ("fp32", "fp16"):
            if precision == "auto":
                raise ValueError("verify needs a stated precision: fp32, fp16 or bf16")
            try:
                model = zoo.model(name, precision)
            except EngineError as error:
                _say(f"{name} {precision}: {error}")
                model = zoo.model(name)
            for one in compare(model, backends, (precision,), args.crops, options=_options(args, precision)):
                found.append(one)
                if not args.json:
                    told = one.reason if one.difference is None else f"{one.difference:.1e}, allowed {one.limit:g}"
                    _say(f"{name} {one.backend} {precision}: {told}{'' if one.holds else '  TOO FAR'}")
    made = [one for one in found if one.difference is not None]
    text = "nothing could be compared"
    if made:
        worst = max(made, key=lambda one: one.difference or 0.0)
        text = f"largest difference {worst.difference:.1e} ({worst.network}, {worst.backend} {worst.precision})"
        text += f" to {worst.reference} on {worst.inputs}, relative to the largest value"
    good = bool(made) and all(one.holds for one in found)
    return {"comparisons": [one.as_dict() for one in found]}, text, good


def _bench(zoo: Zoo, names: list[str], args: argparse.Namespace) -> tuple[dict[str, Any], str, bool]:
    rows, good = [], True
    for name in names:
        for backend in _usable(args):
            for precision in args.precision or ("auto",):
                mode = args.mode if backend == "torch" else ""
                try:
                    model = zoo.model(name, _graph_for(backend, precision))
                    options = _options(args, precision, mode or "eager")
                    with open_engine(model, backend, options, strict=True, progress=_progress(name)) as engine:
                        _end_progress()
                        rows += time_engine(engine, name, mode, rounds=args.rounds)
                except EngineError as error:
                    _say(f"{name} {backend} {precision}: {error}")
                    good = False
                if not args.json:
                    _say(f"{name} {backend} {precision}: timed")
    head = ("network", "backend", "precision", "batch", "p50 ms", "p95 ms", "p99 ms", "rows/s")
    lines = [
        (
            row.network,
            f"{row.backend} {row.mode}".strip(),
            row.precision,
            str(row.bucket),
            *(f"{value:.2f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms)),
            f"{row.items_per_second:.0f}",
        )
        for row in rows
    ]
    out = {"includes": INCLUDES, "timings": [row.as_dict() for row in rows]}
    if args.out is not None:
        write_atomic(args.out, (json.dumps(out, indent=1) + "\n").encode())
    return out, f"{_table(head, lines)}\n\nTimed: {INCLUDES}.", good and bool(rows)


def _all_of(zoo: Zoo, command: str) -> list[str]:
    """The networks meant where none is named: all to be listed, those that are installed for anything else."""
    if command == "list":
        return list(zoo.entries)
    here = [name for name, entry in zoo.entries.items() if zoo.has(entry.graphs.values())]
    if here:
        return here
    if zoo.entries:
        raise NotInstalledError(f"no network is installed: {WHERE}")
    raise EngineError("the zoo is empty: nothing to do")


_COMMANDS = {"list": _list, "build": _build, "verify": _verify, "bench": _bench}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    args = build_parser().parse_args(argv)
    level = logging.DEBUG if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="conceal-engines: %(message)s", stream=sys.stderr)
    try:
        zoo = open_zoo(args.zoo)
        names = list(args.networks) or _all_of(zoo, args.command)
        for name in names:
            zoo.entry(name)
        out, text, good = _COMMANDS[args.command](zoo, names, args)
    except KeyboardInterrupt:
        _end_progress()
        _say("conceal-engines: interrupted")
        return 130
    except (EngineError, ValueError, OSError) as error:
        _end_progress()
        _say(f"conceal-engines: {one_line(error)}")
        return 2 if isinstance(error, ValueError) else 1
    if args.json:
        print(json.dumps(out, indent=1))
    elif text:
        print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
