"""What doctor, runbook and Lync's facts say: the most usual of their sentences.

As in ``refusals``: what is missing here stands on every page in English.
"""

from typing import Final

from proxy.console.pages.words import N_

DOCTOR: Final = (
    N_("%(host)s is served"),
    N_("add its domain to [proxy] domains and restart the service"),
    N_("retired: clients get 410"),
    N_('"waypost endpoint activate" takes it back, or remove it'),
    N_("%(count)s front ends: %(names)s"),
    N_("no front end"),
    N_("check nameservers in [dns]"),
    N_(
        "nobody listens there: start the pool's front end, or correct the port "
        "in DNS (%(port)s)"
    ),
    N_(
        "let %(port)s pass from this host through every firewall, or take the "
        "address out of DNS"
    ),
    N_("there is no route from here: check the address in DNS and this host's network"),
    N_("the pool does not trust us: add this host as a trusted application"),
    N_("it answers but is not in service: look at the front end's services"),
    N_("look at the front end's own log: it ends connections from here"),
    N_("the registrar is off: who is registered as this address cannot be seen here"),
    N_(
        "%(said_ask)s; or, where the old service signs in through us, write "
        "enabled = true in [registrar]"
    ),
    N_(
        'ask Lync: run what "waypost facts script" prints there, and give its '
        "file with --facts FILE"
    ),
    N_("nobody else has the address"),
    N_("nobody is registered here, and no account in Lync has it"),
    N_("by Lync's facts no account has it; our registrar is off"),
    N_("still registered from %(sources)s"),
    N_('stop the old Lookup service, or "waypost binding remove %(address)s"'),
    N_("stop that service; nothing but this endpoint may have the address"),
    N_("make sure that the service is disabled and does not come back"),
    N_("by Lync's facts: %(said_found)s"),
    N_(
        'no call can reach %(name)s yet: %(said_reason)s: %(question)s"waypost '
        'pool show %(same)s" shows every answer of DNS'
    ),
    N_("whether DNS knows it: %(said_why)s"),
    N_("it is ready, and serves this store and configuration"),
    N_("[admin] listen is empty, so whether it runs cannot be seen"),
    N_('write listen = "127.0.0.1:8060" in [admin] and restart it'),
    N_("start it: systemctl start waypost, or waypost --config %(path)s serve"),
    N_("it routes by table %(its)s, the store has %(version)s"),
    N_("%(count)s service URIs learned"),
    N_("not played: whoever dials a retired endpoint gets 410"),
    N_("not played: no front end of its pool answers"),
    N_("mend what stands at the pool first"),
    N_("DNS has %(count)s front ends"),
)
"""What the doctor sees, and what to do."""

STEPS_SEEN: Final = (
    N_("only you can know"),
    N_("only you can know, or Lync: --facts FILE looks there"),
    N_("ticked off, but %(said_text)s"),
    N_("not this weekend: %(topic)s"),
    N_("cutover %(number)s by %(who)s"),
    N_("cutover %(number)s is %(said_state)s"),
    N_("no cutover yet"),
    N_("no endpoints yet"),
    N_("not confirmed"),
    N_("confirmed by %(who)s"),
    N_("sip:%(key)s leads to %(pool)s"),
    N_("sip:%(key)s is no endpoint"),
    N_("sip:%(key)s: %(share)s %% of its users go to %(pool)s"),
    N_("the latest is %(who)s, of %(count)s so far"),
    N_("no client has been served since the cutover"),
    N_("%(count)s users in the last %(days)s days"),
    N_("%(days)s days have not passed"),
    N_("nobody for %(days)s days"),
    N_("[usage] ledger is off: who dials them cannot be seen"),
    N_("no registration has been refused since the cutover"),
    N_("the old service at %(source)s still registers"),
    N_("the old service at %(source)s has been silent for an hour or more"),
    N_("no user account of Lync has the address"),
    N_("%(count)s steps of the doctor, verdict %(said_verdict)s"),
    N_("registered from %(sources)s"),
    N_("nobody is registered as %(names)s"),
    N_("nobody is registered for the addresses of the plan"),
    N_(
        "the registrar is off: whether clients reach the old service cannot be "
        "seen here; tick it off when one has"
    ),
    N_("%(said_good)s, but %(said_age)s"),
    N_("%(of)s %(name)s: %(said_text)s"),
    N_("nothing to take back"),
    N_("nothing to take back: nothing has been switched"),
    N_("nothing to take back: cutover %(number)s is rolled back"),
    N_("point the clients' DNS back to the old servers"),
    N_("start the services again"),
    N_("restore the new pool's database"),
    N_("create the user again and enable it for SIP"),
    N_("start the old Lookup service again"),
    N_("stop them again"),
    N_("restore it from its backup"),
    N_(
        "the runbook needs the plan of the cutover once: waypost runbook --plan "
        "weekend.toml"
    ),
)
"""What the steps of the runbook have seen, and their ways back."""

FACTS: Final = (
    N_("no user account has the address"),
    N_("the script was not asked about this address"),
    N_("run it again with -Alias %(names)s"),
    N_("stopped and not automatic: %(found)s"),
    N_("no old server was looked at"),
    N_("run the script again with -OldServer and every Group Chat server"),
    N_(
        "every user may use Persistent Chat; who still has the old client only "
        '"waypost usage" can tell'
    ),
    N_("it has an address here, for %(users)s users"),
    N_("its %(users)s users dial ocschat@%(name)s, which nobody serves"),
    N_("Lync knows no Persistent Chat pool of this name"),
    N_("no Persistent Chat endpoint has the address"),
    N_("runs on %(servers)s"),
    N_("the file is %(hours)s hours old: Lync may have changed since"),
    N_("%(hours)s h old, from %(where)s"),
    N_("less than an hour old, from %(where)s"),
    N_("run Get-WaypostFacts.ps1 again, and check its new file"),
    N_("a trusted application endpoint of %(name)s has it"),
    N_("no trusted application endpoint has it: the front ends find nobody"),
    N_("trusted, on port %(ports)s"),
    N_("no trusted application pool has our name"),
    N_("the topology on %(computer)s names it, every replica is up to date"),
    N_(
        'it has no "format": it was not written by Get-WaypostFacts.ps1 '
        '("waypost facts script" prints that)'
    ),
    N_(
        "it is no JSON (%(error)s): run Get-WaypostFacts.ps1 again, and copy the "
        "whole file"
    ),
)
"""What Lync's facts say."""
