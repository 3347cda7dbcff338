"""What crosses the queues to and from script: lifecycle scripts of packages and of linked folders."""

from __future__ import annotations

from typing import Literal, TypeAlias

from stages.messages.base import JobId, Message

#: Where what a script writes is shown; empty: it is kept.
ShownOn: TypeAlias = Literal["", "stdout", "stderr"]


class RunScript(Message, frozen=True):
    """Run the command that a package has for one event, if it has one.

    Attributes:
        job: this job's number.
        label: ``name@version`` for messages.
        event: ``postinstall``, for example.
        folder: absolute path of the package, where the command runs.
        shell: the program that gets the command, by name or path.
        variables: for its environment, beside those that all scripts have.
        shown_on: it writes there, below a line that says whose script it is.
    """

    job: JobId
    label: str
    event: str
    folder: str
    shell: str
    variables: dict[str, str]
    shown_on: ShownOn


class ScriptRan(Message, frozen=True):
    """The command has ended, or there is none.

    Attributes:
        job: the job's number.
        command: what was run; empty if there is none.
        status: its exit status; minus the signal's number if one ended it.
        output: the end of what it has written, if that was kept.
    """

    job: JobId
    command: str = ""
    status: int = 0
    output: str = ""
