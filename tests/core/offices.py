"""A hypothesis strategy of valid offices, for every test that needs one; and the demo office."""

from importlib import resources

from hypothesis import strategies as st

from ramal.core import hours as opening
from ramal.core.destination import HANGUP, Destination
from ramal.core.office import Agent, Hours, Line, Membership, Menu, Number, Office, Option, Phone, Queue, Span
from ramal.core.office_file import read
from ramal.core.office_takes import EMERGENCY, RESERVED

DEMO = resources.files("ramal").joinpath("offices/demo.toml").read_text(encoding="utf-8")

names = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True).filter(lambda name: name not in RESERVED)
extensions = st.from_regex(r"[1-9][0-9]{3,5}", fullmatch=True).filter(lambda text: text not in EMERGENCY)
codes = st.from_regex(r"[1-9][0-9]{0,5}", fullmatch=True)
numbers = st.builds("+55113{:07}".format, st.integers(0, 9_999_999))
secrets = st.text(
    "abcdefghijkmnpqrstuvwxyzABCDEFG23456789!@%^*()+=:,?/|{}[]<>$&'-_.~", min_size=8, max_size=128
).filter(lambda text: len(set(text)) >= 4)
texts = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=60)
full_texts = texts.filter(lambda text: bool(text.strip()))


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
    return Hours(name, tuple(spans))


@st.composite
def offices(draw: st.DrawFn) -> Office:
    """Any valid office of moderate size. Automatic ways lead only to what comes later, so none goes round."""
    queue_names = draw(st.lists(names, unique=True, max_size=4))
    menu_names = draw(st.lists(names, unique=True, max_size=3))
    number_names = draw(st.lists(numbers, unique=True, max_size=4))
    extension_names = draw(st.lists(extensions, unique=True, max_size=4))
    hours_names = draw(st.lists(names, unique=True, max_size=3))
    ends = [HANGUP, *(Destination("voicemail", name) for name in queue_names)]
    ends += [Destination("phone", name) for name in extension_names]
    inner = [Destination("menu", name) for name in menu_names] + [Destination("queue", name) for name in queue_names]
    every = [Destination("number", name) for name in number_names] + inner

    def after(kind: str, name: str) -> st.SearchStrategy[Destination]:
        here = [str(place) for place in every].index(f"{kind}:{name}")
        return st.sampled_from(ends + every[here + 1 :])

    return Office(
        name=draw(full_texts),
        country=draw(st.just("BR") | st.just("PT")),
        region=draw(st.sampled_from(["", "SP"])),
        timezone=draw(st.sampled_from(["America/Sao_Paulo", "Europe/Lisbon", "UTC", "Etc/GMT+3"])),
        language=draw(st.sampled_from(["pt-BR", "en", "es"])),
        lines=tuple(
            draw(lines(place, name)) for place, name in enumerate(draw(st.lists(names, unique=True, max_size=3)))
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
            )
            for name in number_names
        ),
        phones=tuple(Phone(name, draw(secrets), draw(texts), draw(st.booleans())) for name in extension_names),
        agents=tuple(
            Agent(
                code=code,
                name=draw(full_texts),
                pin=draw(st.from_regex(r"[0-9]{4,8}", fullmatch=True)),
                phone=draw(st.sampled_from(["", *extension_names])),
                queues=tuple(
                    Membership(name, draw(st.integers(0, 100)))
                    for name in (draw(st.lists(st.sampled_from(queue_names), unique=True)) if queue_names else [])
                ),
            )
            for code in draw(st.lists(codes, unique=True, max_size=3))
        ),
        queues=tuple(draw(queues(name, after("queue", name))) for name in queue_names),
        menus=tuple(
            Menu(
                name=name,
                text=draw(full_texts),
                options=tuple(
                    Option(key, draw(st.sampled_from(ends + every)))
                    for key in draw(st.lists(st.sampled_from("0123456789*#"), unique=True, min_size=1))
                ),
                wait_s=draw(st.integers(1, 60)),
                tries=draw(st.integers(1, 10)),
                otherwise=draw(after("menu", name)),
            )
            for name in menu_names
        ),
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
    }
    if draw(st.booleans()):
        return Line(kind="sip-register", host="sip.example.com", username="1133330000", secret=draw(secrets), **common)
    address = draw(st.sampled_from([f"10.{place}.0.1", f"10.{place}.0.0/16", f"fd00:{place}::/48"]))
    return Line(kind="sip-peer", host=draw(st.sampled_from(["", "10.0.0.9"])), addresses=(address,), **common)


@st.composite
def queues(draw: st.DrawFn, name: str, targets: st.SearchStrategy[Destination]) -> Queue:
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
        record=draw(st.booleans()),
        answer_within_s=draw(st.integers(1, 3600)),
    )


def demo() -> Office:
    """The office that ships with Ramal, with secrets that are always the same."""
    return read(DEMO, "demo.toml", lambda: "a-secret-of-the-tests")
