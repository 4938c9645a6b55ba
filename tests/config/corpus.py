"""Configurations, most of them wrong, and what is said about each.

``sentences.txt`` holds what was said, word by word; ``test_sentences.py`` compares.
Where a sentence changes on purpose, ``python -m tests.config.corpus`` writes the file
anew, and the difference is what a reviewer reads.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.config import ConfigError, load_config
from proxy.config.model import Config
from proxy.config.section import keys_of
from tests.support.configuration import SMALL

RECORDED = Path(__file__).with_name("sentences.txt")
SHIPPED = Path(__file__).parents[2] / "config" / "waypost.toml"


@dataclass(frozen=True, slots=True)
class Case:
    """A file and an environment; ``section``: whose values to show if all is right."""

    name: str
    data: bytes
    environ: dict[str, str] = field(default_factory=dict)
    section: str = ""


def said(case: Case, folder: Path) -> list[str]:
    """Every problem as a line, or the values that were taken."""
    path = folder / "waypost.toml"
    path.write_bytes(case.data)
    try:
        config = load_config(path, case.environ)
    except ConfigError as error:
        lines = str(error).split("\n")
        return [line.replace(str(path), "FILE") for line in lines]
    taken: Any = getattr(config, case.section) if case.section else "all"
    taken = taken[-1] if isinstance(taken, list) and taken else taken
    return [f"taken: {taken!r}"]


def cases() -> Iterator[Case]:
    """All of them, each with a name of its own."""
    yield from _values()
    yield from _sections()
    yield from _slips()
    yield from _environments()
    yield from _files()
    for name, text in (*TOGETHER, *WORDS):
        yield Case(name, f"{SMALL}{text}\n".encode())
    yield Case("as shipped", SHIPPED.read_bytes())


def report() -> str:
    """All cases and what is said, as ``sentences.txt`` has it."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            parts.append("\n".join([f"## {case.name}", *said(case, Path(folder))]))
    return "\n\n".join(parts) + "\n"


# -- every key with every value ------------------------------------------------------

VALUES = (
    *('"text"', '""', '"it\'s"', '"127.0.0.1:5060"', '"a\u00a0b.test"', '"a\\nb"'),
    *("0", "1", "-1", "300", str(10**30), "1.0", "-0.5", "inf", "nan", "true", "false"),
    *("2026-01-01T10:00:00Z", "[]", '["text", 1, true]', "[[], {}]", "[503, 200]"),
    *('["a\u2013b.test", "b.test"]', "{ a = 1 }"),
)


def _single() -> list[str]:
    return [name for name in keys_of(Config) if name not in ("listen", "pool")]


def _keys(section: str) -> list[str]:
    kind: Any = keys_of(Config)[section].type
    return list(keys_of(getattr(kind, "__args__", [kind])[0]))


def _table(section: str) -> str:
    return f"[[{section}]]" if section in ("listen", "pool") else f"[{section}]"


def _values() -> Iterator[Case]:
    for section in keys_of(Config):
        for value in VALUES:
            keys = "".join(f"{key} = {value}\n" for key in _keys(section))
            table = _table(section)
            text = f"{table}\n{keys}"
            before = SMALL.replace('[proxy]\ndomains = ["contoso.test"]\n', "")
            text = f"{text}{before}" if section == "proxy" else f"{SMALL}{text}"
            yield Case(f"every key of {table} is {value}", text.encode(), {}, section)


# -- sections that are none, and are missing -----------------------------------------


def _sections() -> Iterator[Case]:
    for section in keys_of(Config):
        small = SMALL if section not in ("proxy", "listen") else ""
        for value in ("1", '"text"', "true", "[]", "[1]", '["text", {}]', "{}", "[{}]"):
            text = f"{section} = {value}\n{small}"
            yield Case(f"{section} = {value}", text.encode(), {}, section)
        for table in (f"[{section}]", f"[[{section}]]", f"[{section}.more]"):
            yield Case(table, f"{small}{table}\n".encode(), {}, section)
    yield Case("an empty file", b"")
    yield Case("[proxy] alone", b'[proxy]\ndomains = ["a.test"]\n')
    yield Case("[[listen]] alone", b'[[listen]]\ntransport = "udp"\n')
    yield Case("two empty [[listen]]", f"{SMALL}[[listen]]\n[[listen]]\n".encode())
    yield Case("an empty [[pool]]", f"{SMALL}[[pool]]\n[[pool]]\n".encode())


