"""The child process of `remote.RemoteCarrier`: jobs on standard input, answers on standard output."""

from __future__ import annotations

import pickle
import signal
import sys

from concealer.splice.carrier import Carrier, open_carrier
from concealer.splice.remote import send
from concealer.standins import UnsupportedStandInError


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    source, target = sys.stdin.buffer, sys.stdout.buffer
    codec, parameter_sets, seconds = pickle.load(source)
    carrier: Carrier | None = None
    while True:
        try:
            job = pickle.load(source)
        except EOFError:
            return
        try:
            carrier = carrier or open_carrier(codec, parameter_sets, seconds)
            answer: object = carrier.carry(job)
        except UnsupportedStandInError as error:
            answer = error
        except Exception as error:  # the parent has one line for it, this process no terminal
            answer = RuntimeError(f"{type(error).__name__} while slices were written: {error}")
        send(target, answer)


if __name__ == "__main__":
    main()
