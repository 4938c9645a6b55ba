"""`dns_zone({...})`: a real name server on loopback that can be made to misbehave.

    async with dns_zone({"pool.test A": "127.0.0.11"}) as zone:
        zone.set("pool.test A", "127.0.0.12")      # flip a record
        zone.fail("pool.test A")                   # SERVFAIL, "*" for every question
        zone.drop("*")                             # silence
        zone.delay = 0.2                           # seconds before each answer
        zone.heal()
        zone.asked("pool.test A")                  # how often it was asked

Names that are not in the zone do not exist (NXDOMAIN).
"""

import asyncio
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.rdatatype

from proxy.lab.dns_server import ZoneServer


class MisbehavingZone(ZoneServer):
    """A ZoneServer with knobs and a log of (``"name TYPE"``, transport)."""

    def __init__(self, records, **more):
        super().__init__(records, **more)
        self.delay = 0.0
        self.queries = []
        self._rcodes = {}
        self._silent = set()

    def fail(self, key="*", rcode="SERVFAIL"):
        """Answer this question with an error code."""
        self._rcodes[key] = dns.rcode.from_text(rcode)

    def drop(self, key="*"):
        """Do not answer this question."""
        self._silent.add(key)

    def heal(self):
        """Behave again."""
        self._rcodes.clear()
        self._silent.clear()
        self.delay = 0.0

    def asked(self, key=None):
        """How often this question (every question) was asked."""
        return sum(key in (None, asked) for asked, _ in self.queries)

    async def respond(self, query, transport):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        key = f"{name} {dns.rdatatype.to_text(question.rdtype)}"
        self.queries.append((key, transport))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self._silent & {key, "*"}:
            return None
        rcode = self._rcodes.get(key, self._rcodes.get("*"))
        if rcode is not None:
            response = dns.message.make_response(query)
            response.set_rcode(rcode)
            return response
        return self.answer(query)


@asynccontextmanager
async def dns_zone(records, **more):
    """Serve ``records`` while the block runs; ``more`` as `ZoneServer` has it."""
    zone = MisbehavingZone(records, **more)
    await zone.start()
    try:
        yield zone
    finally:
        await zone.stop()
