"""One question to DNS: dnspython around one `Answer`.

Which questions are asked is `resolver.py`'s and `srv.py`'s business, how long an answer
holds `answers.py`'s.  dnspython retries, tries the next name server, goes over to TCP
when truncated and follows CNAMEs; its cache is off and its exceptions end here.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from proxy.pools.answers import Answer, AnswerBook, DnsLimits, Question, Record
from proxy.pools.light_import import without_what_is_unused
from proxy.pools.srv import NaptrRecord, SrvRecord, is_numeric

with without_what_is_unused():
    import dns.asyncresolver
    import dns.exception
    import dns.name
    import dns.nameserver
    import dns.rdatatype
    import dns.resolver

DNS_PORT = 53
# One try at one server takes this part of the budget: a dead first server and a lost
# datagram both leave time for another try within a round of questions.
TRY = 0.2


class DnsClient:
    """Asks the name servers and keeps their answers.

    Raises ValueError for a name server that is not an address.
    """

    def __init__(
        self,
        nameservers: Sequence[str] | None,
        limits: DnsLimits,
        clock: Callable[[], float],
    ) -> None:
        self.queries = 0
        self.failures = 0
        self._answers = AnswerBook(limits)
        self._clock = clock
        self._resolver = _resolver(nameservers, limits.budget * TRY)
        self._slots = asyncio.Semaphore(limits.max_queries)

    @property
    def nameservers(self) -> list[str]:
        """The servers that are asked, for display."""
        return [_shown(server) for server in self._resolver.nameservers]

    async def ask(self, question: Question, seconds: float, *, early: bool) -> Answer:
        """The answer, from the book or from DNS within ``seconds``.

        Never raises: a failed query is the last good answer or one without records,
        with ``problem`` set.  ``early`` renews what will soon run out.
        """
        known = self._answers.fresh(question, self._clock(), early=early)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(seconds), self._slots:
                self.queries += 1
                records, ttl = await self._query(question, seconds)
        except (dns.exception.DNSException, OSError) as failure:  # TimeoutError too
            self.failures += 1
            return self._answers.fail(question, _problem(failure), self._clock())
        return self._answers.keep(question, records, ttl, self._clock())

    async def _query(
        self, question: Question, seconds: float
    ) -> tuple[list[Record], float]:
        name = dns.name.from_text(question.name)
        try:
            answer = await self._resolver.resolve(
                name,
                question.type,
                raise_on_no_answer=False,
                lifetime=seconds,
                search=False,
            )
        except dns.resolver.NXDOMAIN as absent:
            return [], _negative_ttl(absent)
        chain = answer.chaining_result
        return [_record(rdata) for rdata in answer.rrset or ()], chain.minimum_ttl


def parse_nameserver(text: str) -> dns.nameserver.Do53Nameserver:
    """``host``, ``host:port`` or ``[v6]:port``; raises ValueError with a sentence."""
    host, port = text, str(DNS_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not is_numeric(host) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            f"name server {text!r} is not an address: write 192.0.2.53:53 or "
            "[2001:db8::53]:53"
        )
    return dns.nameserver.Do53Nameserver(host, int(port))


def is_dns_name(host: str) -> bool:
    """True when this text can be asked for at all."""
    try:
        return len(dns.name.from_text(host)) > 1  # the root has one label
    except (dns.exception.DNSException, UnicodeError):
        return False


def _resolver(
    nameservers: Sequence[str] | None, try_seconds: float
) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=nameservers is None)
    except (dns.resolver.NoResolverConfiguration, OSError):
        # Numeric next hops work without DNS: no reason not to start.
        resolver = dns.asyncresolver.Resolver(configure=False)
    if nameservers is not None:
        resolver.nameservers = [parse_nameserver(text) for text in nameservers]
    resolver.cache = None
    resolver.timeout = try_seconds
    return resolver


def _record(rdata: Any) -> Record:
    match rdata.rdtype:
        case dns.rdatatype.SRV:
            return SrvRecord(
                rdata.priority, rdata.weight, rdata.port, _text(rdata.target)
            )
        case dns.rdatatype.NAPTR:
            return NaptrRecord(
                rdata.order,
                rdata.preference,
                rdata.flags.decode("ascii", "replace"),
                rdata.service.decode("ascii", "replace"),
                _text(rdata.replacement),
            )
        case _:
            return str(rdata.address)


def _text(name: dns.name.Name) -> str:
    """As names are written here: lower case, no final dot; the root is a dot."""
    return name.to_text(omit_final_dot=True).lower()


def _negative_ttl(absent: dns.resolver.NXDOMAIN) -> float:
    """The SOA's word on how long the name will not exist (RFC 2308)."""
    try:
        responses: dict[Any, Any] = absent.kwargs["responses"]
        response = next(iter(responses.values()))
        return float(response.resolve_chaining().minimum_ttl)
    except (dns.exception.DNSException, KeyError, StopIteration):
        return 0.0


def _problem(failure: Exception) -> str:
    """What went wrong, in a few words: who was asked and what came."""
    errors: Iterable[Any] = ()
    if isinstance(failure, dns.resolver.NoNameservers | dns.resolver.LifetimeTimeout):
        errors = failure.kwargs.get("errors") or ()
    said = {}
    for server, _, _, error, _ in errors:
        is_silence = isinstance(error, dns.exception.Timeout | TimeoutError)
        said[server] = "no answer" if is_silence else f"answered {error}"
    if said:
        return ", ".join(f"{_shown(server)} {what}" for server, what in said.items())
    if isinstance(failure, dns.exception.Timeout | TimeoutError):
        return "no answer in time"
    if isinstance(failure, dns.resolver.NoNameservers):
        return "no name server is configured"
    return str(failure) or type(failure).__name__


def _shown(server: object) -> str:
    """A name server without dnspython's decoration (``Do53:192.0.2.53@53``)."""
    return str(server).removeprefix("Do53:").replace("@", ":")
