"""Tables of benchmarks/results/engines.json."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import distinct, markdown, number, select

ENGINES_HEAD = """\
Networks alone: one call with arrays in host memory, copying in and out included; backends take turns, each alone. \
The difference is the largest one over the largest value. Streams: H.264 IPPP in eight slices, slices lost \
independently, the first picture spared, access units decoded one at a time; from an access unit's payload to its \
repaired picture (what an encoder behind it would get). *Whole*: access units without damage."""


def engine_tables(rows: Sequence[Row]) -> list[str]:
    """Networks by backend, and streams by method; those that were measured."""
    tables = []
    networks = select(rows, measure="network")
    if networks:
        tables += ["### Networks", network_table(networks)]
    for deadline in dict.fromkeys(row["deadline_ms"] for row in select(rows, measure="stream")):
        part = [row for row in select(rows, measure="stream") if row["deadline_ms"] == deadline]
        tables += [f"### Streams, {f'deadline {deadline:g} ms' if deadline else 'no deadline'}", stream_table(part)]
    return tables


def network_table(rows: Sequence[Row]) -> str:
    """Milliseconds per call by batch, and the difference to PyTorch."""
    head = [
        "network",
        "backend",
        "precision",
        "batch",
        "best, ms",
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "difference to PyTorch fp32",
    ]
    lines = []
    for row in rows:
        name = f"{row['network']} ({row['weights']})"
        where = f"{row['backend']} {row['mode']}".strip()
        times = [number(row[f"{p}_ms"]) for p in ("best", "p50", "p95", "p99")]
        lines.append([name, where, row["precision"], str(row["bucket"]), *times, f"{row['difference']:.1e}"])
    return markdown(head, lines)


def stream_table(rows: Sequence[Row]) -> str:
    """Per clip, rate and method: access units with a repair, those without, what was used."""
    head = ["stream", "slice loss", "method", "repair p50 / p95 / p99, ms", "hit access unit p50 / p95 / p99, ms"]
    head += ["whole one p50 / p99, ms", "pictures out / in", "hole PSNR, dB", "used"]
    lines = []
    for clip in distinct(rows, "clip"):
        for row in sorted(select(rows, clip=clip), key=lambda row: row["rate"]):
            used = ", ".join(f"{name} {count}" for name, count in sorted(row["used"].items()))
            lines.append(
                [
                    f"{clip} {row['width']}x{row['height']}",
                    f"{100 * row['rate']:g} %",
                    row["method"] + (f" ({row['backend']})" if row["backend"] else ""),
                    " / ".join(number(row.get(f"repair_{p}_ms"), 1) for p in ("p50", "p95", "p99")),
                    " / ".join(number(row.get(f"hit_{p}_ms"), 1) for p in ("p50", "p95", "p99")),
                    " / ".join(number(row.get(f"whole_{p}_ms"), 1) for p in ("p50", "p99")),
                    f"{row['pictures_out']} / {row['pictures_in']}",
                    number(row["hole_psnr"]),
                    used,
                ]
            )
    return markdown(head, lines)
