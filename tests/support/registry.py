"""A playbook whose proxy is a registrar, with a store that answers when told to.

`register` sends a REGISTER, lets the store save what is asked, and returns the answer;
`send_register` leaves the store to the test.
"""

from ipaddress import ip_network

from proxy.core import commands, events
from proxy.core.settings import RegistrarSettings
from proxy.location.binding import BindingChange
from proxy.sip.message import Response, parse_message
from tests.support.messages import request
from tests.support.playbook import DOMAIN, HOSTS, PORTS, Playbook

ALICE = f"sip:alice@{DOMAIN}"
TRUSTED = (ip_network("10.1.0.0/16"),)


class Registry(Playbook):
    """`registrar` are fields of RegistrarSettings; all else as in Playbook."""

    def __init__(self, *, registrar=None, **more) -> None:
        fields = {"trusted_networks": TRUSTED, **(registrar or {})}
        settings = RegistrarSettings(DOMAIN, DOMAIN, **fields)
        self.unsaved: list[commands.SaveBindings] = []
        self.conflicts: list[commands.NoteConflict] = []
        self._branch = self._cseq = 0
        super().__init__(registrar=settings, **more)

    def contact_of(self, peer: str) -> str:
        """The plain Contact of a peer: where it sends from."""
        name, _, transport = peer.partition("/")
        suffix = f";transport={transport}" if transport else ""
        return f"<sip:alice@{HOSTS[name]}:{PORTS.get(name, 5060)}{suffix}>"

    def send_register(
        self,
        *contacts: str,
        peer: str = "client",
        aor: str = ALICE,
        uri: str = f"sip:{DOMAIN}",
        call_id: str = "register-1",
        cseq: int | None = None,
        headers: tuple[str, ...] = (),
        **more,
    ) -> None:
        """REGISTER with these Contact values, one line each."""
        self._branch += 1
        self._cseq = self._cseq + 1 if cseq is None else cseq
        name, _, transport = peer.partition("/")
        sent_by = f"{HOSTS[name]}:{PORTS.get(name, 5060)}"
        more.setdefault(
            "via",
            f"SIP/2.0/{(transport or 'udp').upper()} {sent_by};"
            f"branch=z9hG4bKr{self._branch}",
        )
        self.send(
            peer,
            request(
                f"REGISTER {uri}",
                *(f"Contact: {contact}" for contact in contacts),
                *headers,
                to=f"<{aor}>",
                from_=f"<{aor}>;tag=a1;epid=0badcafe",
                call_id=call_id,
                cseq=self._cseq,
                **more,
            ),
        )

    def saves(self, *, fails: str = "") -> None:
        """The store has done what was asked so far, or could not."""
        self._script.clear()
        tickets = [command.ticket for command in self.unsaved]
        self.unsaved.clear()
        if fails:
            self._handle(events.BindingsNotSaved(tickets, fails))
        else:
            self._handle(events.BindingsSaved(tickets))

    def others_save(self, *changes: BindingChange) -> None:
        """Another proxy on the same store has saved these."""
        self._handle(events.BindingsChanged(changes))

    def register(self, *contacts: str, **more) -> Response:
        """REGISTER, saved at once; the answer."""
        self.send_register(*contacts, **more)
        while self.unsaved:
            self.saves()
        self._script.clear()
        return self.answer_to(more.get("peer", "client"))

    def answer_to(self, peer: str = "client") -> Response:
        """The last thing that a peer got."""
        answer = parse_message(self.last(peer))
        assert isinstance(answer, Response)
        return answer

    def bound(self, aor: str = ALICE) -> list[str]:
        """The contact URIs of an AOR, best first."""
        live = self.core.location.live(aor.removeprefix("sip:"), self.now)
        return [binding.uri.decode() for binding in live]

    def _carry_out(self, out: list[commands.Command]) -> None:
        for command in out:
            if isinstance(command, commands.SaveBindings):
                self.unsaved.append(command)
            elif isinstance(command, commands.NoteConflict):
                self.conflicts.append(command)
        super()._carry_out(out)
