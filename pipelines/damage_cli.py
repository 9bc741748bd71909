"""`conceal-damage`: send a file through a seeded lossy channel."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence

from concealer import __version__
from concealer.loss import (
    BitFlips,
    ByteRemoval,
    Channel,
    DamageRecord,
    PictureLoss,
    RtpLoss,
    SliceLoss,
    TransportStreamLoss,
    ZeroRuns,
    is_slice,
    truncate,
)
from pipelines.arguments import Parser, parse
from pipelines.damage_file import damage_bytes, damage_stream, write_record
from pipelines.errors import ConcealError, InputError, Interrupted, UsageError
from pipelines.reading import is_recording
from pipelines.writing import output_file

_EPILOG = """models:
  slice      each slice (NAL unit) is lost as a whole
  picture    whole access units are lost
  rtp        RTP packets of at most --mtu bytes are lost; a NAL unit ends at its first lost fragment, or with
             --closed-up goes on behind it, and nothing tells
  ts         188-byte packets of an MPEG-TS file are lost, whatever they carry
  bytes      in each group of 16 pictures --P lose --S / 2 bytes at the relative position --L of a slice
             (the BSCV benchmark's parameters; it counts S in hexadecimal digits)
  flips      each bit of a slice flips with probability --rate
  zeros      --rate of the slices hold a run of 1 to 32 KiB of zeros
  truncate   the last --rate of the file is cut off

Parameter sets always arrive, except in ts and truncate. The same input, options and seed give the same bytes.

exit codes: 0 done, 1 failed, 2 wrong usage, 3 input cannot be read or holds no H.264 or HEVC, 4 output
cannot be written, 130 interrupted
"""
_MODELS = ("slice", "picture", "rtp", "ts", "bytes", "flips", "zeros", "truncate")
_OPTIONS = {
    "burst": ("slice", "picture", "rtp", "ts"),
    "mtu": ("rtp",),
    "closed_up": ("rtp",),
    "P": ("bytes",),
    "L": ("bytes",),
    "S": ("bytes",),
    "rate": ("slice", "picture", "rtp", "ts", "flips", "zeros", "truncate"),
}
"""Options that only some models take."""


def _arguments() -> Parser:
    parser = Parser(
        prog="conceal-damage",
        description="Damage the H.264 or HEVC video of a file as a lossy channel would, without re-encoding.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("input", metavar="IN", help="any container with H.264 or HEVC, or a raw .264 / .265 file")
    add("output", metavar="OUT", help="the same container; other streams are copied")
    add("--model", choices=_MODELS, default="slice", help="what is lost (default: slice)")
    add("--rate", type=float, help="share that is lost, 0..1 (bytes: use --P)")
    add(
        "--burst",
        type=float,
        metavar="N",
        help="mean length of bursts (Gilbert-Elliott); without: independent",
    )
    add("--mtu", type=int, metavar="BYTES", help="largest RTP payload (default: 1200)")
    add(
        "--closed-up",
        action="store_const",
        const=True,
        help="rtp: keep what follows a lost fragment",
    )
    add("--P", type=int, metavar="N", help="damaged pictures in each group of 16 (default: 1)")
    add("--L", type=float, metavar="X", help="relative position in the NAL unit, 0..1 (default: 0.5)")
    add("--S", type=int, metavar="N", help="twice the bytes to remove (default: 4096, which removes 2048)")
    add("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    add(
        "--spare-first",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the first access unit, normally an IDR picture, whole (default: yes)",
    )
    add("--record", metavar="JSON", help="write what exactly was damaged")
    add("-y", "--overwrite", action="store_true", help="replace OUT and the record if they exist")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    add("--version", action="version", version=f"conceal-damage {__version__}")
    return parser


def _channel(options: argparse.Namespace) -> Channel:
    rate, burst = options.rate, options.burst
    seed, spare = options.seed, options.spare_first
    try:
        match options.model:
            case "slice":
                return SliceLoss(rate, burst=burst, seed=seed, spare_first=spare)
            case "picture":
                return PictureLoss(rate, burst=burst, seed=seed, spare_first=spare)
            case "rtp":
                mtu = 1200 if options.mtu is None else options.mtu
                closed = bool(options.closed_up)
                return RtpLoss(rate, burst=burst, mtu=mtu, closed_up=closed, seed=seed, spare_first=spare)
            case "flips":
                return BitFlips(rate, seed=seed, spare_first=spare)
            case "zeros":
                return ZeroRuns(rate, seed=seed, spare_first=spare)
            case _:
                given = {name: value for name in "PLS" if (value := getattr(options, name)) is not None}
                return ByteRemoval(**given, seed=seed, spare_first=spare)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _file_channel(options: argparse.Namespace) -> TransportStreamLoss:
    try:
        return TransportStreamLoss(
            options.rate, burst=options.burst, seed=options.seed, spare_first=options.spare_first
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check(options: argparse.Namespace) -> None:
    for name, models in _OPTIONS.items():
        if getattr(options, name) is not None and options.model not in models:
            raise UsageError(f"--{name.replace('_', '-')} means nothing to --model {options.model}")
    if options.rate is None and options.model in _OPTIONS["rate"]:
        raise UsageError(f"--model {options.model} needs --rate")
    if options.rate is not None and not 0.0 <= options.rate <= 1.0:
        raise UsageError(f"--rate must be within 0..1, got {options.rate:g}")
    if options.seed < 0:
        raise UsageError(f"--seed must not be negative, got {options.seed}")
    for target in filter(None, (options.output, options.record)):
        output_file.check(target, options.input, options.overwrite)
    if options.record and os.path.realpath(options.record) == os.path.realpath(options.output):
        raise UsageError(f"{options.record}: output and record are the same file")


def _run(options: argparse.Namespace) -> DamageRecord:
    if options.output == output_file.STDOUT or options.input == "-":
        raise UsageError("conceal-damage reads and writes files, not pipes")
    if not os.path.isfile(options.input):
        found = "is not a file" if os.path.exists(options.input) else "no such file"
        raise InputError(f"{options.input}: {found}")
    if is_recording(options.input):
        raise UsageError(f"{options.input}: recordings of RTP are read, not written; drop packets of it instead")
    _check(options)
    if options.model == "truncate":
        record = damage_bytes(options.input, options.output, lambda a, b: truncate(a, b, options.rate))
    elif options.model == "ts":
        record = damage_bytes(options.input, options.output, _file_channel(options).send)
    else:
        record = damage_stream(options.input, options.output, _channel(options))
    record.source = os.path.basename(options.input)
    if options.record:
        write_record(record, options.record)
    return record


def _summary(record: DamageRecord, output: str) -> str:
    if record.file_removed:
        return f"{output}: the last {sum(count for _, count in record.file_removed)} bytes are cut off"
    nals = [nal for unit in record.damaged for nal in unit.nals if is_slice(record.codec, nal.nal_type)]
    lost = sum(nal.dropped for nal in nals)
    hurt = sum(not nal.dropped and not nal.orphaned for nal in nals)
    dropped = sum(unit.dropped for unit in record.damaged)
    packets = f"; {len(record.packets_dropped)} of {record.packets} packets lost" if record.packets else ""
    return (
        f"{output}: {len(record.damaged)} of {record.access_units} pictures damaged, {dropped} "
        f"of them lost whole; {lost} of {record.slices} slices lost, {hurt} damaged inside{packets}"
    )


@contextlib.contextmanager
def _warnings(quiet: bool) -> Iterator[None]:
    """Warnings of the rooms below become lines of this command; FFmpeg's own messages do not."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("conceal-damage: %(message)s"))
    handler.setLevel(logging.ERROR if quiet else logging.WARNING)
    handler.addFilter(lambda entry: not entry.name.startswith("libav"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    try:
        options = parse(_arguments(), sys.argv[1:] if argv is None else argv)
        try:
            with _warnings(options.quiet):
                record = _run(options)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted, nothing written") from error
    except ConcealError as error:
        print(f"conceal-damage: {error}", file=sys.stderr)
        return error.exit_code
    if not options.quiet:
        print(_summary(record, options.output), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
