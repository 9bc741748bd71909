"""What can go wrong with a file, and the exit code each kind gives the command line."""

from __future__ import annotations


class ConcealError(Exception):
    """Processing failed. The message is one line, fit to show to the user as it is."""

    exit_code = 1


class UsageError(ConcealError):
    """The request makes no sense: unknown encoder, same file in and out, output exists."""

    exit_code = 2


class InputError(ConcealError):
    """The input cannot be read, is encrypted, or holds no H.264 or HEVC video."""

    exit_code = 3


class NoVideoError(InputError):
    """The input can be read, and holds no H.264 or HEVC video."""


class NothingOfUseError(ConcealError):
    """A stream joined in its middle has no picture that is worth showing."""


class CannotKeepError(ConcealError):
    """The rest of a damaged stream cannot stay as it is in this way."""


class OutputError(ConcealError):
    """The output cannot be written, or its container cannot hold the video."""

    exit_code = 4


class NotShownError(OutputError):
    """The output is complete, but players would not show all that was given to it."""


class Interrupted(ConcealError):  # noqa: N818 - it is no error of anyone
    """Stopped by the user before the end."""

    exit_code = 130


def one_line(error: BaseException) -> str:
    """The message of any exception on one line, never empty."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__
