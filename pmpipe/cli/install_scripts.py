"""`pmpipe install-scripts approve|deny|ls|prune`, `approve-scripts` and `deny-scripts`: whose scripts may run.

What is decided is written to ``allowScripts`` in the project's package.json; nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.wording import some_of
from pmpipe.errors import ScriptError, UsageError
from pmpipe.lifecycle.gate import ScriptGate
from pmpipe.lifecycle.review import Subject, called, grouped, subjects, unreviewed
from pmpipe.lifecycle.standing_tree import known_tree
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.manifests.manifest_text import ManifestText, read_manifest_text
from pmpipe.npm.scripts.script_approval import Candidate, Changed, Unused, approve, deny, unused
from pmpipe.npm.texts.text import plural, printable
from pmpipe.project.find_project import find_root
from pmpipe.project.missing_files import no_manifest
from pmpipe.project.project_files import MANIFEST, read_file
from pmpipe.project.project_lock import project_lock
from pmpipe.project.project_write import ProjectWrite, recover
from pmpipe.session import Session
from pmpipe.system.interrupts import note_done

_FIELD = "allowScripts"

#: What a removed entry lacks, in our words.
_REASONS = {"not-installed": "no such package", "no-scripts": "no install scripts"}

_VERBS = {"approve": "approve", "deny": "deny", "ls": "ls", "list": "ls", "prune": "prune"}


def run_install_scripts(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Decide about install scripts, or list those that nobody has decided about; the exit status.

    Raises:
        PmpipeError: it could not be done, and package.json is as it was.
    """
    folder, _ = find_root(line.settings)
    with project_lock(folder, tell):
        recover(folder)
        # only now: another run may have changed what is read here
        session = Session.open(line.settings, environ, folder)
        verb, words = _read(line, session)
        output = Output(session.config.loglevel, json=session.config.json)
        _Job(session, words, output).run(verb)
    return 0


def _read(line: CommandLine, session: Session) -> tuple[str, list[str]]:
    """What is to be done, with which packages.

    Raises:
        UsageError: the words do not go together.
    """
    settings = session.config.settings
    if line.command == "install-scripts":
        verb, words = _VERBS.get(line.words[0] if line.words else "", ""), line.words[1:]
        if not verb:
            raise UsageError("pmpipe install-scripts wants one of approve, deny, ls, prune")
    else:
        verb, words = line.command.removesuffix("-scripts"), line.words
        if settings["allow-scripts-pending"]:
            if verb == "deny":
                raise UsageError("deny-scripts lists nothing", hint="`pmpipe install-scripts ls` does")
            verb = "ls"
    if verb in ("ls", "prune"):
        if words or settings["all"]:
            raise UsageError(f"{verb} takes neither names nor --all, got {some_of(words) or '--all'}")
    elif bool(words) == bool(settings["all"]):
        raise UsageError(
            f"{verb} wants the names of packages, or --all, and not both",
            hint="`pmpipe install-scripts ls` lists those that nobody has approved or denied",
        )
    return verb, words


