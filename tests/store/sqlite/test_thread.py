"""The one thread in which a store works."""

import asyncio
import threading

import pytest

from proxy.store.sqlite.thread import StoreThread


async def test_work_is_done_in_order_in_one_thread_that_is_not_ours():
    thread = StoreThread()
    done: list[int] = []
    names = set()

    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        done.append(number)
        return number

    futures = [thread.do(lambda n=n: work(n)) for n in range(50)]
    assert await asyncio.gather(*futures) == done == list(range(50))
    assert names == {"waypost-store"}
    thread.end()


async def test_an_error_is_that_of_its_work_alone():
    thread = StoreThread()
    bad, good = thread.do(lambda: 1 / 0), thread.do(lambda: 7)
    with pytest.raises(ZeroDivisionError):
        await bad
    assert await good == 7
    thread.end()


async def test_what_is_cancelled_before_its_turn_is_not_done():
    thread = StoreThread()
    gate = threading.Event()
    done: list[str] = []
    first = thread.do(gate.wait)
    second = thread.do(lambda: done.append("second"))
    second.cancel()
    third = thread.do(lambda: done.append("third"))
    gate.set()
    await third
    assert first.done() and done == ["third"]
    thread.end()


async def test_what_is_cancelled_while_it_is_done_is_done_and_harms_nobody():
    thread = StoreThread()
    begun, gate = threading.Event(), threading.Event()
    first = thread.do(lambda: (begun.set(), gate.wait()))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    first.cancel()
    gate.set()
    assert await thread.do(lambda: 7) == 7
    thread.end()


def test_a_loop_that_is_closed_meanwhile_does_not_end_the_thread():
    thread = StoreThread()
    gate = threading.Event()

    async def begin() -> None:
        thread.do(gate.wait)

    asyncio.run(begin())
    gate.set()

    async def ask() -> int:
        return await thread.do(lambda: 7)

    assert asyncio.run(ask()) == 7
    thread.end()


async def test_the_thread_ends_when_what_it_was_given_is_done():
    before = {each.ident for each in threading.enumerate()}
    thread = StoreThread()
    (mine,) = [each for each in threading.enumerate() if each.ident not in before]
    last = thread.do(lambda: 7)
    thread.end()
    assert await last == 7
    await asyncio.to_thread(mine.join, 10)
    assert not mine.is_alive()
