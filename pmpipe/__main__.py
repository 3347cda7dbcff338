"""The program's beginning; ``python -m pmpipe`` is the same as ``pmpipe``."""

import signal


def entry() -> None:
    """The console script. Does not return."""
    # Nothing has been begun as long as modules are loaded: Ctrl-C ends us at once, without a trace of where we were,
    # and without an exception in the middle of loading extension modules, which some of them do not survive. That a
    # shell has its background jobs begin with SIGINT ignored does not count, here as later, nor does it in Node.js.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pmpipe.cli.main import entry

    entry()


if __name__ == "__main__":
    entry()
