"""Why a change was refused, and why the service says nothing: sentences of the verbs.

Written here once more for the catalogues, each with its places; ``hearing`` knows them
again, and a test finds each of them where it is said.
"""

from typing import Final

from proxy.console.pages.words import N_

REFUSALS: Final = (
    N_("nothing to change"),
    N_(
        "%(kind)s %(key)s is not what you have seen: somebody has changed it "
        "meanwhile; look again, then decide"
    ),
    N_('there is no endpoint "%(identity)s"'),
    N_('%(said_text)s: "waypost endpoint get" lists those there are'),
    N_('%(said_text)s; did you mean "%(address)s"?'),
    N_(
        '"%(address)s" exists already and leads to %(pool)s: to lead it '
        'elsewhere use "waypost endpoint set %(same)s --pool-fqdn %(new)s", or '
        "remove it first"
    ),
    N_(
        '"%(fqdn)s" is this proxy, so requests would come back to it: write the '
        "FQDN of the Persistent Chat pool"
    ),
    N_("an endpoint needs a pool: write --pool-fqdn pcpool.contoso.com"),
    N_(
        'the service URI "%(pattern)s" belongs to %(address)s already: choose a '
        "narrower pattern or take it from there"
    ),
    N_('"%(text)s" has no "@": %(said_example)s'),
    N_('"%(text)s" is not a SIP address: %(said_example)s'),
    N_('"%(text)s" has no user before the "@": %(said_example)s'),
    N_('write "sip:user@domain", for example "sip:ocschat@contoso.com"'),
    N_('write the pool\'s full name, for example "pcpool.contoso.com"'),
    N_("the pool FQDN is empty: %(said_example)s"),
    N_('"%(text)s" is a short name: %(said_example)s'),
    N_('"%(text)s" is an address, not a host name: %(said_example)s'),
    N_(
        '"%(host)s" is not a domain we answer for (%(served)s): use one of '
        'these, or add it to "domains" in section [proxy] of the configuration'
    ),
    N_("the display name must be one line of at most 256 characters"),
    N_('the Request-URI "%(text)s" is not known: %(said_choices)s'),
    N_('write "pool-host", "keep" or a URI such as "sip:chat@pcpool.contoso.com"'),
    N_("has no SIP address"),
    N_("names no pool: give one with --pool-fqdn"),
    N_("stands in the file twice"),
    N_("the file is empty: nothing to import"),
    N_(
        "no column is called SipAddress or Identity: export with "
        "Get-CsPersistentChatEndpoint | Export-Csv endpoints.csv"
    ),
    N_('there is no change %(number)s: "waypost endpoint history" numbers them'),
    N_(
        '%(key)s was %(what)s again after change %(number)s: look at "waypost '
        'endpoint history %(same)s" and undo the newest change first'
    ),
    N_('there is no cutover: "waypost cutover apply FILE" makes one'),
    N_(
        'cutover %(number)s still waits for its confirmation: write "waypost '
        'cutover confirm" or "waypost cutover rollback" first'
    ),
    N_("cutover %(number)s was %(state)s already, by %(who)s at %(when)s"),
    N_(
        "too late: cutover %(number)s had to be confirmed by %(when)s and is "
        "being rolled back"
    ),
    N_(
        "%(written)s does not exist: write create = true in its [[change]], or "
        "correct the address"
    ),
    N_(
        "%(written)s should lead to %(pool)s before the cutover but leads to "
        "%(found)s: correct expect_pool, or find out who changed it (waypost "
        "endpoint history)"
    ),
    N_("%(written)s is retired: it answers 410, wherever it leads"),
    N_("there is no [[change]]: write one for each endpoint"),
    N_(
        "the doctor advises against it: do what the lines above say, or go on in "
        "spite of it with --force"
    ),
    N_("name the pool that the endpoints shall lead to"),
    N_("no endpoint would be new at %(pool)s: write a row for each address"),
    N_("no plan is kept yet"),
    N_('%(name)s: "%(text)s" is no number that can be here'),
    N_('"%(text)s" is no share of failures: write --guard "5 %%", below 100 %%'),
    N_('"%(text)s" is no time for a guard: write --for 30m, 90s or 2h, at most 30d'),
    N_("the one before is still at it: wait until it has ended"),
    N_(
        "%(place)s is the last front end of %(pool)s that takes new dialogs: "
        "without it callers get 504. Bring another one back, or say --force"
    ),
    N_(
        "the other front ends of %(pool)s are out (%(names)s): without %(place)s "
        "callers would get 504. Mend them first, or say --force"
    ),
    N_(
        'the %(said_kind)s "%(name)s" has the role %(said_role)s, and this needs '
        "%(said_needed)s"
    ),
    N_('the %(said_kind)s "%(name)s" is for %(scope)s, which leaves out %(what)s'),
    N_("a password here needs %(shortest)s to %(longest)s characters"),
    N_(
        'there is a %(said_kind)s "%(name)s" already: choose another name, or '
        "%(remove)s first"
    ),
    N_(
        '"%(name)s" cannot be a name here: write letters, digits, "-", "_", "." '
        'and "@", at most 64'
    ),
    N_(
        '"%(name)s" is not a domain we answer for (%(served)s): nothing would be '
        "in its scope"
    ),
    N_("a fault of ours; it is in the console's log"),
    N_("the body has more than %(limit)s bytes"),
    N_("a change needs the header %(header)s of this session"),
    N_("this was sent by a page of somebody else"),
)
"""What is said when a change is refused."""

SERVICE: Final = (
    N_(
        'the service has no admin listener: write listen = "127.0.0.1:8060" in '
        "[admin] and start it again"
    ),
    N_("no service answers at %(address)s (%(error)s): is it running%(said_where)s?"),
    N_(", and with %(file)s"),
    N_("no service answers at %(address)s"),
    N_("no service answers"),
    N_("what answers there is no Waypost"),
    N_("the service has no endpoint that leads to this pool"),
    N_(
        "%(missing)s of %(names)s cannot be asked: write its admin listener into "
        "[admin] nodes"
    ),
    N_("DNS gave no answer about %(pool)s: try again"),
)
"""What is said of the running service."""