class _Job(msgspec.Struct, dict=True):
    """One command on a project that is locked.

    Attributes:
        session: the project.
        words: what packages are called; empty for all.
        output: where words go.
    """

    session: Session
    words: Sequence[str]
    output: Output

    def __post_init__(self) -> None:
        self._home = self.session.environ.get("HOME", "")
        manifest = read_file(self.session.folder, MANIFEST)
        if manifest is None:
            raise no_manifest(self.session.folder)
        read_manifest(manifest, MANIFEST)
        self._text: ManifestText = read_manifest_text(manifest, MANIFEST)
        field = self._text.document.get(_FIELD)
        self._entries: dict[str, object] = dict(field) if isinstance(field, Mapping) else {}

    def run(self, verb: str) -> None:
        """Do it."""
        session = self.session
        if not session.config.package_lock:
            # npm neither reads nor writes it then
            session.disregard_lock()
        store = session.store()
        store.open(tell)
        try:
            known = known_tree(session, store)
            gate = ScriptGate.of(known.session)
            found = subjects(known.wanted.tree, session.folder, gate, self._home)
        finally:
            store.close()
        if verb == "prune":
            self._prune(found)
            return
        self.output.warn(gate.warnings)
        if verb == "ls":
            self._list(unreviewed(found, gate))
        else:
            chosen = self._called(found) if self.words else list(unreviewed(found, gate))
            self._decide(verb, chosen)

    # -- what is to be decided ------------------------------------------------------------------------------------

    def _list(self, pending: Mapping[Subject, Mapping[str, str]]) -> None:
        if self.output.json:
            groups: dict[str, list[dict[str, str]]] = {}
            for subject in pending:
                groups.setdefault(subject.names[0], []).append({"key": subject.label, "change": "pending"})
            self._document([{"name": name, "changes": changes} for name, changes in groups.items()])
            return
        if not pending:
            self.output.say(_NOTHING_PENDING)
            return
        # one package in several places is one to decide about
        lines = dict.fromkeys(
            f"{subject.label} ({'; '.join(f'{event}: {command}' for event, command in commands.items())})"
            for subject, commands in pending.items()
        )
        packages = plural(len(lines), "package has", "packages have")
        self.output.say(f"{packages} install scripts that nobody has approved or denied:")
        for line in lines:
            self.output.say(f"  {printable(line)}")
        self.output.note(
            "hint: `pmpipe install-scripts approve NAME` lets them run, `deny NAME` says that they are not needed"
        )

    def _called(self, found: Sequence[Subject]) -> list[Subject]:
        """The packages that the words mean.

        Raises:
            ScriptError: a word means none.
        """
        folder = self.session.folder
        by_word = {word: called(word, found, folder, self._home) for word in self.words}
        wrong = [word for word, chosen in by_word.items() if not chosen]
        if wrong:
            scripted = sorted({subject.label for subject in found if subject.commands()})
            raise ScriptError(
                f"no package of this project is called {some_of(wrong)}",
                details=[f"with install scripts: {some_of(scripted, 20)}" if scripted else "none has install scripts"],
            )
        return [subject for chosen in by_word.values() for subject in chosen]

    # -- what is decided ------------------------------------------------------------------------------------------

    def _decide(self, verb: str, chosen: Sequence[Subject]) -> None:
        folder, pin = self.session.folder, bool(self.session.config.settings["allow-scripts-pin"])
        groups = grouped(chosen, folder, self._home)
        entries, changes, warnings = self._entries, {}, []
        for name, sources in groups.items():
            changed: Changed
            if verb == "approve":
                changed = approve(entries, sources, pin=pin, folder=folder, home=self._home)
            else:
                changed = deny(entries, sources, folder=folder, home=self._home)
            entries = changed.entries
            changes[name] = [{"key": one.key, "change": one.change} for one in changed.changes]
            warnings += [changed.warning] if changed.warning else []
        keyless = [one.label for one in chosen if not grouped([one], folder, self._home)]
        if keyless:
            warnings.append(f"nothing vouches for what these are, so no entry can mean them: {some_of(keyless)}")
        self.output.warn(warnings)
        self._write(entries)
        if self.output.json:
            self._document([{"name": name, "changes": some} for name, some in changes.items()])
        else:
            self._tell(verb, changes)

    def _tell(self, verb: str, changes: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        if not changes:
            # where all that was called is without a key, a warning has said so
            self.output.say(f"nothing to {verb}: {_FIELD} stays as it is" if self.words else _NOTHING_PENDING)
            return
        done = {"approve": "approved", "deny": "denied"}[verb]
        changed = {name: some for name, some in changes.items() if some}
        for name, some in changed.items():
            self.output.say(f"{'would have ' if self._is_dry else ''}{done} {printable(name)}:")
            for one in some:
                self.output.say(f"  {one['change']} {printable(one['key'])}")
        if not changed:
            self.output.say(f"nothing to {verb}: {_FIELD} stays as it is")
        elif verb == "approve":
            self.output.note("hint: `pmpipe install` runs the scripts of what is installed already")

    # -- what is not needed ---------------------------------------------------------------------------------------

    def _prune(self, found: Sequence[Subject]) -> None:
        candidates = [Candidate(subject.source, bool(subject.commands())) for subject in found]
        pruned = unused(self._entries, candidates, folder=self.session.folder, home=self._home)
        self._write(pruned.entries)
        if self.output.json:
            removed = [{"key": one.key, "value": one.value, "reason": one.reason} for one in pruned.removed]
            self._document({"removed": removed, "dryRun": self._is_dry})
        else:
            self._tell_pruned(pruned.removed)

    def _tell_pruned(self, removed: Sequence[Unused]) -> None:
        if not removed:
            self.output.say(f"every entry of {_FIELD} has an effect")
            return
        done = "would remove" if self._is_dry else "removed"
        count = plural(len(removed), "entry that has", "entries that have")
        self.output.say(f"{done} {count} no effect from {_FIELD}:")
        for one in removed:
            self.output.say(f"  {printable(one.key)} ({_REASONS[one.reason]})")

    # -- package.json ---------------------------------------------------------------------------------------------

    @property
    def _is_dry(self) -> bool:
        return self.session.config.dry_run

    def _write(self, entries: Mapping[str, object]) -> None:
        """Have package.json say this; the field goes when it is empty."""
        # to Python, 1 is the same as true
        if self._is_dry or msgspec.json.encode(entries) == msgspec.json.encode(self._entries):
            return
        document: dict[str, Any] = {**self._text.document, _FIELD: entries}
        if not entries:
            del document[_FIELD]
        data = self._text.rewritten(document)
        if data is not None:
            ProjectWrite(self.session.folder, {MANIFEST: data}).apply()
            note_done()

    def _document(self, content: object) -> None:
        self.output.document({_FIELD: content})


_NOTHING_PENDING = "no package has install scripts that nobody has approved or denied"
