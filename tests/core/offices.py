"""A hypothesis strategy of valid offices, for every test that needs one; and the demo office."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from importlib import resources
from operator import methodcaller
from typing import Any, get_args

from hypothesis import strategies as st

from ramal.core import hours as opening
from ramal.core.destination import BACK, HANGUP, REPEAT, Destination
from ramal.core.office import (
    SURVEY_PARTS,
    Agent,
    Alarm,
    Callback,
    Campaign,
    DayPlan,
    Disposition,
    Holiday,
    Hours,
    Line,
    Mail,
    Membership,
    Menu,
    Music,
    MusicOrder,
    Number,
    Office,
    Option,
    PauseReason,
    Phone,
    PhoneModel,
    Question,
    Queue,
    Recordings,
    Saying,
    Skill,
    Span,
    Survey,
    SurveyAsks,
)
from ramal.core.office_file import read
from ramal.core.office_takes import EMERGENCY, RESERVED
from ramal.core.places import is_reserved

DEMO = resources.files("ramal").joinpath("offices/demo.toml").read_text(encoding="utf-8")

names = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True).filter(
    lambda name: name not in RESERVED and not is_reserved(name)
)
bare = methodcaller("replace", "-", "")  # Asterisk overlooks them
extensions = st.from_regex(r"[1-9][0-9]{3,5}", fullmatch=True).filter(lambda text: text not in EMERGENCY)
codes = st.from_regex(r"[1-9][0-9]{0,5}", fullmatch=True)
numbers = st.builds("+55113{:07}".format, st.integers(0, 9_999_999))
secrets = st.text(
    "abcdefghijkmnpqrstuvwxyzABCDEFG23456789!@%^*()+=:,?/|{}[]<>$&'-_.~", min_size=8, max_size=128
).filter(lambda text: len(set(text)) >= 4)
texts = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=60)
full_texts = texts.filter(lambda text: bool(text.strip()))
LANGUAGES = ("pt-BR", "en", "es")
dates = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(date.isoformat)
levels = st.integers(0, 5)
kept_days = st.integers(0, 36_500)
room_settings = st.builds(
    Recordings,
    *(kept_days, kept_days, kept_days, kept_days, st.integers(0, 3650)),
    *(st.integers(0, 1_000_000), st.integers(1, 100), st.integers(0, 1_000_000)),
    name=st.just("recordings"),
)
policies = st.sampled_from(["", "always", "on-demand", "never"])
sides = st.sampled_from(["", "mono", "stereo"])


@st.composite
def weeks(draw: st.DrawFn, name: str) -> Hours:
    """Opening hours without overlaps, over midnight and over the week's end too."""
    spans: list[Span] = []
    for _ in range(draw(st.integers(0, 5))):
        days = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1))))
        opens, closes = draw(st.integers(0, 1439)), draw(st.integers(0, 1440))
        candidate = Span(days, opens, closes)
        if opens != closes and not opening.overlaps((*spans, candidate)):
            spans.append(candidate)
    plans = draw(st.dictionaries(dates, day_spans(), max_size=3))
    return Hours(
        name,
        tuple(spans),
        draw(st.sampled_from(["open", "closed"])),
        tuple(DayPlan(day, spans) for day, spans in plans.items()),
    )


@st.composite
def day_spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """The spans of one date, the last of them possibly over midnight."""
    edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
    spans = [Span((), opens, closes) for opens, closes in zip(edges[::2], edges[1::2], strict=False)]
    if edges and edges[-1] < 1440 and edges[0] > 0 and draw(st.booleans()):
        spans.append(Span((), edges[-1], draw(st.integers(0, edges[-1] - 1))))
    return tuple(spans)


