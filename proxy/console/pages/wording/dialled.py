"""Who still dials an endpoint, in one line of the reader's language."""

from proxy.admin.usage import DAY, UsageView
from proxy.console.pages import formats
from proxy.console.pages.words import N_, Words


def dialled(spoken: Words, view: UsageView) -> str:
    """What ``UsageView.sentence`` says, for a page."""
    summary, last = view.summary, view.summary.last
    if not view.is_counted:
        return spoken.say(N_("unknown, nobody counts: [usage] ledger = false"))
    if summary.recent_users:
        count = summary.recent_users
        found = spoken.texts.ngettext(
            "%(count)s user in the last %(days)s days",
            "%(count)s users in the last %(days)s days",
            count,
        )
        return found % {"count": count, "days": summary.days}
    days = int(summary.quiet_for(view.now) // DAY)
    if last is None:
        return spoken.say(N_("never used since it was created"))
    return spoken.say(
        N_("nobody for %(days)s days; the last was %(who)s on %(day)s"),
        days=days,
        who=last.aor,
        day=formats.day(spoken, int(last.last_at // DAY)),
    )
