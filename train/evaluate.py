"""`python -m train.evaluate --all`: measure the trained systems as the papers do; results are JSON and docs/papers.md.

Measured on `stills-eval` and `clips-eval` only. What is measured already is kept unless its weights have changed.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from pathlib import Path

from train.evaluation.catalogue import GROUPS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--all", action="store_true", help="every group, then the tables")
    parser.add_argument("--tables", action="store_true", help="only write docs/papers.md from the results")
    parser.add_argument("--size", type=int, default=64, choices=(64, 128, 256))
    parser.add_argument("--shards", type=Path, default=Path("shards"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--docs", type=Path, default=Path(__file__).parent.parent / "docs")
    parser.add_argument(
        "--search-count", type=int, default=16, help="pictures per mask for systems that search (0: all)"
    )
    parser.add_argument("--inception", type=Path, help="ONNX file of an Inception network, to measure FID too")
    parser.add_argument("--minutes", type=float, help="measure nothing new after this time; the next call goes on")
    parser.add_argument("--device", default="", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--threads", type=int, default=0)
    return parser


def main() -> int:
    """Exit codes: 0 measured, 1 failed, 2 bad usage."""
    parser = _parser()
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    groups = list(GROUPS) if arguments.all else arguments.groups
    if not groups and not arguments.tables:
        parser.error("name a group, --all or --tables")

    import torch

    from engines import EngineError
    from train.evaluation.groups import measure
    from train.evaluation.workbench import EvaluationSettings, Workbench
    from train.tables import write_papers

    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    try:
        if groups:
            device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
            settings = EvaluationSettings(
                shards=arguments.shards,
                runs=arguments.runs,
                results=arguments.results,
                size=arguments.size,
                device=device,
                search_count=arguments.search_count,
                minutes=arguments.minutes,
                inception=arguments.inception,
            )
            bench = Workbench(settings)
            bench.describe(_hardware(torch, device))
            for searches in (False, True):
                for group in groups:
                    measure(bench, group, searches)
            if bench.cells.left_out:
                print(f"time is up: {bench.cells.left_out} measurements are left for the next call")
        write_papers(arguments.results, arguments.docs)
    except (ValueError, OSError, RuntimeError, EngineError) as error:
        print(f"train.evaluate: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def _hardware(torch: object, device: object) -> str:
    """What the times were taken on, in words."""
    if str(device).startswith("cuda"):
        return str(torch.cuda.get_device_name(device))  # type: ignore[attr-defined]
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {torch.get_num_threads()} threads, float32"  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
