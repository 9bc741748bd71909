"""Puts trained weights into the zoo: copies them under their hash, exports and checks the graph, writes the table.

python -m engines.zoo.add face-128 --prior prior.safetensors --generator generator.safetensors \\
    --domain face --does "one-pass inpainter of 128 px faces" --card face-128.md --held-out 17.3
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engines.cache import sha256, write_atomic
from engines.errors import EngineError, ModelError
from engines.zoo.table import SCHEMA, SHOWN, TABLE, Entry, Zoo, ZooFile

PARTS = ("network", "prior", "attributes", "segmentation", "generator")
DOMAINS = ("face", "any")


def add(
    zoo: Path,
    name: str,
    weights: dict[str, Path],
    card: Path,
    *,
    does: str,
    domain: str,
    held_out: float | None = None,
    precisions: Sequence[str] = ("fp32",),
) -> Entry:
    """Add or replace an entry. weights: safetensors files by part; the old entry's files are deleted.

    Raises EngineError if the graph does not agree with PyTorch, ValueError or OSError for unusable files.
    """
    from concealer.networks.weights import load_weights
    from engines.definitions import define, task_of
    from engines.export import export
    from engines.zoo.torch_form import assemble

    if domain not in DOMAINS:
        raise ValueError(f"domain must be {' or '.join(DOMAINS)}, got {domain!r}")
    network = assemble({part: load_weights(path) for part, path in weights.items()})
    zoo.mkdir(parents=True, exist_ok=True)
    old = Zoo(zoo).entries if (zoo / TABLE).is_file() else {}
    graphs: dict[str, ZooFile] = {}
    with tempfile.TemporaryDirectory(prefix="concealer-zoo-") as folder:
        for precision in precisions:
            made = export(network, Path(folder) / f"{precision}.onnx", precision)
            suffix = "" if precision == "fp32" else f"-{precision}"
            graphs[precision] = _keep(zoo, f"{name}{suffix}", ".onnx", made.path.read_bytes())
            print(f"{precision}: differs from PyTorch by {made.difference:.1e} ({made.checked_by})", file=sys.stderr)
    kept = {
        part: _keep(zoo, name if part == "network" else f"{name}-{part}", ".safetensors", path.read_bytes())
        for part, path in weights.items()
    }
    text = card.read_bytes()
    write_atomic(zoo / f"{name}.md", text)
    entry = Entry(name, does, task_of(define(network)), domain, kept, graphs, f"{name}.md", held_out)
    entries = old | {name: entry}
    rows: list[dict[str, Any]] = [asdict(one) for one in entries.values()]
    write_atomic(zoo / TABLE, (json.dumps({"schema": SCHEMA, "networks": rows}, indent=1) + "\n").encode())
    in_use = {file.file for one in entries.values() for file in (*one.weights.values(), *one.graphs.values())}
    before = old.get(name)
    for file in (*before.weights.values(), *before.graphs.values()) if before else ():
        if file.file not in in_use:
            (zoo / file.file).unlink(missing_ok=True)
    return entry


def _tiled(weights: dict[str, Path], tile: Sequence[int], folder: Path) -> dict[str, Path]:
    """The weights of a network that works on tiles, for tiles of another size. Raises ValueError for others."""
    from concealer.networks.weights import with_arguments

    made = {part: folder / path.name for part, path in weights.items()}
    for part, path in weights.items():
        with_arguments(path, made[part], tile=list(tile))
    return made


def _keep(zoo: Path, stem: str, suffix: str, data: bytes) -> ZooFile:
    digest = sha256(data)
    file = ZooFile(f"{stem}-{digest[:SHOWN]}{suffix}", len(data), digest)
    write_atomic(zoo / file.file, data)
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m engines.zoo.add", description=__doc__.split("\n")[0])
    parser.add_argument("name")
    for part in PARTS:
        parser.add_argument(f"--{part}", type=Path, metavar="FILE", help=f"safetensors file of the {part}")
    parser.add_argument("--card", type=Path, required=True, help="Markdown: data, training, figures, licence, limits")
    parser.add_argument("--does", required=True, help="what it is, in one line")
    parser.add_argument("--domain", choices=DOMAINS, required=True, help="what its pictures must show")
    parser.add_argument(
        "--held-out",
        type=float,
        metavar="DB",
        help="PSNR in codec-shaped holes of held-out faces, by which the best inpainter is chosen",
    )
    parser.add_argument("--half", action="store_true", help="ship an fp16 graph too, for TensorRT without torch")
    parser.add_argument("--zoo", type=Path, default=Path(__file__).resolve().parent, help="folder of the table")
    parser.add_argument("--tile", type=int, nargs=2, metavar=("ROWS", "COLS"), help="export for tiles of this size")
    options = parser.parse_args(arguments)
    weights = {part: path for part in PARTS if (path := getattr(options, part)) is not None}
    try:
        with tempfile.TemporaryDirectory(prefix="concealer-zoo-") as folder:
            entry = add(
                options.zoo,
                options.name,
                weights if options.tile is None else _tiled(weights, options.tile, Path(folder)),
                options.card,
                does=options.does,
                domain=options.domain,
                held_out=options.held_out,
                precisions=("fp32", "fp16") if options.half else ("fp32",),
            )
    except (EngineError, ModelError, ValueError, OSError, ImportError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(entry), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
