"""Make GStreamer find the elements.

eval "$(python -m pipelines.gst)"    # in this shell: GST_PLUGIN_PATH and PATH
python -m pipelines.gst --install    # for this user: links in ~/.gstreamer-1.0/plugins/python
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def settings() -> list[str]:
    """Shell lines: where the plugin files lie, and the Python that has concealer installed first on the path.

    GStreamer's plugin loader starts the interpreter that its own library belongs to, and that finds installed packages
    beside the `python3` that comes first on PATH.
    """
    return [
        f'export GST_PLUGIN_PATH="{FOLDER}${{GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}}"',
        f'export PATH="{Path(sys.executable).parent}:$PATH"',
    ]


def install(target: Path) -> list[Path]:
    """Link the plugin files into `target`; returns the links. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    links = []
    for source in sorted((FOLDER / "python").glob("*.py")):
        link = target / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
        links.append(link)
    return links


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.gst", description="Make GStreamer find the elements.")
    parser.add_argument("--install", action="store_true", help="link them into ~/.gstreamer-1.0/plugins/python")
    if parser.parse_args(arguments).install:
        lines = [str(link) for link in install(Path.home() / ".gstreamer-1.0" / "plugins" / "python")]
    else:
        lines = settings()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