@st.composite
def offices(draw: st.DrawFn) -> Office:
    """Any valid office of moderate size. Automatic ways lead only to what comes later, so none goes round."""
    queue_names = draw(st.lists(names, unique_by=bare, max_size=4))
    menu_names = draw(st.lists(names, unique_by=bare, max_size=3))
    number_names = draw(st.lists(numbers, unique=True, max_size=4))
    all_extensions = draw(st.lists(extensions, unique=True, max_size=6))
    extension_names, queue_extensions = all_extensions[:4], all_extensions[4:]
    hours_names = draw(st.lists(names, unique_by=bare, max_size=3))
    skill_names = draw(st.lists(names, unique_by=bare, max_size=3))
    music_names = draw(st.lists(names, unique_by=bare, max_size=2))
    survey_names = draw(st.lists(names, unique_by=bare, max_size=2))
    campaign_names = draw(st.lists(names, unique_by=bare, max_size=3))
    campaign_codes = draw(st.lists(st.integers(1, 99), unique=True, min_size=3, max_size=3))
    some_lines = tuple(
        draw(lines(place, name)) for place, name in enumerate(draw(st.lists(names, unique_by=bare, max_size=3)))
    )
    agents = tuple(
        draw(people(code, extension_names, queue_names, skill_names))
        for code in draw(st.lists(codes, unique=True, max_size=3))
    )
    needs = st.sampled_from(["", *sorted({skill.name for agent in agents for skill in agent.skills})])
    language = draw(st.sampled_from(LANGUAGES))
    others = [other for other in LANGUAGES if other != language]
    more = draw(st.lists(st.sampled_from(others), unique=True))
    tongues = st.sampled_from(["", language, *more])
    mail = tuple(draw(st.lists(mail_servers(), max_size=1)))
    callbacks = {name: draw(st.sampled_from(["no", "agent-first", "customer-first"])) for name in queue_names}
    ends = [HANGUP, *(Destination("voicemail", name) for name in queue_names)]
    ends += [Destination("phone", name) for name in extension_names]
    ends += [Destination("agent", agent.code) for agent in agents]
    ends += [Destination("callback", name) for name, kind in callbacks.items() if kind != "no"]
    if any(line.outgoing for line in some_lines):
        ends.append(Destination("outside", draw(numbers)))
    inner = [Destination("menu", name) for name in menu_names] + [Destination("queue", name) for name in queue_names]
    every = [Destination("number", name) for name in number_names] + inner

    def after(kind: str, name: str) -> st.SearchStrategy[Destination]:
        here = [str(place) for place in every].index(f"{kind}:{name}")
        return st.sampled_from(ends + every[here + 1 :])

    def sayings() -> tuple[Saying, ...]:
        return tuple(Saying(tongue, draw(full_texts)) for tongue in draw(st.permutations(more)) if draw(st.booleans()))

    return Office(
        name=draw(full_texts),
        country=draw(st.just("BR") | st.just("PT")),
        region=draw(st.sampled_from(["", "SP"])),
        city=draw(st.sampled_from(["", "São Paulo", "Sé"])),
        timezone=draw(st.sampled_from(["America/Sao_Paulo", "Europe/Lisbon", "UTC", "Etc/GMT+3"])),
        language=language,
        languages=tuple(more),
        dial_out=draw(st.sampled_from(["no", "national", "international"])),
        parking=draw(st.sampled_from(["", "700", "800"])),
        parking_slots=draw(st.integers(1, 99)),
        parking_s=draw(st.integers(5, 3600)),
        misses=draw(st.integers(0, 50)),
        misses_min=draw(st.integers(1, 1440)),
        miss_pause_min=draw(st.integers(0, 1440)),
        reject_s=draw(st.integers(0, 3600)),
        wrap_extend_s=draw(st.integers(1, 3600)),
        blocked_message=draw(st.booleans()),
        vip_priority=draw(levels),
        repeat_priority=draw(levels),
        lines=some_lines,
        holidays=tuple(
            Holiday(day[5:] if draw(st.booleans()) else day, draw(texts))
            for day in draw(st.lists(dates, unique_by=lambda day: day[5:], max_size=3))
        ),
        hours=tuple(draw(weeks(name)) for name in hours_names),
        numbers=tuple(
            Number(
                number=name,
                to=draw(after("number", name)),
                hours=draw(st.sampled_from(["", *hours_names])),
                closed=draw(after("number", name)),
                greeting=draw(texts),
                label=draw(texts),
                greeting_in=sayings(),
                language=draw(tongues),
                need=draw(needs),
                priority=draw(levels),
            )
            for name in number_names
        ),
        phones=tuple(draw(phones(place, name)) for place, name in enumerate(extension_names)),
        pauses=tuple(
            PauseReason(name, key, draw(full_texts), draw(st.booleans()), draw(st.integers(0, 1440)))
            for key, name in zip("0123456789", draw(st.lists(names, unique_by=bare, max_size=3)), strict=False)
        ),
        agents=agents,
        music=tuple(Music(name, draw(texts), draw(st.sampled_from(get_args(MusicOrder)))) for name in music_names),
        surveys=tuple(draw(surveys(name, sayings)) for name in survey_names),
        campaigns=tuple(
            draw(campaigns(name, str(code))) for name, code in zip(campaign_names, campaign_codes, strict=False)
        ),
        agents_see_surveys=draw(st.booleans()),
        mail=mail,
        recordings=draw(st.just(()) | st.tuples(room_settings)),
        alarms=tuple(
            draw(alarms(name, queue_names, hours_names, bool(mail)))
            for name in draw(st.lists(names, unique_by=bare, max_size=2))
        ),
        queues=tuple(
            replace(
                draw(
                    queues(
                        name, after("queue", name), callbacks[name], hours_names, queue_extensions[place : place + 1]
                    )
                ),
                music=draw(st.sampled_from(["", *music_names])),
                survey=draw(st.sampled_from(["", *survey_names])),
            )
            for place, name in enumerate(queue_names)
        ),
        menus=tuple(
            Menu(
                name=name,
                text=draw(full_texts),
                options=tuple(
                    Option(key, draw(st.sampled_from([BACK, REPEAT, *ends, *every])), draw(tongues), draw(needs), level)
                    for key, level in draw(st.dictionaries(st.sampled_from("0123456789*#"), levels, min_size=1)).items()
                ),
                wait_s=draw(st.integers(1, 60)),
                tries=draw(st.integers(1, 10)),
                otherwise=draw(after("menu", name)),
                text_in=sayings(),
                wrong_tries=draw(st.integers(0, 10)),
                silent_tries=draw(st.integers(0, 10)),
                wrong=draw(st.none() | after("menu", name)),
                silent=draw(st.none() | after("menu", name)),
                direct_dial=draw(st.booleans()),
            )
            for name in menu_names
        ),
    )


