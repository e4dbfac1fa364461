"""The page about the clock: what it is believed by, why not, saying that it is right; and the calls of a wrong one."""

from typing import Any, get_args

import pytest
from flask.testing import FlaskClient

from ramal.core.clock import SOURCES, Why
from ramal_web.app import create_app
from ramal_web.clock import words
from ramal_web.settings import of_home
from tests.web.box import Box, answered_call, now_ms
from tests.web.test_door import enter, token

TAGS = ("en", "pt-BR", "es")
DAY_MS = 24 * 3_600_000


def telling(box: Box, monkeypatch: pytest.MonkeyPatch, **state: Any) -> None:
    """The daemon says this of the clock."""
    told = {"source": "ntp", "why": "", "at_ms": now_ms(), "since_ms": now_ms() - DAY_MS, "epochs": []} | state
    answer = box.daemon._answer
    monkeypatch.setattr(box.daemon, "_answer", lambda request: answer(request) or told)
    box.daemon.names += ("clock.status", "clock.trust", "clock.set")
    box.daemon.stop()
    box.daemon.start()


def test_a_clock_that_is_not_trusted_says_why_and_what_goes_on(
    box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(box, monkeypatch, source="none", why="no-rtc")
    enter(client)
    page = client.get("/clock").get_data(as_text=True)
    assert 'id="untrusted"' in page
    assert "no time server was heard" in page
    assert "Calls, queues and recordings go on" in page
    answer = client.post("/clock/trust", data={"csrf": token(client, "/clock")})
    assert answer.status_code == 303
    assert box.daemon.asked_for("clock.trust") == [{"who": "owner"}]


def test_on_a_box_the_owner_sets_the_time_in_the_page(
    box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(box, monkeypatch, source="none", why="no-rtc", settable=True)
    enter(client)
    page = client.get("/clock").get_data(as_text=True)
    assert "ramal clock set" not in page, "nobody has to be root"
    assert 'type="datetime-local"' in page
    sent = {"csrf": token(client, "/clock"), "when": "2027-03-01T08:30:15"}
    assert client.post("/clock/set", data=sent).status_code == 303
    assert box.daemon.asked_for("clock.set") == [{"who": "owner", "when": "2027-03-01T08:30:15"}]
    assert client.post("/clock/set", data=sent | {"csrf": ""}).status_code in (400, 403)


@pytest.mark.parametrize(("setting", "words"), [("waits", "is being set"), ("failed", "could not be set")])
def test_the_page_says_what_became_of_it(
    box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, setting: str, words: str
) -> None:
    telling(box, monkeypatch, source="none", why="no-rtc", settable=True, setting=setting)
    enter(client)
    assert words in client.get("/clock").get_data(as_text=True)


def test_a_clock_that_was_wrong_says_by_how_much_and_nobody_is_asked(
    box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_ms = now_ms()
    epochs = [
        {"from_ms": at_ms - 60_000, "until_ms": None, "source": "ntp", "why": "", "shift_ms": None},
        {"from_ms": 0, "until_ms": 9, "source": "none", "why": "no-rtc", "shift_ms": 3 * DAY_MS},
    ]
    telling(box, monkeypatch, epochs=epochs)
    enter(client)
    page = client.get("/clock").get_data(as_text=True)
    assert 'id="trusted"' in page
    assert "3 days behind" in page
    assert "/clock/trust" not in page


def test_every_page_says_that_the_time_is_not_known(box: Box, client: FlaskClient) -> None:
    box.daemon.live["warnings"] = [{"code": "clock-untrusted", "since_ms": 1, "text_args": {"why": "no-rtc"}}]
    enter(client)
    assert "does not know what time it is" in client.get("/calls").get_data(as_text=True)


def test_every_reason_has_words_in_every_language(box: Box) -> None:
    said = {}
    for tag in TAGS:
        with create_app(of_home(box.home)).test_request_context(headers={"Accept-Language": tag}):
            doubts = [words.doubt(why) for why in get_args(Why) if why]
            said[tag] = [
                *doubts,
                *(words.believed(source) for source in SOURCES),
                words.wrong(-7_200_000),
                words.wrong(0),
            ]
    for three in zip(*said.values(), strict=True):
        assert len({*three, ""}) == 4, three


@pytest.mark.parametrize(
    ("shift_ms", "said"), [(None, "a time that nobody knows"), (DAY_MS, "clock was wrong and said")]
)
def test_a_call_of_a_wrong_clock_says_so(box: Box, client: FlaskClient, shift_ms: int | None, said: str) -> None:
    call = answered_call(1, now_ms() - DAY_MS)
    box.add_history([call])
    box.sql(
        "INSERT INTO clock_epoch (boot, boottime_ms, from_ms, source, why, until_ms, shift_ms, mended_ms)"
        " VALUES ('b', 0, ?, 'none', 'no-rtc', ?, ?, ?)",
        *(now_ms() - 2 * DAY_MS, now_ms() - DAY_MS // 2, shift_ms, shift_ms),
    )
    if shift_ms:
        box.sql("INSERT INTO clock_call SELECT key, 1 FROM call")
    enter(client)
    assert said in client.get(f"/calls/{call.id}").get_data(as_text=True)
