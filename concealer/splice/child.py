"""The child process of `remote.RemoteCarrier`: units on standard input, answers on standard output.

    python -I -S child.py CONCEALER FOLDER...

CONCEALER is the folder of the package, FOLDERs are those that hold the libraries it needs. Python starts with its
standard library alone (-I, -S); what is found beyond that lies in the FOLDERs. The package is loaded from its own
folder, not from the one around it, and neither the current folder nor anything of the environment is searched: a
numpy.py that lies beside the user's video is not to be run.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

READY = b"%d.%d\n" % sys.version_info[:2]
"""What a child says when it runs, before it loads anything: parent and child must be of one version."""


def main(arguments: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    package, *folders = arguments
    try:
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
    except OSError:  # the parent is gone already
        os._exit(1)
    sys.path += folders
    _load(Path(package))
    _serve()


def _load(folder: Path) -> None:
    """Import the package that lies in `folder` under its name."""
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)


def _serve() -> None:
    from concealer.splice.carriers import Carrier, open_carrier
    from concealer.standins import UnsupportedStandInError

    source, target = sys.stdin.buffer, sys.stdout.buffer
    carrier: Carrier | None = None
    parameters = None
    while True:
        try:
            unit = pickle.load(source)
        except (EOFError, pickle.UnpicklingError):  # the parent has closed its end, or is gone
            return
        if parameters is None:
            parameters = codec, parameter_sets, seconds = unit
            continue
        try:
            carrier = carrier or open_carrier(codec, parameter_sets, seconds)
            answer: object = carrier.carry(unit)
        except UnsupportedStandInError as error:
            answer = error
        except Exception as error:  # the parent has one line for it, this process no terminal
            answer = RuntimeError(f"{type(error).__name__} while slices were written: {error}")
        try:
            pickle.dump(answer, target, pickle.HIGHEST_PROTOCOL)
            target.flush()
        except OSError:  # the parent is gone: nobody is left to be told, not at the interpreter's end either
            os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