@st.composite
def surveys(draw: st.DrawFn, name: str, sayings: Callable[[], tuple[Saying, ...]]) -> Survey:
    asked = draw(st.lists(st.sampled_from(get_args(Question)), unique=True, min_size=1, max_size=3))
    said: dict[str, Any] = {part: draw(texts) for part in SURVEY_PARTS} | {
        f"{part}_in": sayings() for part in SURVEY_PARTS
    }
    return Survey(
        name,
        tuple(asked),
        draw(st.sampled_from(get_args(SurveyAsks))),
        draw(st.integers(0, 100)),
        draw(st.integers(0, 365)),
        draw(st.integers(20, 300)),
        **said,
    )


def campaigns(name: str, code: str) -> st.SearchStrategy[Campaign]:
    return st.builds(
        Campaign, st.just(name), st.just(code), texts, policies, sides, st.none() | kept_days, st.booleans()
    )


@st.composite
def phones(draw: st.DrawFn, place: int, name: str) -> Phone:
    """A phone; ``place`` keeps the hardware addresses of several apart."""
    model = draw(st.sampled_from(["", *get_args(PhoneModel)]))
    mac = f"{draw(st.integers(0, 0x7F)) * 2:02X}{draw(st.integers(0, 2**32 - 1)):08X}{place + 1:02X}" if model else ""
    return Phone(name, draw(secrets), draw(texts), draw(st.booleans()), mac, model)


@st.composite
def alarms(draw: st.DrawFn, name: str, queue_names: list[str], hours_names: list[str], with_mail: bool) -> Alarm:
    measure = draw(st.sampled_from(["longest-wait", "callers-waiting", "service-level", "no-agent"]))
    webhook = draw(st.sampled_from(["", "https://example.com/a?b=c", "http://10.0.0.9:8080"]))
    return Alarm(
        name=name,
        measure=measure,
        queue=draw(st.sampled_from(["", *queue_names])),
        limit=draw(st.integers(1, 100)),
        window_min=draw(st.integers(1, 1440)),
        min_calls=draw(st.integers(1, 1000)),
        hours=draw(st.sampled_from(["", *hours_names])),
        holds_s=draw(st.integers(0, 3600)),
        mail=draw(st.sampled_from([(), ("boss@example.com", "a.b+c@x.example")])) if with_mail else (),
        webhook=webhook,
        webhook_secret=draw(st.just("") | secrets) if webhook else "",
        resolved=draw(st.booleans()),
        quiet_min=draw(st.integers(0, 1440)),
    )


@st.composite
def mail_servers(draw: st.DrawFn) -> Mail:
    security, username = draw(st.sampled_from(["starttls", "tls", "none"])), draw(texts)
    password = draw(texts) if security != "none" and username else ""
    return Mail("smtp.example.com", "office@example.com", draw(st.integers(1, 65535)), security, username, password)


