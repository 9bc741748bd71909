"""What can go wrong between a network and its machine. Every message is one line, fit to show to a user."""

from __future__ import annotations


class EngineError(Exception):
    """A network cannot be read, compiled or run."""


class ModelError(EngineError):
    """A file is damaged, or not what its table entry says; or it is no table, or the network is not in it."""


class NotInstalledError(EngineError):
    """A file of the table is not there: the wheel carries only the networks that `conceal` opens by itself.

    No `ModelError`: a backend that needs the file is out of the question here, another may do without it.
    """


class BackendError(EngineError):
    """One backend cannot do it here; another may. The message says what to install or why not."""


def one_line(error: BaseException) -> str:
    """The first line that says something of any exception's message, at most 300 characters."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    # OpenVINO begins with the places in its sources.
    told = [line for line in lines if line and not line.startswith("Exception from ")]
    text = next(iter(told), "") or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
