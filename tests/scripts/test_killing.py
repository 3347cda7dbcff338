"""What the kill test does to processes: it kills who it says, and waits for who is left."""

import os
import random
import signal
import subprocess

from killing import processes
from killing.processes import Instant, run_and_kill, run_and_kill_one
from support.project import wait_until

#: a process that waits for another, and ends as that one does
WAITING = ["bash", "-c", "sleep 100 & echo $$ > group; : > ready; wait $!"]

#: as soon as both are there
READY = Instant(0.0, 0.0)


def ended_process():
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid, "true"


def kill_one(folder):
    return run_and_kill_one(WAITING, dict(os.environ), str(folder), READY, f"{folder}/ready", random.Random(1))


def test_all_processes_of_a_group_are_killed(tmp_path):
    status = run_and_kill(WAITING, dict(os.environ), str(tmp_path), READY, str(tmp_path / "ready"))
    assert status == -signal.SIGKILL
    group = int((tmp_path / "group").read_text())
    wait_until(lambda: not processes._members(group), "the other one has ended, too")


def test_one_process_is_killed_and_the_others_end(tmp_path, monkeypatch):
    members = processes._members
    monkeypatch.setattr(processes, "_members", lambda group: [one for one in members(group) if one[0] != group])
    killed = kill_one(tmp_path)
    assert (killed.is_leader, killed.hung) == (False, False)
    assert killed.ran.status == 128 + signal.SIGKILL


def test_who_has_ended_meanwhile_is_no_victim(tmp_path, monkeypatch):
    members, ended = processes._members, [ended_process()]
    monkeypatch.setattr(
        processes,
        "_members",
        lambda group: [ended.pop()] if ended else [one for one in members(group) if one[0] == group],
    )
    killed = kill_one(tmp_path)
    assert (killed.name, killed.is_leader) == ("bash", True)
