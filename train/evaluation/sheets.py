"""Contact sheets of repairs."""

from __future__ import annotations

import logging

from train.data.batches import damage
from train.evaluation.catalogue import SHEETS
from train.evaluation.workbench import Workbench
from train.iterative import overlay
from train.sheet import write_sheet

log = logging.getLogger("train.evaluate")


def write_sheets(bench: Workbench, searches: bool) -> None:
    """Original, damaged, then a row for each system. Those that search have a sheet of their own."""
    if searches and bench.cells.late():
        return
    systems = bench.systems(searches)
    batch = bench.take(4 if searches else 8)
    for name in ("central",) if searches else SHEETS:
        masks = bench.masks(bench.maker(name), len(batch.images))
        damaged = damage(batch.images, masks)
        maps = bench.structure.maps(damaged, masks)
        rows = [batch.images, damaged]
        for _, system in systems:
            rows.append(overlay(bench.run(system, damaged, masks, maps), damaged, masks))
        path = bench.cells.folder / ("search.png" if searches else f"{name}.png")
        write_sheet(path, rows)
        log.info("%s: rows original, damaged, %s", path, ", ".join(key for key, _ in systems))
