"""Jobs that take a while and are watched meanwhile: their lines, then how they ended.

A job goes on when its page is closed, and is there when its owner comes back.  Only the
last few are kept, and each is shown only to whoever has begun it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from proxy.admin.doctor.verdicts import Step
from proxy.console.problems import Problem, problem_of

log = structlog.get_logger()

KEPT: Final = 20

Work = Callable[["Job"], Awaitable[Any]]


@dataclass(slots=True)
class Job:
    """One of them; ``result`` when it has ended well, else ``problem``.

    ``again`` is ``yes`` for another try of a cutover that was rolled back.
    """

    number: int
    who: tuple[str, str]
    steps: list[Step] = field(default_factory=list)
    is_done: bool = False
    result: Any = None
    problem: Problem | None = None
    again: str = ""


class Jobs:
    """Those of one console."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = 0

    def begin(self, who: tuple[str, str], work: Work) -> Job:
        """Start one; raises Problem when somebody has one going already."""
        if any(each.who == who and not each.is_done for each in self._jobs.values()):
            raise Problem(409, "the one before is still at it: wait until it has ended")
        self._last += 1
        job = Job(self._last, who)
        self._jobs[job.number] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        task = asyncio.ensure_future(self._run(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _run(self, job: Job, work: Work) -> None:
        try:
            job.result = await work(job)
        except Exception as error:
            job.problem = problem_of(error)
            if job.problem is None:
                log.error("console.failed", path="job", exc_info=error)
                job.problem = Problem(
                    500, "a fault of ours; it is in the console's log"
                )
        finally:
            job.is_done = True

    def find(self, number: int, who: tuple[str, str]) -> Job:
        """One that somebody has begun; raises Problem."""
        job = self._jobs.get(number)
        if job is None or job.who != who:
            raise Problem(404, "this is not known any more: look at the page anew")
        return job
