"""What the API takes and gives, for OpenAPI: the names are those of ``--json``.

What is given is documented here and made by ``admin/as_json``; more may be added to it
at any time.  What is taken is read by these classes, and unknown names are refused.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(max_length=64)]
Instant = AwareDatetime | None
Verdict = Literal["ok", "warning", "failed", "unknown"]
RoleName = Literal["viewer", "operator", "admin"]


class Taken(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid")


class Given(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="allow")


class ProblemDocument(Given):
    """RFC 9457: ``detail`` is the sentence that the command line says."""

    type: str
    title: str
    status: int
    detail: str
