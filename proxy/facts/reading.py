"""What all rules share: a section that was not read is unknown, never green."""

from collections.abc import Sequence

from proxy.facts.model import Facts, Finding, Findings


def unread(of: str, name: str, facts: Facts, *sections: str) -> Findings:
    """A step for each section that a rule needs and the file does not have."""
    for each in sections:
        section = facts.section(each)
        if section.ok:
            continue
        asked = section.cmdlet or each
        yield Finding(
            *(of, name, "unknown", f"not read: {asked}: {section.error}"),
            fix="run the script in the Management Shell of a Lync server, as a member "
            f"of RTCUniversalServerAdmins, so that {asked} answers",
        )


def judged(of: str, name: str, bad: Sequence[Finding], good: str) -> Findings:
    """What is wrong, or one step that says what was seen to be right."""
    if bad:
        yield from bad
    else:
        yield Finding(of, name, "ok", good)
