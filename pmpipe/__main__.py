"""The program's beginning; ``python -m pmpipe`` is the same as ``pmpipe``."""

import signal


def entry() -> None:
    """The console script. Does not return."""
    # Nothing has been begun as long as modules are loaded: Ctrl-C ends us at once, without a trace of where we were,
    # and without an exception in the middle of loading extension modules, which some of them do not survive.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pmpipe.cli.main import entry

    entry()


if __name__ == "__main__":
    entry()
