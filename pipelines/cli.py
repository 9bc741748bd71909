"""`conceal`: repair a damaged H.264 or HEVC file from the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from concealer import __version__
from pipelines import archive_cli, check_cli
from pipelines.errors import ConcealError, Interrupted, OutputError, one_line
from pipelines.jobs import Settings, conceal_file
from pipelines.options import add_policy_options, add_video_options, settings_of
from pipelines.progress import Bar, JsonLines
from pipelines.reading import is_live
from pipelines.stopping import signals, silence_stdout
from pipelines.summary import summary
from pipelines.writing import STDOUT

log = logging.getLogger("conceal")

_LIVE_PRESET = "veryfast"
"""Keeps up with a live input, where no encoder and no preset is asked for."""

_WORDS = {"check": check_cli.main, "archive": archive_cli.main}

_DESCRIPTION = """\
Finds the damaged parts of H.264 and HEVC video and repairs them inside the decoder's reference pictures.
Audio, subtitles, chapters and metadata are copied. What is not damaged is copied packet by packet.\
"""
_EPILOG = """\
examples:
  conceal in.mp4 out.mp4
  conceal in.ts out.mkv --report report.html
  conceal in.mkv lossless.mkv --encoder ffv1
  conceal --output gop in.mp4 out.mp4
  conceal --dry-run --json in.mp4
  receiver | conceal - - -f mpegts | player
  conceal udp://:5000 out.mkv
  conceal --reconnect udp://239.1.1.1:5000 udp://127.0.0.1:6000
  conceal session.sdp rtmp://host/app/key
  conceal check archive/                  # which files are damaged, how much: conceal check --help
  conceal archive archive/ repaired/      # all files, on all cores or many machines: conceal archive --help

Live inputs (udp, rtp by an .sdp file, rtsp, rtmp; srt where this FFmpeg has it) run until they end or Ctrl-C
or SIGTERM ends them, which completes OUT and is exit code 0.

From a pipe, video is always encoded: it cannot be read twice to find out whether it is damaged.
Where the picture size changes in mid-stream, later pictures are fitted into the first size, in their own shape.

exit codes:
  0    repaired, spliced, copied or analysed
  1    processing failed, or the stream cannot be spliced
  2    bad usage: unknown option, encoder or format; output exists; output is the input
  3    input cannot be read, is encrypted, or holds no H.264 or HEVC video
  4    output cannot be written, or its container cannot hold the video
  130  interrupted; with --keep-partial the output holds what was done until then
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conceal",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="any container FFmpeg reads, raw .264/.265, or - for stdin")
    parser.add_argument("output", metavar="OUT", nargs="?", help="written by its suffix, or - for stdout with -f")
    files = parser.add_argument_group("files")
    files.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists (else refused)")
    files.add_argument("-f", "--format", metavar="FORMAT", help="container of OUT, e.g. mp4, matroska, mpegts")
    files.add_argument("--input-format", metavar="FORMAT", help="container of IN where it cannot be told, e.g. h264")
    files.add_argument(
        "--sdp", metavar="FILE", help="session description with the parameter sets that IN lacks (sprop)"
    )
    files.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="processes that look for damage in a file (default: all cores)"
    )
    files.add_argument("--reconnect", action="store_true", help="open a live IN again when it ends or falls silent")
    files.add_argument("--keep-partial", action="store_true", help="when interrupted, complete OUT with what was done")
    add_video_options(parser)
    add_policy_options(parser).add_argument(
        "--outage",
        metavar="hold|FILE",
        help="while a live IN says nothing, go on with its last good picture or the one in FILE, and silence",
    )
    out = parser.add_argument_group("what is told")
    out.add_argument("--dry-run", action="store_true", help="find the damage only, write no video")
    out.add_argument(
        "--report",
        metavar="FILE",
        help="what was repaired, by FILE's suffix: .html (a page for people), .csv, .ffmeta (chapters), .edl (editors' "
        "marks), else JSON (docs/report.md)",
    )
    out.add_argument(
        "--metrics", metavar="ADDR:PORT", help="serve counts for Prometheus while it runs (:PORT: to this machine only)"
    )
    out.add_argument("--json", action="store_true", help="summary as JSON on stdout, progress as JSON lines on stderr")
    out.add_argument("-q", "--quiet", action="store_true", help="errors only")
    out.add_argument("-v", "--verbose", action="store_true", help="log details, tracebacks of errors")
    out.add_argument("--version", action="version", version=f"conceal {__version__}")
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    settings = settings_of(args)
    if args.preset is None and args.encoder is None and is_live(args.input):
        settings = replace(settings, encoder=replace(settings.encoder, preset=_LIVE_PRESET))
    return replace(
        settings,
        outage=args.outage,
        metrics=args.metrics,
        sdp=args.sdp,
        jobs=args.jobs,
        dry_run=args.dry_run,
        keep_partial=args.keep_partial,
        reconnect=args.reconnect,
        report=args.report,
    )


class _Log(logging.Handler):
    """One line a message on stderr, above the progress bar."""

    def __init__(self, display: Bar | JsonLines) -> None:
        super().__init__()
        self._display = display
        self.setFormatter(logging.Formatter("conceal: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._display.clear()
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _logging(args: argparse.Namespace, display: Bar | JsonLines) -> Iterator[None]:
    handler = _Log(display)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.ERROR if args.quiet else logging.DEBUG if args.verbose else logging.WARNING)
    # FFmpeg's own messages are the decoder's business; to a reader they are noise without context.
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _run(args: argparse.Namespace, display: Bar | JsonLines) -> int:
    stop = threading.Event()
    show = args.json or (sys.stderr.isatty() and not args.quiet)
    with signals(stop):
        result = conceal_file(
            args.input,
            args.output,
            _settings(args),
            on_progress=display if show else None,
            stopped=stop.is_set,
        )
    display.clear()
    if result.interrupted:
        log.warning("interrupted: the output holds the first %d pictures", result.pictures)
    if args.json:
        # Where the video goes to stdout, the summary must not.
        print(json.dumps(result.as_dict()), file=sys.stderr if args.output == STDOUT else sys.stdout)
    elif not args.quiet:
        print(f"conceal: {summary(result)}", file=sys.stderr)
    return Interrupted.exit_code if result.interrupted else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in _WORDS:
        return _WORDS[argv[0]](argv[1:])
    args = build_parser().parse_args(argv)
    display: Bar | JsonLines = JsonLines() if args.json else Bar()
    with _logging(args, display):
        try:
            return _run(args, display)
        except ConcealError as error:
            failure: Exception = error
            code, message = error.exit_code, str(error)
        except KeyboardInterrupt:
            log.error("interrupted")
            return Interrupted.exit_code
        except BrokenPipeError:
            silence_stdout()
            log.error("standard output was closed")
            return OutputError.exit_code
        except Exception as error:  # the last resort: a user gets one line, never a traceback
            failure, code = error, 1
            message = f"failed: {one_line(error)} ({type(error).__name__}); -v tells more"
        log.error("%s", message, exc_info=failure if args.verbose and code != Interrupted.exit_code else None)
        if args.output == STDOUT:
            silence_stdout()
        return code


if __name__ == "__main__":
    sys.exit(main())
