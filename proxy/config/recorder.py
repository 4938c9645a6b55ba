"""The section ``[recorder]``: what is remembered of calls, for ``waypost trace``."""

from proxy.config.section import Section, section, setting


@section
class RecorderSection(Section):
    """How much is remembered, and whether bodies are; 0 megabytes: nothing is."""

    megabytes: int = setting(default=16, ge=0, le=1024)
    bodies: bool = False
    calls: int = setting(default=10_000, ge=0, le=1_000_000)