# -- keys with a slip, keys of nobody ------------------------------------------------


def _slips() -> Iterator[Case]:
    for section in keys_of(Config):
        doubled, short = section[0] + section, section[:-1]
        for wrong in (doubled, short, section.upper()):
            yield Case(f"[{wrong}]", f"{SMALL}[{wrong}]\n".encode())
        slips = [x for key in _keys(section) for x in (key[1:], f"{key}s")]
        lines = "".join(f"{x} = 1\n" for x in dict.fromkeys(["zzz", *slips, '"a b "']))
        table = f"{_table(section)}\n{lines}"
        before = SMALL.replace("[proxy]\n", "") if section == "proxy" else SMALL
        text = f"{table}{before}" if section == "proxy" else f"{before}{table}"
        yield Case(f"slips of {section}", text.encode())


# -- the environment -----------------------------------------------------------------

TEXTS = ("", "text", "1", "1.5", "true", "a.test, b.test", "[")
OTHERS: tuple[dict[str, str], ...] = (
    {"WAYPOST_STORE_ULR": "x", "WAYPOST_STOER_URL": "x", "WAYPOST_LOG_LEVL": "info"},
    {"WAYPOST_LISTEN_ADDRESS": "x", "WAYPOST_POOL_FQDN": "x", "WAYPOST_LISTEN_X": "x"},
    {"WAYPOST_STORE_SERVICE_HOST": "10.0.0.1", "WAYPOST_PORT": "tcp://10.0.0.1:80"},
    {"WAYPOST_ADMIN_SERVICE": "x", "WAYPOST_ADMIN_PORT_X_TCP": "x"},
    {"WAYPOST_SOAK": "1", "WAYPOST_PATH_X": "1", "WAYPOST_": "1", "WAYPOST_STORE": "1"},
    {"WAYPOST_ADMIN_TOKEN": "short", "WAYPOST_ATTEMPTS_TOTAL": "long"},
    {"WAYPOST_LIMITS_MEMORY": "1", "WAYPOST_SERVER_WORKERS": "0"},
    {"WAYPOST_PROXY_DOMAINS": "", "WAYPOST_PROXY_DOMAIN": "a.test"},
    {"WAYPOST_STORE_URL": "redis://u:hunter2hunter2@h/x"},
    {"WAYPOST_LOG_LEVEL": "de\u00a0bug"},
)


def _environments() -> Iterator[Case]:
    for section in _single():
        for text in TEXTS:
            environ = {f"WAYPOST_{section}_{x}".upper(): text for x in _keys(section)}
            title = f"every WAYPOST_{section.upper()}_*={text}"
            yield Case(title, SMALL.encode(), environ, section)
        environ = {f"WAYPOST_{section}_{_keys(section)[0]}".upper(): "text"}
        title = f"{next(iter(environ))} over {section} = 1"
        text = f"{section} = 1\n{SMALL.replace('[proxy]', '[proxies]')}"
        yield Case(title, text.encode(), environ, section)
    for environ in OTHERS:
        title = " ".join(f"{name}={text}" for name, text in environ.items())
        yield Case(title, f"{SMALL}[log]\nlvel = 1\n".encode(), environ)
        yield Case(f"{title}, nothing else", SMALL.encode(), environ)


# -- files that are no TOML ----------------------------------------------------------


def _files() -> Iterator[Case]:
    marks = {"UTF-8 with a mark": "utf-8-sig", "UTF-16": "utf-16", "latin": "latin-1"}
    for name, encoding in marks.items():
        yield Case(name, f"{SMALL}# \u00e9\n[stor]\n".encode(encoding))
    yield Case("UTF-16, big end first", b"\xfe\xff" + SMALL.encode("utf-16-be"))
    for encoding in ("utf-16-le", "utf-16-be"):
        yield Case(f"{encoding} without a mark", SMALL.encode(encoding))
        shy = f"\u00e9{SMALL}".encode(encoding)
        yield Case(f"{encoding} without a mark, no ASCII first", shy)
    for number, text in enumerate(NO_TOML, 1):
        yield Case(f"no TOML, {number}", f"{SMALL}{text}".encode())


