"""What every page is made with: templates, languages, assets.

Every value is escaped; the only markup that is not is our own drawings of icons.
"""

import json
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from proxy import __version__
from proxy.console.desk import Caller
from proxy.console.pages import formats, words
from proxy.console.pages.assets import Assets
from proxy.console.pages.sections import SECTIONS
from proxy.console.pages.wording.hearing import told
from proxy.console.pages.words import Words
from proxy.console.sessions import CSRF_HEADER

THEME_COOKIE: Final = "waypost_theme"
THEMES: Final = ("auto", "light", "dark")


class Compiled(BytecodeCache):
    """Compiled templates, shared by the languages: their code is the same in each."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache."""
        bucket.code = self._known.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache."""
        self._known[bucket.key] = bucket.code


class Site:
    """Templates, catalogues and assets, read once."""

    def __init__(self) -> None:
        self.languages = words.languages()
        self.assets = Assets()
        self._compiled = Compiled()
        self._templates = {
            code: self._environment(each) for code, each in self.languages.items()
        }

    def _environment(self, spoken: Words) -> Environment:
        made = Environment(
            loader=PackageLoader("proxy.console.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=self._compiled,
            extensions=["jinja2.ext.i18n"],
        )
        install: Any = made.install_gettext_translations  # type: ignore[attr-defined]
        install(spoken.texts, newstyle=True)
        made.globals.update(
            asset=self.assets.url,
            told=partial(told, spoken),
            iso=formats.iso,
            span=formats.span,
            instant=partial(formats.instant, spoken),
            ago=partial(formats.ago, spoken),
            day=partial(formats.day, spoken),
            number=partial(formats.number, spoken),
            percent=partial(formats.percent, spoken),
            languages=list(self.languages.values()),
            themes=THEMES,
            version=__version__,
        )
        return made

    def warm(self) -> None:
        """Compile every template, so that the first reader waits for none."""
        for each in self._templates.values():
            for name in each.list_templates(extensions=["html"]):
                each.get_template(name)

    def words_of(self, request: Request) -> Words:
        """The language in which somebody reads."""
        chosen = request.cookies.get(words.COOKIE, "")
        accepted = request.headers.get("accept-language", "")
        return words.choose(self.languages, chosen, accepted)

    def html(self, request: Request, template: str, **context: Any) -> str:
        """A page, or a part of one, for whoever asks."""
        spoken = self.words_of(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        caller: Caller | None = getattr(request.state, "caller", None)
        found = self._templates[spoken.code].get_template(template)
        return found.render(
            words=spoken,
            theme=theme if theme in THEMES else "auto",
            caller=caller,
            sections=_sections_of(caller),
            path=request.url.path,
            headers=json.dumps({CSRF_HEADER: _csrf(caller)}),
            may=caller.access.may if caller else _nobody,
            **context,
        )


def _csrf(caller: Caller | None) -> str:
    """What a change must show; any value does where a reverse proxy has signed in."""
    session = caller.session if caller else None
    return session.csrf if session else "1"


def _nobody(role: str) -> bool:
    return False


def _sections_of(caller: Caller | None) -> list[Any]:
    if caller is None:
        return []
    access: Any = caller.access
    return [
        each
        for each in SECTIONS
        if access.may(each.role) and not (each.is_whole and access.is_scoped)
    ]


@cache
def the_site() -> Site:
    """The one of this process: nothing in it belongs to one console alone."""
    return Site()


def site_of(request: Request) -> Site:
    """The site of this console."""
    found: Site = request.app.state.site
    return found


def page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """An answer: a whole page, or with htmx a part of one."""
    text = site_of(request).html(request, template, **context)
    # A name that a stranger chose may hold a lone surrogate, which is no UTF-8.
    body = text.encode("utf-8", "backslashreplace")
    return HTMLResponse(body, status, headers)


def say(request: Request, text: str, /, **values: Any) -> str:
    """One text of ours in the language of whoever asks."""
    return site_of(request).words_of(request).say(text, **values)
