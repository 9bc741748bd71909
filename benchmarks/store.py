"""Results as JSON: what was run, where, with what, and one row per measurement, kept from run to run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

Row = dict[str, Any]

RESULTS = Path(__file__).resolve().parent / "results"
_STREAM = ("clip", "codec", "structure", "settings", "pictures", "width", "height", "encoder")
"""Fields that many rows share; the file holds them once."""
_PLACES = ("--out", "--cache")
"""Options that say where files lie, which moves no figure."""
_ROOMS = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """Processor and number of cores this process may use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(terse=True)}


def versions() -> dict[str, str]:
    """Versions of everything that can move a figure."""
    libraries = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {
        "concealer": _installed("concealer"),
        "python": platform.python_version(),
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "libavcodec": libraries["libavcodec"],
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "openvino": _installed("openvino"),
    }


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """The last that changed what is measured or measures, with "+" where files differ from it; "" outside a clone."""
    git, rooms = ["git", "-C", str(_ROOMS)], ["--", "concealer", "pipelines", "engines", "benchmarks/*.py"]
    try:
        last = subprocess.run([*git, "log", "-1", "--abbrev=8", "--format=%h", *rooms], capture_output=True, text=True)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", *rooms], capture_output=True)
    except OSError:
        return ""
    return last.stdout.strip() + ("+" if last.stdout and changed.returncode else "")


def command_line(module: str) -> str:
    """The command of this process as a user would type it, without the places of this machine that it names."""
    given = sys.argv[1:]
    hidden = {place for n, one in enumerate(given) if one in _PLACES for place in (n, n + 1)}
    return shlex.join(["python", "-m", module, *(one for n, one in enumerate(given) if n not in hidden)])


def fingerprint(rooms: Iterable[str]) -> str:
    """Hash of the sources of these rooms (folders or files below the repository): changes when they do."""
    digest = hashlib.sha256()
    for room in rooms:
        place = _ROOMS / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(_ROOMS).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Store:
    """One file of results. Rows are told apart by their key fields; a newer row replaces an older one."""

    def __init__(self, path: Path, command: str, key: tuple[str, ...]) -> None:
        self.path = path
        self._key = key
        self._runs: list[dict[str, Any]] = []
        self._rows: dict[tuple[Any, ...], Row] = {}
        if path.is_file():
            known = read(path)
            self._runs = known["runs"]
            self._rows = {self._of(row): row for row in known["rows"]}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._run = {"command": command, "date": now, "commit": commit(), "machine": machine(), "versions": versions()}

    def _of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(json.dumps(row.get(name)) for name in self._key)

    def has(self, row: Mapping[str, Any]) -> bool:
        """Whether a row with this key is there and was made by the same sources (field "sources")."""
        known = self._rows.get(self._of(row))
        return known is not None and known.get("sources") == row.get("sources")

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows, each with the number of this run, and write the file."""
        if self._run not in self._runs:
            self._runs.append(self._run)
        number = self._runs.index(self._run)
        for row in rows:
            self._rows[self._of(row)] = row | {"run": number}
        self._write()

    def _write(self) -> None:
        used = sorted({row["run"] for row in self._rows.values()})
        places = {number: place for place, number in enumerate(used)}
        parts: dict[str, list[str]] = {"runs": [json.dumps(self._runs[number]) for number in used]}
        streams: dict[str, int] = {}
        rows = []
        for row in self._rows.values():
            stream = json.dumps({name: row[name] for name in _STREAM if name in row})
            short: Row = {"run": places[row["run"]], "stream": streams.setdefault(stream, len(streams))}
            short |= {name: value for name, value in row.items() if name not in _STREAM and name != "run"}
            rows.append(json.dumps(short))
        parts |= {"streams": list(streams), "rows": rows}
        lists = [f"{json.dumps(name)}: [\n" + ",\n".join(part) + "\n]" for name, part in parts.items()]
        text = "{" + ",\n".join(lists) + "}\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.replace(self.path)


def rounded(row: Row, digits: int = 4) -> Row:
    """The row with its floats rounded: more digits would only fill the file."""
    return {name: round(value, digits) if isinstance(value, float) else value for name, value in row.items()}


def read(path: Path) -> dict[str, list[Row]]:
    """{"runs": [...], "rows": [...]} of a results file, rows complete. Raises ValueError if it is something else."""
    try:
        known = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not a results file: {error}") from error
    if not isinstance(known, dict) or not {"runs", "streams", "rows"} <= set(known):
        raise ValueError(f"{path.name} is not a results file: it has no runs, streams and rows")
    rows = [known["streams"][row.pop("stream")] | row for row in known["rows"]]
    return {"runs": known["runs"], "rows": rows}