NO_TOML = (
    "[store]\nurl = sqlite\n",
    "[store]\nurl = 'x\n",
    "[store\n",
    "[store]\nurl\n",
    '[store]\nurl = "a"\nurl = "b"\n',
    "[proxy]\n",
    "[log]\nlevel = \u201cinfo\u201d\n",
    "[log]\nlevel\u00a0= 'info'\n",
    "[admin]\ntoken = hunter2hunter2hunter2\n",
    "[store]\nurl = redis://waypost:hunter2@10.0.0.1\n",
    "x = " + "[" * 3000,
    "x = 1979-13-01\n",
    'x = "\\q"\n',
    "x = 007\n",
    "x = 1 y = 2\n",
    f"x = {'1' * 5000}\n",
    "x = '\x1b[2J\x00'\n",
)

# -- right by themselves, wrong together; and values with sentences of their own ------

LISTEN = '[[listen]]\ntransport = "{}"\naddress = "{}"\n'
TOGETHER: tuple[tuple[str, str], ...] = (
    ("listens everywhere", LISTEN.format("tcp", "0.0.0.0:5060")),
    ("listens everywhere, IPv6", LISTEN.format("tcp", "[::]:5060")),
    ("twice", LISTEN.format("udp", "127.0.0.5:5060") * 2),
    (
        "tcp and tls share",
        "".join(LISTEN.format(x, "127.0.0.5:1") for x in ("tcp", "tls")),
    ),
    ("tls without files", LISTEN.format("tls", "127.0.0.5:5061")),
    ("tls without a key", LISTEN.format("tls", "127.0.0.5:5061") + 'certificate = "c"'),
    ("tls without a certificate", LISTEN.format("tls", "127.0.0.5:5061") + 'key = "c"'),
    (
        "tls that asks and trusts nobody",
        '[tls]\ncertificate = "c"\nkey = "k"\n'
        + LISTEN.format("tls", "127.0.0.5:5061")
        + 'verify_client = "required"\ntrusted_peers = ["a.test"]',
    ),
    (
        "peers not asked",
        LISTEN.format("tcp", "127.0.0.5:1") + 'trusted_peers = ["a.b"]',
    ),
    ("first hop over udp", LISTEN.format("udp", "127.0.0.5:1") + "first_hop = true"),
    (
        "first hop and a short idle time",
        LISTEN.format("tcp", "127.0.0.5:1")
        + "first_hop = true\n[limits]\nidle_established = 300.0",
    ),
    ("registrar, idle", "[limits]\nidle_established = 9\n[registrar]\nenabled = true"),
    ("a pool twice", '[[pool]]\nfqdn = "A.test"\n[[pool]]\nfqdn = "a.test."'),
    ("ports of workers", "[server]\nworkers = 4\nworker_udp_port = 5058"),
    ("a loop", '[routes]\ndefault = "sip:127.0.0.5"'),
    (
        "a loop over TLS",
        LISTEN.format("tls", "127.0.0.5:5061")
        + "[tls]\ncertificate = 'a'\nkey = 'b'\n[routes]\n"
        + 'default = "sip:127.0.0.5;transport=tls"',
    ),
    ("a loop with a port", '[routes]\ndefault = "sip:127.0.0.5:5060;transport=tcp"'),
    ("all of it", LISTEN.format("tcp", "0.0.0.0:1") * 2 + "[server]\nworkers = 2"),
    ("expires", "[registrar]\nmin_expires = 3600\ndefault_expires = 60"),
    (
        "expires, and a slip",
        "[registrar]\nmin_expires = 3600\ndefault_expires = 60\nx=1",
    ),
    ("total", "[attempts]\ntotal = 3.0"),
    ("total, and a wrong key", '[attempts]\ntotal = 3.0\nconnect = "1"'),
    ("admin from outside", '[admin]\nlisten = "10.0.0.1:8060"'),
    ("admin from outside, IPv6", '[admin]\nlisten = "[::]:8060"'),
    (
        "admin with a token",
        '[admin]\nlisten = "10.0.0.1:1"\ntoken = "0123456789abcdef"',
    ),
    ("a short token", '[admin]\ntoken = "abc"'),
    ("a token that is a list", '[admin]\ntoken = ["hunter2hunter2hunter2"]'),
    ("a token that is a number", "[admin]\ntoken = 8812734655412345678"),
    ("no admin", '[admin]\nlisten = ""'),
    ("no key", "[admin]\npath = 1\nis_chosen = true\n[[listen]]\nis_chosen = 1"),
    ("dotted keys", "log.level = 'x'\nlog.x = 1\nlog.format.a = 2"),
    (
        "inline tables",
        "log = { level = 1, acces = 2 }\npool = [{ fqdn = 1 }, { x = 1 }]",
    ),
    (
        "several lines",
        'dns = { nameservers = [\n"a",\n"b"\n]}\n[attempts]\nconnect = 0',
    ),
    ("a long number", f"[attempts]\nconnect = 0x{'f' * 5000}"),
    ("a number beyond all", f"[attempts]\nconnect = 1{'0' * 400}"),
    ("no host", '[store]\nurl = "redis://u:hunter2@:6379"'),
)

