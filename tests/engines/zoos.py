"""Zoos made of the test graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.cache import sha256
from engines.zoo.table import SCHEMA, SHOWN, TABLE, Zoo

GRAPHS = Path(__file__).resolve().parent / "graphs"


def file_row(folder: Path, stem: str, suffix: str, data: bytes) -> dict[str, Any]:
    """Write a file under its hash; its row in the table."""
    digest = sha256(data)
    name = f"{stem}-{digest[:SHOWN]}{suffix}"
    (folder / name).write_bytes(data)
    return {"file": name, "bytes": len(data), "sha256": digest}


def make_zoo(folder: Path, *names: str, half: bool = False, **changes: Any) -> Zoo:
    """A zoo of the graphs of these names; changes: fields of every row."""
    folder.mkdir(exist_ok=True)
    rows = []
    for name in names:
        graphs = {"fp32": file_row(folder, name, ".onnx", (GRAPHS / f"{name}.onnx").read_bytes())}
        if half:
            graphs["fp16"] = file_row(folder, f"{name}-fp16", ".onnx", (GRAPHS / f"{name}-fp16.onnx").read_bytes())
        row = {"name": name, "does": "means of what is near", "task": "inpaint", "domain": "any"}
        row |= {"weights": {}, "graphs": graphs, "card": f"{name}.md"} | changes
        rows.append(row)
        (folder / f"{name}.md").write_text("# Not trained\n")
    (folder / TABLE).write_text(json.dumps({"schema": SCHEMA, "networks": rows}))
    return Zoo(folder)
