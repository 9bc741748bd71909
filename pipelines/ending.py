"""How a command over many files ends: with an exit code, and one line where anything went wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipelines.errors import ConcealError, Interrupted, OutputError, one_line
from pipelines.stopping import signals, silence_stdout


def run_command(work: Callable[[Callable[[], bool]], int], say: Callable[[str], None]) -> int:
    """The exit code of `work`, which is given what tells whether it is to stop. say: writes a line to the user."""
    handler = logging.NullHandler()  # each file's line says what there is to say
    logging.getLogger().addHandler(handler)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    stop = threading.Event()
    try:
        with signals(stop):
            return work(stop.is_set)
    except ConcealError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        silence_stdout()
        say("standard output was closed")
        return OutputError.exit_code
    except Exception as error:  # the last resort: a user gets one line, never a traceback
        say(f"failed: {one_line(error)} ({type(error).__name__})")
        return 1
    finally:
        logging.getLogger().removeHandler(handler)
