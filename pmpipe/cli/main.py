"""The program's entry: reads the command line, runs the command, and turns errors into words and an exit status."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pmpipe.cli.options import CommandLine, parse
from pmpipe.errors import EXIT_CRASH, EXIT_FAILURE, HostError, PmpipeError, SignalError
from pmpipe.system.ending import end

if TYPE_CHECKING:
    from pmpipe.system.interrupts import CancelledError

Command = Callable[[CommandLine, Mapping[str, str]], int]

_BUG = "this is a bug of pmpipe: please report it with the lines above"

#: Told where there is not even memory for the words of an error.
_NO_MEMORY = b"error[PM_HOST]: there is not enough memory\nhint: check the limits on memory (ulimit -a)\n"


def entry() -> None:
    """The console script. Does not return."""
    # a run ends before cycles would matter, and looking for them among tens of thousands of entries takes its time
    gc.disable()
    _begin_in_utf8()
    _open_closed_streams()
    for stream in _streams():
        # where a terminal cannot show a character, a message about it must not fail
        stream.reconfigure(errors="backslashreplace")
    status = 0
    try:
        status = main(sys.argv[1:], os.environ)
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
    except MemoryError:
        status = max(status, EXIT_FAILURE)
        with contextlib.suppress(OSError):
            os.write(2, _NO_MEMORY)
    except BrokenPipeError:
        # whoever read our output has gone; the work itself is done or has been put back
        status = max(status, _give_up_output())
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error[PM_OUTPUT]: cannot write what there is to tell: {error.strerror}\n")
            sys.stderr.flush()
        # what has failed before that counts more
        status = max(status, _give_up_output())
    # every child has been waited for, every file is closed: taking the interpreter apart only costs time
    if "COVERAGE_RUN" in os.environ or "COVERAGE_PROCESS_START" in os.environ:
        sys.exit(status)
    end(status)


def _begin_in_utf8() -> None:
    """Begin anew where the locale has the interpreter take names of files for something else than UTF-8.

    Names go into lockfiles and messages as text, and come out of them; npm takes them for UTF-8 whatever the locale.
    """
    flags = ["-X", "utf8"]
    given = sys.orig_argv[1:]
    # whoever says otherwise on the interpreter's own line is let have it
    if sys.getfilesystemencoding() == "utf-8" or given[:2] == flags or not sys.executable:
        return
    os.execv(sys.executable, [sys.executable, *flags, *given])  # noqa: S606 - it is this very process


def _open_closed_streams() -> None:
    """Have something behind each standard stream, as Node.js does.

    Whoever started us may have closed them. Then a file that is opened would become standard output, and `print` would
    write to standard output what is meant for standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # the lowest number that is free is this one: those before it have been seen to
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _give_up_output() -> int:
    from pmpipe.cli.output import write_to_nowhere

    for stream in _streams():
        write_to_nowhere(stream)
    return EXIT_FAILURE


def _streams() -> list[TextIOWrapper]:
    """Standard output and error."""
    return [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit status; see `pmpipe.errors` for the contract.

    Raises:
        BrokenPipeError: nobody reads our output any more.
        OutputError: standard output cannot be written.
    """
    from pmpipe.cli.output import OutputError
    from pmpipe.system.interrupts import CancelledError, cancel_on_signals

    try:
        with cancel_on_signals():
            line = parse(arguments)
            return _find(line, environ)(line, environ)
    except SystemExit:
        return 0  # the help or the version was asked for, and has been printed
    except PmpipeError as error:
        return _tell_failure(error, arguments, environ)
    except CancelledError as cancelled:
        return _end_cancelled(cancelled, arguments, environ)
    except (BrokenPipeError, OutputError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the user is told what to report
        # a signal while a class is made: Python 3.11 and before raises a RuntimeError of its own from it
        if isinstance(error.__cause__, CancelledError):
            return _end_cancelled(error.__cause__, arguments, environ)
        if (shortage := HostError.shortage(error)) is not None:
            return _tell_failure(shortage, arguments, environ)
        _tell_bug(error)
        with contextlib.suppress(OSError):
            _answer(PmpipeError(f"{type(error).__name__}: {error}", hint=_BUG), arguments, environ)
        return EXIT_CRASH


def _tell_failure(error: PmpipeError, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Say what has failed, and what to do; the exit status."""
    from pmpipe.cli.output import tell_error
    from pmpipe.npm.texts.text import for_reader

    # whatever texts of a lockfile or registry are in it, none may steer the terminal or tell a secret
    tell_error("\n".join(map(for_reader, str(error).split("\n"))))
    _answer(error, arguments, environ)
    return error.status


def _end_cancelled(cancelled: CancelledError, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Say what a signal has left; the exit status."""
    ended = SignalError(cancelled.signal_number, cancelled.state)
    # the terminal may be what has gone
    with contextlib.suppress(OSError):
        print(f"\npmpipe: stopped; {cancelled.state}", file=sys.stderr)
    with contextlib.suppress(OSError):
        _answer(ended, arguments, environ)
    return ended.status


def _answer(error: PmpipeError, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Print the JSON document of a failure where one is wanted; see `pmpipe.cli.failure.tell_failure`."""
    from pmpipe.cli.output import Output

    if Output.is_asked or _wants_document(arguments, environ):
        from pmpipe.cli.failure import tell_failure

        tell_failure(error)


def _wants_document(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether ``--json`` was asked for, be it on a line that cannot be read, or by a variable.

    This is for failures from before the settings are known.
    """
    for argument in reversed(arguments):
        if argument in ("--json", "--json=true", "--no-json", "--json=false"):
            return argument in ("--json", "--json=true")
    return any(name.lower() == "npm_config_json" and value == "true" for name, value in environ.items())


def _find(line: CommandLine, environ: Mapping[str, str]) -> Command:
    command = line.command
    if _is_global(line.settings, environ) and command not in ("store", "completion"):
        from pmpipe.cli.globally import run_globally

        return run_globally
    if command in ("remove", "update", "dedupe", "find-dupes", "prune"):
        from pmpipe.cli.changing import run_change

        return run_change
    if command in ("ci", "install"):
        from pmpipe.cli.install import run_install

        return run_install
    if command in ("install-scripts", "approve-scripts", "deny-scripts"):
        from pmpipe.cli.install_scripts import run_install_scripts

        return run_install_scripts
    if command == "rebuild":
        from pmpipe.cli.rebuild import run_rebuild

        return run_rebuild
    if command == "verify":
        from pmpipe.cli.verify import run_verify

        return run_verify
    if command == "store":
        from pmpipe.cli.store import run_store

        return run_store
    from pmpipe.cli.completion import run_completion

    return run_completion


def _is_global(settings: Mapping[str, object], environ: Mapping[str, str]) -> bool:
    if "global" in settings:
        return settings["global"] not in (False, "false")
    # npm reads its variables in any case
    given = {name.lower(): value for name, value in environ.items() if name[:11].lower() == "npm_config_"}
    if "location" not in settings and given.get("npm_config_global") == "true":
        return True
    return settings.get("location", given.get("npm_config_location")) == "global"


def _tell_bug(error: Exception) -> None:
    import traceback

    from pmpipe.cli.output import tell_error

    trace = "".join(traceback.format_exception(error))
    tell_error(f"error[PM_INTERNAL]: {type(error).__name__}: {error}\n{trace}hint: {_BUG}")
