"""The git commands of the fetch process: so many at a time, each a task on its loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from stages.fetch import FetchSettings
from stages.messages import FetchGit, FindGitCommit, JobId, Result


class GitJobs:
    """Jobs that wait for a free place, and those that run.

    Args:
        settings: fetch's; `maximum_git_jobs` run at a time.
        loop: the process's.
        take: called with a job when it begins, and when it crashes.
        finish: called with the result of each job; of one that was withdrawn, that of `withdrawn`.
        withdrawn: makes the result of a job that was given up.
        crash: called from within the ``except`` of what no job may raise; does not return.
    """

    def __init__(
        self,
        settings: FetchSettings,
        loop: asyncio.AbstractEventLoop,
        *,
        take: Callable[[JobId], None],
        finish: Callable[[Result], None],
        withdrawn: Callable[[JobId, str], Result],
        crash: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._take = take
        self._finish = finish
        self._withdrawn = withdrawn
        self._crash = crash
        self._waiting: deque[FetchGit | FindGitCommit] = deque()
        self._running: dict[JobId, asyncio.Task[None]] = {}
        #: the process ends, and nobody takes results any more
        self._ended = False

    @property
    def is_running(self) -> bool:
        """Whether any command runs."""
        return bool(self._running)

    def add(self, job: FetchGit | FindGitCommit) -> None:
        """Have a job done; `start` begins it."""
        self._waiting.append(job)

    def start(self) -> None:
        """Begin as many of the waiting jobs as there are free places."""
        while self._waiting and len(self._running) < self._settings.maximum_git_jobs:
            job = self._waiting.popleft()
            self._take(job.job)
            self._running[job.job] = self._loop.create_task(self._run(job))

    def withdraw(self, number: JobId) -> bool:
        """Give up a job.

        Returns:
            whether it is one of these; its result follows.
        """
        task = self._running.get(number)
        if task is not None:
            task.cancel()
            return True
        for job in self._waiting:
            if job.job == number:
                self._waiting.remove(job)
                self._finish(self._withdrawn(number, job.label))
                return True
        return False

    def end(self) -> None:
        """Stop all that runs, and wait for it; the loop stands still."""
        self._ended = True
        for task in self._running.values():
            task.cancel()
        if self._running:
            self._loop.run_until_complete(asyncio.wait(self._running.values()))

    async def _run(self, job: FetchGit | FindGitCommit) -> None:
        try:
            result = await self._result_of(job)
        except asyncio.CancelledError:
            if self._ended:
                raise
            result = self._withdrawn(job.job, job.label)
        except Exception:
            # a task's exception would only be seen by somebody who asks the task for it
            self._take(job.job)
            self._crash()
            raise
        del self._running[job.job]
        self._finish(result)

    async def _result_of(self, job: FetchGit | FindGitCommit) -> Result:
        # a fifth of all that this process would load, and few projects have such dependencies
        from stages.git.checkout import GitSettings, fetch_git
        from stages.git.refs import find_commit

        settings = GitSettings.of(self._settings)
        return await (fetch_git(job, settings) if isinstance(job, FetchGit) else find_commit(job, settings))
