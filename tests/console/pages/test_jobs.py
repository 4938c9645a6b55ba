"""Jobs: one for each at a time, shown to nobody else, and the last few kept."""

import asyncio

import pytest

from proxy.admin.control import ControlError
from proxy.console.pages.jobs import KEPT, Jobs
from proxy.console.problems import Problem

ANNA, BEA = ("person", "anna"), ("person", "bea")


async def ended(job):
    while not job.is_done:
        await asyncio.sleep(0)
    return job


async def test_a_job_ends_with_a_result_or_a_problem():
    jobs = Jobs()

    async def well(job):
        return 7

    async def refused(job):
        raise ControlError("not like this")

    async def broken(job):
        raise ValueError("secret")

    assert (await ended(jobs.begin(ANNA, well))).result == 7
    problem = (await ended(jobs.begin(ANNA, refused))).problem
    assert (problem.status, str(problem)) == (422, "not like this")
    problem = (await ended(jobs.begin(ANNA, broken))).problem
    assert problem.status == 500
    assert "secret" not in str(problem)


async def test_one_at_a_time_for_each_and_nobody_else_sees_it():
    jobs, go = Jobs(), asyncio.Event()

    async def waits(job):
        await go.wait()

    job = jobs.begin(ANNA, waits)
    with pytest.raises(Problem, match="still at it"):
        jobs.begin(ANNA, waits)
    other = jobs.begin(BEA, waits)
    assert jobs.find(job.number, ANNA) is job
    with pytest.raises(Problem):
        jobs.find(job.number, BEA)
    go.set()
    await ended(job)
    await ended(other)
    for _ in range(KEPT):
        await ended(jobs.begin(ANNA, waits))
    with pytest.raises(Problem):
        jobs.find(job.number, ANNA)
