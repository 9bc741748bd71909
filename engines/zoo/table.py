"""The table: name -> weights, graphs, card. Every file's size and hash are checked before it is used."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.cache import file_sha256
from engines.errors import ModelError, NotInstalledError
from engines.model import Model
from engines.zoo.half import halved

SCHEMA = "concealer-zoo/1"
TABLE = "zoo.json"
VARIABLE = "CONCEALER_ZOO"
SHIPPED = Path(__file__).resolve().parent
"""The zoo that comes with the package. A wheel holds the whole table, but only the files that `conceal` opens."""
WHERE = f"the repository and the source distribution have all networks in engines/zoo; {VARIABLE}=FOLDER uses them"
SHOWN = 8
"""Hexadecimal digits of a file's SHA-256 in its name."""


@dataclass(frozen=True)
class ZooFile:
    """One file beside the table."""

    file: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or f"-{self.sha256[:SHOWN]}." not in self.file:
            raise ModelError(f"zoo file {self.file!r} must be a plain name that holds -{self.sha256[:SHOWN]}.")


@dataclass(frozen=True)
class Entry:
    """One network of the table."""

    name: str
    does: str
    """What it is, in one line."""
    task: str
    """"inpaint" (damaged, mask -> image), "landmarks" (damaged, mask -> landmarks), "occlusion" (image -> logits of
    what hides or damages the face), "choose" (figures of candidates -> corrections of their expected errors) or
    "other"."""
    domain: str
    """What its pictures must show: "face" (aligned face crops) or "any"."""
    weights: dict[str, ZooFile]
    """Safetensors files by part: "network", or "prior" and "generator" of an inpainter, or "attributes",
    "segmentation" and "generator" of a boosted one."""
    graphs: dict[str, ZooFile]
    """ONNX files by precision, "fp32" at least."""
    card: str
    held_out: float | None = None
    """Of an inpainter: PSNR in codec-shaped holes of held-out faces, seams closed (docs/papers.md, ranking), dB; None:
    not measured."""


class Zoo:
    """The networks of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read `folder`/zoo.json. Raises ModelError if it is not such a table."""
        self.folder = folder
        self.entries = _read(folder / TABLE)

    def entry(self, name: str) -> Entry:
        """Raises ModelError for an unknown name."""
        if name not in self.entries:
            raise ModelError(f"no network {name!r} in the zoo; there are: {', '.join(self.entries) or 'none'}")
        return self.entries[name]

    def inpainters(self) -> list[Entry]:
        """The networks that inpaint: those that did best on held-out pictures first, those not measured last."""
        found = [entry for entry in self.entries.values() if entry.task == "inpaint"]
        return sorted(found, key=lambda entry: -math.inf if entry.held_out is None else entry.held_out, reverse=True)

    def path(self, file: ZooFile) -> Path:
        """A file whose size and hash are what the table says. Raises NotInstalledError if it is not there, ModelError
        if it is another file."""
        path = self.folder / file.file
        try:
            size = path.stat().st_size
            if size != file.bytes or file_sha256(path) != file.sha256:
                raise ModelError(f"{path} is damaged: it is not the file of the table ({size} of {file.bytes} bytes)")
        except FileNotFoundError as error:
            where = f": {WHERE}" if self.folder == SHIPPED else f" in {self.folder}"
            raise NotInstalledError(f"{file.file} is not installed{where}") from error
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
        return path

    def has(self, files: Iterable[ZooFile]) -> bool:
        """Whether all these files are installed; they may still be damaged."""
        return all((self.folder / file.file).exists() for file in files)

    def model(self, name: str, precision: str = "fp32", cache: Path | None = None) -> Model:
        """The network for any backend, its graphs checked.

        precision: a half precision has its graph exported for this machine if the zoo has none, which needs torch.
        Raises NotInstalledError for missing files, ModelError for damaged ones, EngineError if the graph cannot be
        exported.
        """
        entry = self.entry(name)
        graphs = {kind: self.path(file) for kind, file in entry.graphs.items()}
        if precision in ("fp16", "bf16") and precision not in graphs:
            digests = {part: file.sha256 for part, file in entry.weights.items()}
            graphs[precision] = halved(name, digests, precision, lambda: self._network(entry), cache)
        return Model(name, graphs, lambda: self.definition(entry))

    def definition(self, entry: Entry) -> Any:
        """PyTorch's form, an `engines.definitions.Definition`. Raises NotInstalledError, ModelError, ImportError
        without torch."""
        from engines.definitions import define

        return define(self._network(entry))

    def _network(self, entry: Entry) -> Any:
        from engines.zoo.torch_form import load

        return load(entry.name, {part: self.path(file) for part, file in entry.weights.items()})


def open_zoo(folder: Path | str | None = None) -> Zoo:
    """The zoo of `folder`, else of `$CONCEALER_ZOO`, else the shipped one. Raises ModelError."""
    return Zoo(Path(folder or os.environ.get(VARIABLE) or SHIPPED))


def _read(path: Path) -> dict[str, Entry]:
    try:
        table = json.loads(path.read_text())
        if table["schema"] != SCHEMA:
            raise ModelError(f"{path} has schema {table['schema']!r}, this version reads {SCHEMA}")
        found = {}
        for row in table["networks"]:
            files = {
                group: {part: ZooFile(**file) for part, file in row[group].items()} for group in ("weights", "graphs")
            }
            entry = Entry(
                row["name"],
                row["does"],
                row["task"],
                row["domain"],
                files["weights"],
                files["graphs"],
                row["card"],
                None if row.get("held_out") is None else float(row["held_out"]),
            )
            if "fp32" not in entry.graphs or entry.name in found:
                raise ModelError(f"{path}: {entry.name} has no fp32 graph or is there twice")
            found[entry.name] = entry
        return found
    except OSError as error:
        raise ModelError(f"no zoo in {path.parent}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a zoo table: {type(error).__name__} {error}") from error