URLS = (
    *(
        "sqlite:",
        "sqlite:///",
        "sqlite://x",
        "sqlite:///a?b",
        "sqlite:////a",
        "postgres:",
    ),
    *("redis://h:0", "redis://h:99999", "redis://a,b", "redis://h/x", "redis://h/1/2"),
    *("redis://u:p#w@h", "redis://u:p/w@h", "redis://h?x=1", "redis://h?ssl_keyfile=k"),
    *("rediss://h?ssl_keyfile=k", "redis://h?replicas=10", "redis+cluster://h/1"),
    *("redis+sentinel://h", "redis+sentinel://h/1", "redis+sentinel://h/m/x"),
    *("redis+sentinel://h/m?sentinel_password=p", "redis://h?sentinel_password=p"),
)
ROUTES = (
    "sips:a",
    "tel:1",
    "sip:u@a",
    "sip:a?x=y",
    "sip:a;transport=sctp",
    "a",
    "sip:",
)
WORDS: tuple[tuple[str, str], ...] = (
    *((f"store.url = {x}", f'[store]\nurl = "{x}"') for x in URLS),
    *((f"routes.default = {x}", f'[routes]\ndefault = "{x}"') for x in ROUTES),
    *(
        (f"server.node_address = {x}", f'[server]\nnode_address = "{x}"')
        for x in ROUTES
    ),
    *(
        (f"dns.nameservers = [{x}]", f'[dns]\nnameservers = ["{x}"]')
        for x in (
            "ns.test",
            "::1",
            "[::1]",
            "1.2.3.4",
            "1.2.3.4:0",
            "1.2.3.4:x",
            "[::1",
        )
    ),
    *(
        (f"a listener on {x}", LISTEN.format("udp", x))
        for x in ("host:1", "::1", "[::1]", "127.0.0.1", "127.0.0.1:0", "", ":5060")
    ),
    *(
        (f"trusted_networks = [{x}]", f'[limits]\ntrusted_networks = ["{x}"]')
        for x in ("10.0.0.1/8", "10.0.0.0/33", "x", "::/0", "1.2.3.4")
    ),
    *(
        (f"failover_codes = [{x}]", f"[attempts]\nfailover_codes = [{x}]")
        for x in ("200", "401", "699", "700", "503, 487", "503, true", '"503"')
    ),
    *(
        (f"workers = {x}", f"[server]\nworkers = {x}")
        for x in ("0", "65", "64", '"Auto"', '"auto"', "true", "2.0", "[2]", "{}")
    ),
    *(
        (f"memory = {x}", f"[limits]\nmemory = {x}")
        for x in ("0", "1", "67108863", "67108864", str(1 << 40), str((1 << 40) + 1))
    ),
)

if __name__ == "__main__":
    RECORDED.write_text(report(), "utf-8")
