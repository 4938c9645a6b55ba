"""The legacy client's journey as the doctor plays it, judged.

Through the proxy, on every listener that answers, to the channel and back
(``journey/probe.py``).  What is only planned is not routed yet: then straight to every
front end of its pool, as the proxy would ask it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.admin.doctor.listeners import Listener
from proxy.admin.doctor.pool_context import pool_context, source_towards
from proxy.admin.doctor.verdicts import Step
from proxy.config import Config
from proxy.endpoints.canary import pool_for
from proxy.endpoints.model import Endpoint
from proxy.endpoints.usage_book import DOCTOR
from proxy.journey.probe import Probe, Way, probe
from proxy.pools.front_end import FrontEnd

_TITLES: Final = {
    "INVITE": ("connect", "INVITE"),
    "INFO requri": ("requri", "rpl-requri"),
    "BYE": ("BYE",),
    "channel INVITE": ("channel-INVITE",),
    "channel INFO bjoin": ("bjoin", "rpl-bjoin"),
    "channel BYE": ("channel-BYE",),
}
"""What people read, and the steps of the probe that it is made of."""
_FIXES: Final = {
    "connect": "nobody takes connections there",
    "channel-INVITE": "the URI that the lookup handed out leads nowhere: look at the "
    "pool's channel service, and in Lync at the route of that URI",
}
_COMES_BACK: Final = (
    "; its reply is a request of its own, so it must resolve and reach the name that "
    "we write into Record-Route (advertised_host)"
)
_FIX: Final = "look at the log of the pool's {} service at this instant"


@dataclass(frozen=True, slots=True)
class Journeys:
    """Plays them; ``is_planned``: the proxy does not route the endpoints yet."""

    config: Config
    listeners: Sequence[Listener] = ()
    is_planned: bool = False

    async def play(
        self, endpoint: Endpoint, front_ends: Sequence[FrontEnd]
    ) -> list[Step]:
        """Every journey of one endpoint; ``front_ends`` are those that answered."""
        if endpoint.state == "retired":
            text = "not played: whoever dials a retired endpoint gets 410"
            return [_unplayed(endpoint, text, "nothing, or take it back into use")]
        aor = f"{DOCTOR}@{endpoint.key.partition('@')[2]}"
        ways = [each for each in self.listeners if each.answers]
        steps: list[Step] = []
        if not self.is_planned:
            for listener in ways:
                steps += await self._through(endpoint, aor, listener)
            steps += [
                _unplayed(
                    endpoint,
                    f"not played over {each.step.text.partition(': ')[0]}",
                    "mend what stands at that listener first",
                )
                for each in self.listeners
                if not each.answers
            ]
        # Of two pools the proxy leads us to one; without a way in, to none.
        seen = (
            {pool_for(endpoint, aor).lower()} if ways and not self.is_planned else set()
        )
        rest = [each for each in front_ends if each.pool.lower() not in seen]
        for front_end in _one_each(rest):
            steps += await self._straight(endpoint, aor, front_end)
        if not rest and not seen:
            text = "not played: no front end of its pool answers"
            steps.append(
                _unplayed(endpoint, text, "mend what stands at the pool first")
            )
        return steps

    async def _through(
        self, endpoint: Endpoint, aor: str, listener: Listener
    ) -> list[Step]:
        alias = endpoint.sip_address
        played = await probe(listener.way, alias, user=f"sip:{aor}")
        listen = listener.section
        way = f"through the proxy at {listen.transport} {listen.address}"
        return _judge(alias, way, played)

    async def _straight(
        self, endpoint: Endpoint, aor: str, front_end: FrontEnd
    ) -> list[Step]:
        is_tls = front_end.transport == "tls"
        way = Way(
            (front_end.host, front_end.port),
            front_end.transport,
            source_towards(self.config, front_end),
            tls=pool_context(self.config, front_end.pool) if is_tls else None,
            server_name=front_end.pool,
            timeout=self.config.attempts.first_answer + 1,
        )
        played = await probe(
            way,
            endpoint.sip_address,
            user=f"sip:{aor}",
            request_uri=_request_uri(endpoint, front_end.pool),
        )
        name = front_end.name or front_end.host
        return _judge(endpoint.sip_address, f"straight to {name}", played)


def _one_each(front_ends: Iterable[FrontEnd]) -> list[FrontEnd]:
    """Each machine once, however many transports it offers."""
    found: dict[tuple[str, str], FrontEnd] = {}
    for each in front_ends:
        found.setdefault((each.pool, each.host), each)
    return list(found.values())


def _judge(alias: str, way: str, played: Probe) -> list[Step]:
    """The steps that were played, two small ones of the probe in one."""
    by_name = {step.name: step for step in played.steps}
    steps = []
    for title, names in _TITLES.items():
        parts = [by_name[name] for name in names if name in by_name]
        if not parts:
            break
        ms = round(sum(part.ms for part in parts), 1)
        bad = next((part for part in parts if not part.ok), None)
        if bad is not None:
            service = "channel" if title.startswith("channel") else "lookup"
            fix = _FIXES.get(bad.name, _FIX.format(service))
            if bad.name.startswith("rpl-"):
                fix += _COMES_BACK
            text = f"{way}: {bad.detail}"
            steps.append(Step(alias, f"journey {title}", "failed", text, fix, ms))
            break
        steps.append(Step(alias, f"journey {title}", "ok", way, ms=ms))
    return steps


def _unplayed(endpoint: Endpoint, text: str, fix: str) -> Step:
    return Step(endpoint.sip_address, "journey", "unknown", text, fix)


def _request_uri(endpoint: Endpoint, pool: str) -> str:
    """What the proxy would put into the first line."""
    if endpoint.request_uri == "keep":
        return endpoint.sip_address
    if endpoint.request_uri != "pool-host":
        return endpoint.request_uri
    user = endpoint.sip_address.rpartition("@")[0]
    return f"{user}@{pool}"