@st.composite
def people(draw: st.DrawFn, code: str, phones: list[str], queue_names: list[str], skill_names: list[str]) -> Agent:
    def some(choices: list[str]) -> list[str]:
        return draw(st.lists(st.sampled_from(choices), unique=True)) if choices else []

    return Agent(
        code=code,
        name=draw(full_texts),
        pin=draw(st.from_regex(r"[0-9]{4,8}", fullmatch=True)),
        phone=draw(st.sampled_from(["", *phones])),
        queues=tuple(Membership(name, draw(st.integers(0, 100))) for name in some(queue_names)),
        skills=tuple(Skill(name, draw(st.integers(1, 9))) for name in some(skill_names)),
        supervisor=draw(st.booleans()),
        record=draw(policies),
        record_sides=draw(sides),
    )


@st.composite
def lines(draw: st.DrawFn, place: int, name: str) -> Line:
    """A line; ``place`` keeps the addresses of several apart."""
    common = {
        "name": name,
        "port": draw(st.integers(1, 65535)),
        "transport": draw(st.sampled_from(["udp", "tcp"])),
        "channels": draw(st.integers(1, 250)),
        "caller_ids": tuple(draw(st.lists(numbers, unique=True, max_size=3))),
        "dtmf": draw(st.sampled_from(["auto", "rfc4733", "info", "inband"])),
        "outgoing": draw(st.booleans()),
        "rest_s": draw(st.integers(0, 3600)),
        "record": draw(policies),
        "record_sides": draw(sides),
    }
    if draw(st.booleans()):
        return Line(kind="sip-register", host="sip.example.com", username="1133330000", secret=draw(secrets), **common)
    address = draw(st.sampled_from([f"10.{place}.0.1", f"10.{place}.0.0/16", f"fd00:{place}::/48"]))
    return Line(kind="sip-peer", host=draw(st.sampled_from(["", "10.0.0.9"])), addresses=(address,), **common)


@st.composite
def queues(
    draw: st.DrawFn,
    name: str,
    targets: st.SearchStrategy[Destination],
    callback: Callback = "no",
    hours_names: Sequence[str] = (),
    extension: Sequence[str] = (),
) -> Queue:
    predicted = draw(st.none() | targets)
    dispositions = draw(st.lists(names, unique_by=bare, max_size=3))
    return Queue(
        name=name,
        title=draw(texts),
        strategy=draw(
            st.sampled_from(["longest-idle", "fewest-calls", "round-robin", "ring-all", "in-order", "random"])
        ),
        ring_s=draw(st.integers(1, 300)),
        retry_s=draw(st.integers(1, 300)),
        wrap_up_s=draw(st.integers(0, 3600)),
        max_wait_s=draw(st.integers(1, 14_400)),
        max_waiting=draw(st.integers(1, 1000)),
        overflow=draw(targets),
        no_agent=draw(st.none() | targets),
        announce_position=draw(st.booleans()),
        announce_every_s=draw(st.integers(5, 3600)),
        record=draw(st.sampled_from(["always", "on-demand", "never"])),
        record_sides=draw(sides),
        notice=draw(st.none() | st.booleans()),
        answer_within_s=draw(st.integers(1, 3600)),
        announce_wait=draw(st.booleans()),
        priority=draw(levels),
        age_every_s=draw(st.integers(1, 3600)),
        widen_after_s=draw(st.integers(0, 3600)),
        sticky_s=draw(st.integers(0, 600)),
        sticky_days=draw(st.integers(1, 365)),
        full=draw(st.none() | targets),
        predicted=predicted,
        max_predicted_s=draw(st.integers(0, 14_400)) if predicted else 0,
        hours=draw(st.sampled_from(["", *hours_names])),
        closed=draw(targets),
        keep_days=draw(st.none() | st.integers(0, 36_500)),
        sac=draw(st.booleans()),
        callback=callback,
        callback_key=draw(st.sampled_from(["", "1", "*", "#"])) if callback != "no" else "",
        callback_offer_s=draw(st.integers(0, 14_400)) if callback != "no" else 0,
        callback_tries=draw(st.integers(1, 10)),
        callback_retry_min=draw(st.integers(1, 1440)),
        callback_expires_min=draw(st.integers(1, 10_080)),
        callback_hours=draw(st.sampled_from(["", *hours_names])),
        extension=draw(st.sampled_from(["", *extension])),
        whisper=draw(st.booleans()),
        dispositions=tuple(
            Disposition(key, code, draw(full_texts).strip())
            for key, code in zip("1234567890", dispositions, strict=False)
        ),
    )


def demo() -> Office:
    """The office that ships with Ramal, with secrets that are always the same."""
    return read(DEMO, "demo.toml", lambda: "a-secret-of-the-tests")
