"""Asks DNS one question, by dnspython, and returns one `Answer`.

`resolver.py` and `srv.py` decide which questions to ask, `answers.py` how long an
answer holds. dnspython retries, tries the next name server, goes over to TCP when
truncated and follows CNAMEs; its cache is off and its exceptions end here.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from proxy.pools.answers import Answer, AnswerBook, DnsLimits, Question, Record
from proxy.pools.name_servers import RESOLV_CONF, NameServers, shown
from proxy.pools.srv import NaptrRecord, SrvRecord
from proxy.sip.host import canonical_host

# One try at one server takes this part of the budget: a dead first server and a lost
# datagram both leave time for another try within a round of questions.
TRY = 0.2
# RFC 1034 section 3.6.2 has names point at canonical ones: one or two steps are usual.
MAX_ALIASES = 8


class _BadAnswer(dns.exception.DNSException):
    """An answer from which nothing follows for the question."""

    def __init__(self, text: str) -> None:
        super().__init__(text)  # type: ignore[no-untyped-call]


class DnsClient:
    """Asks the name servers and keeps their answers.

    Raises ValueError for a name server that is not an address.
    """

    def __init__(
        self,
        nameservers: Sequence[str] | None,
        limits: DnsLimits,
        clock: Callable[[], float],
        resolv_conf: str = RESOLV_CONF,
    ) -> None:
        self.queries = 0
        self.failures = 0
        self._answers = AnswerBook(limits)
        self._clock = clock
        self._resolv_conf = resolv_conf
        self._slots = asyncio.Semaphore(limits.max_queries)
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.cache = None
        self._resolver.timeout = limits.budget * TRY
        self.use(nameservers)

    def use(self, nameservers: Sequence[str] | None) -> bool:
        """Ask these servers from now on; True when they have changed.

        No servers at all is no error: numeric next hops work without DNS.
        """
        self._servers = NameServers(nameservers, self._resolv_conf)
        return self._ask_others()

    def look_again(self) -> bool:
        """Follow the system's file; True when its servers have changed."""
        return self._servers.look_again() and self._ask_others()

    def _ask_others(self) -> bool:
        servers = self._servers.servers
        if list(map(str, servers)) == list(map(str, self._resolver.nameservers)):
            return False
        self._resolver.nameservers = servers
        # Another server may have another view, as behind a VPN: ask everything again.
        self._answers.ask_again(self._clock())
        return True

    @property
    def nameservers(self) -> list[str]:
        """The servers that are asked, for display."""
        return self._servers.addresses

    async def ask(self, question: Question, seconds: float, *, early: bool) -> Answer:
        """The answer, from the book or from DNS within ``seconds``.

        Never raises: after a failed query it returns the last good answer, or one
        without records, with ``problem`` set.  ``early`` also renews an answer that
        will soon expire.
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
            problem = _problem(failure, self._servers.absence)
            return self._answers.fail(question, problem, self._clock())
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
        _judge(answer)
        chain = answer.chaining_result
        return [_record(rdata) for rdata in answer.rrset or ()], chain.minimum_ttl


def is_dns_name(host: str) -> bool:
    """True when this text can be asked for at all."""
    try:
        return len(dns.name.from_text(host)) > 1  # the root has one label
    except (dns.exception.DNSException, UnicodeError):
        return False


def _judge(answer: dns.resolver.Answer) -> None:
    """Raises for an answer that must not be taken for "there is none".

    An alias for another name, and nothing about that name, means neither that there are
    records nor that there are none: RFC 2308 section 2.2 demands an SOA for the latter.
    It is a loop, or the server gave up half-way.
    """
    chain = answer.chaining_result
    if len(chain.cnames) > MAX_ALIASES:
        raise _BadAnswer(f"answered with {len(chain.cnames)} aliases one after another")
    if answer.rrset is None and chain.cnames:
        has_soa = any(
            rrset.rdtype == dns.rdatatype.SOA for rrset in answer.response.authority
        )
        if not has_soa:
            name = _text(chain.canonical_name)
            raise _BadAnswer(f"answered with an alias for {name} and nothing about it")


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
            return canonical_host(rdata.address)


def _text(name: dns.name.Name) -> str:
    """A name in lower case, without the final dot; the root is a dot."""
    return name.to_text(omit_final_dot=True).lower()


def _said(error: object) -> str:
    """What a name server said, or why it said nothing, behind its address."""
    if isinstance(error, dns.exception.Timeout | TimeoutError):
        return "no answer"
    if isinstance(error, dns.message.ChainTooLong):
        return "answered with aliases that lead round in a circle"
    if isinstance(error, ConnectionRefusedError):
        return "refused: nobody listens there"
    if isinstance(error, OSError):
        return f"cannot be asked: {error.strerror or error}"
    return f"answered {error}"


def _negative_ttl(absent: dns.resolver.NXDOMAIN) -> float:
    """How long the name will not exist, by the SOA (RFC 2308 section 5)."""
    try:
        responses: dict[Any, Any] = absent.kwargs["responses"]
        response = next(iter(responses.values()))
        return float(response.resolve_chaining().minimum_ttl)
    except (dns.exception.DNSException, KeyError, StopIteration):
        return 0.0


def _problem(failure: Exception, absence: str) -> str:
    """What went wrong, in a few words: the servers, and what each answered."""
    errors: Iterable[Any] = ()
    if isinstance(failure, dns.resolver.NoNameservers | dns.resolver.LifetimeTimeout):
        errors = failure.kwargs.get("errors") or ()
    said = {}
    for server, _, _, error, _ in errors:
        said[server] = _said(error)
    if said:
        return ", ".join(f"{shown(server)} {what}" for server, what in said.items())
    if isinstance(failure, dns.exception.Timeout | TimeoutError):
        return "no answer in time"
    if isinstance(failure, dns.resolver.NoNameservers):
        return absence
    return str(failure) or type(failure).__name__
