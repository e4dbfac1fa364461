"""Words for room and time of recordings, in the page's language."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import format_decimal  # type: ignore[import-untyped]

from ramal.core.office import Campaign, Office, Queue
from ramal.core.retention import HORIZON_DAYS, settings_of
from ramal.core.retention_rules import RULES, Rule, minimum_days
from ramal.store.read import Hold, Look
from ramal_web.formats import label, number
from ramal_web.i18n import gettext, ngettext


def size(count: int) -> str:
    """Bytes as people say them: ``1.2 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{format_decimal(count / scale, '#,##0.0')} {unit}"
    return f"{format_decimal(count / 1e3, '#,##0')} kB"


def figure(count: int) -> str:
    """A number with its thousands apart."""
    return str(format_decimal(count))


def forecast(look: Look) -> str:
    """For how long there is room."""
    if look.off == "room":
        return gettext("The disk is full: new calls are not recorded. Calls go on.")
    if look.off:
        return gettext("What must be kept fills the space for recordings: new calls are not recorded. Calls go on.")
    if look.early or look.full_days == 0:
        return gettext("The space is full: the oldest recordings go before their time.")
    if look.full_days is None:
        return gettext("Full in – days: there are too few days of calls to tell.")
    if look.full_days >= HORIZON_DAYS:
        return gettext("At this pace there is room for years.")
    return ngettext(
        "Full in %(num)s day at this pace.",
        "Full in %(num)s days at this pace.",
        look.full_days,
    )


def why_gone(code: str) -> str:
    """Why a recording was removed; "" when there is no word for it."""
    return {
        "age": gettext("its time was over"),
        "quota": gettext("the space for recordings was used up"),
        "room": gettext("the disk was nearly full"),
        "erased": gettext("the person asked for it"),
    }.get(code, "")


def days(count: int) -> str:
    """How long recordings are kept."""
    if count == 0:
        return gettext("As long as there is room")
    return ngettext("%(num)s day", "%(num)s days", count)


def law(rule: Rule) -> str:
    """What a law asks for; the rule's own English for one that has no words here."""
    return {
        "br-sac-2022": gettext(
            "Decreto 11.034/2022: a recording of a call to the SAC is kept for at least %(num)s days",
            num=rule.minimum_days,
        ),
    }.get(rule.id, rule.law)


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of recordings: how long it is kept, its minimum in days, and the law that asks for that ("" = none)."""

    title: str
    keep_days: int
    least_days: int
    law: str = ""


def rows(office: Office) -> Iterator[Row]:
    """How long everything is kept, as the office says it. Of campaigns nothing while there are none."""
    settings = settings_of(office)
    least = settings.minimum_days
    yield Row(gettext("Calls"), settings.keep_days, least)
    for queue in office.queues:
        title = gettext("Queue “%(queue)s”", queue=label(queue.title or queue.name))
        yield from _own_terms(queue, title, settings.keep_days, office)
    if office.campaigns:
        yield Row(gettext("Calls of campaigns"), settings.campaign_days, least)
    for campaign in office.campaigns:
        title = gettext("Campaign “%(campaign)s”", campaign=label(campaign.title or campaign.name))
        yield from _own_terms(campaign, title, settings.campaign_days, office)
    yield Row(gettext("Messages"), settings.message_days, least)
    yield Row(gettext("Surveys"), settings.survey_days, least)


def _own_terms(one: Queue | Campaign, title: str, usual_days: int, office: Office) -> Iterator[Row]:
    """The row of a queue or campaign that is kept in another way than its like."""
    if one.sac or one.keep_days is not None:
        law_days = minimum_days(office.country, "sac") if one.sac else 0
        said = next((law(r) for r in RULES if (r.country, r.purpose) == (office.country, "sac")), "")
        least_days = max(settings_of(office).minimum_days, law_days)
        yield Row(title, usual_days if one.keep_days is None else one.keep_days, least_days, said if law_days else "")


def held(hold: Hold, office: Office) -> str:
    """What a hold is about."""
    match hold.kind:
        case "number":
            return gettext("Calls with %(number)s", number=number(hold.what))
        case "queue":
            titles = {queue.name: queue.title or queue.name for queue in office.queues}
            return gettext("Calls of “%(queue)s”", queue=label(titles.get(hold.what, hold.what)))
    return gettext("One call")
