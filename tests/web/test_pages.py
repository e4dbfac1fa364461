"""What the pages show and send: the list, one call, recordings, this moment. Without a browser."""

import time
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from ramal.control.client import Control
from ramal_web.app import create_app
from ramal_web.calls.query import Query, read_query
from ramal_web.formats import duration, label, offset
from ramal_web.history import OfficeWords
from ramal_web.live.feed import Feed
from ramal_web.live.picture import picture
from ramal_web.settings import of_home
from tests.web.box import Box, abandoned_call, answered_call, now_ms, waiting
from tests.web.conftest import english
from tests.web.test_door import enter

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "Robert'); DROP TABLE call;--",
    "a\r\nSet-Cookie: x=y",
    "line\u2028separator\u2029end\x85\x1c",
    "\u202egnp.exe\u202c",
    "{{ 7*7 }}{% raw %}",
    "A" * 2000,
    "Z\u0335" * 300,
    "%(name)s %s %d",
]


@pytest.fixture
def inside(client: FlaskClient) -> FlaskClient:
    enter(client)
    return client


def the_recording(box: Box) -> int:
    ((found,),) = box.sql("SELECT id FROM recording")
    return int(found)


@pytest.fixture
def recorded(box: Box) -> int:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings()
    return the_recording(box)


def test_an_empty_history_invites_to_a_test_call(inside: FlaskClient) -> None:
    text = inside.get("/calls").get_data(as_text=True)
    assert "No call has come in yet." in text
    assert 'href="/try"' in text


def test_the_list_shows_newest_first_and_pages_through_everything_once(box: Box, inside: FlaskClient) -> None:
    begin_ms = now_ms() - 8_000_000
    box.add_history([abandoned_call(n * 10 + 1, begin_ms + n * 60_000, f"+551191234{n:04}") for n in range(120)])
    seen: list[str] = []
    path: str | None = "/calls"
    for _ in range(10):
        if path is None:
            break
        text = inside.get(path).get_data(as_text=True)
        seen += _between(text, 'href="/calls/', '"')
        links = _between(text, 'rel="next" href="', '"')
        path = links[0].replace("&amp;", "&") if links else None
    assert path is None
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)


def test_the_search_finds_numbers_as_people_write_them_and_names_without_accents(box: Box, inside: FlaskClient) -> None:
    box.add_history(
        [
            answered_call(1, now_ms() - 900_000, "+5511987654321", "José Araújo"),
            abandoned_call(11, now_ms() - 600_000, "+5521912345678", "Maria"),
        ]
    )
    for search, found in (("98765-4321", 1), ("jose arau", 1), ("912345", 1), ("nobody at all", 0), ("Maria", 1)):
        text = inside.get("/calls", query_string={"search": search}).get_data(as_text=True)
        assert text.count('class="call"') == found, search
    assert "No call matches." in inside.get("/calls?search=nobody+at+all").get_data(as_text=True)


def test_the_category_and_the_day_narrow_the_list(box: Box, inside: FlaskClient) -> None:
    day_ms = 86_400_000
    box.add_history(
        [
            answered_call(1, now_ms() - 9 * day_ms),
            abandoned_call(11, now_ms() - 60_000),
            answered_call(21, now_ms() - 90_000),
        ]
    )
    for query, found in (("category=answered", 2), ("category=abandoned", 1), ("day=week", 2), ("day=2001-01-01", 0)):
        assert inside.get(f"/calls?{query}").get_data(as_text=True).count('class="call"') == found, query


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "before=99999999999999999999",
        "before=-1",
        "after=1&before=1",
        "category=%00",
        "category=nonsense",
        "day=2026-13-45",
        "day=0001-01-01",
        "day=9999-12-31",
        "search=%F0%9F%98%80%00%27%22%3B--",
        "search=" + "%22" * 500,
        "search=*&search=NEAR(",
        "before=٣",
    ],
)
def test_an_address_typed_wrongly_still_gives_a_page(box: Box, inside: FlaskClient, query: str) -> None:
    box.add_history([abandoned_call(1, now_ms() - 60_000)])
    assert inside.get(f"/calls?{query}").status_code == 200


def test_a_day_begins_when_the_office_s_does() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    since_ms, until_ms = Query(day="2026-11-22").span_ms(zone, date(2026, 11, 22))
    assert (since_ms, until_ms) == (1795316400000, 1795402800000)
    # A day on which the clocks were set forward has 23 hours.
    since_ms, until_ms = Query(day="2018-11-04").span_ms(zone, date(2026, 11, 22))
    assert since_ms is not None
    assert until_ms is not None
    assert until_ms - since_ms == 23 * 3_600_000
    assert read_query({"day": "today"}).span_ms(zone, date(2026, 11, 22)) == (1795316400000, 1795402800000)


def test_one_call_shows_its_facts_every_step_with_its_time_and_its_recording(
    box: Box, inside: FlaskClient, recorded: int
) -> None:
    ((call_id,),) = box.sql("SELECT id FROM call")
    text = inside.get(f"/calls/{call_id}").get_data(as_text=True)
    for words in ("(11) 98765-4321", "Maria", "Answered", "Vendas e encomendas", "Número principal"):
        assert words in text, words
    for words in ("Heard the greeting.", "Pressed 1 in the menu", "Began to wait in", "Bruno Oliveira did not answer."):
        assert words in text, words
    assert "Ana Souza answered." in text
    assert "The caller hung up." in text
    assert text.count('class="step"') >= 7
    assert f'src="/recordings/{recorded}"' in text


def test_an_unknown_call_is_a_sentence(inside: FlaskClient) -> None:
    for call_id in ("1.1", "nonsense", "x" * 500, "%00", "..%2f..%2fetc"):
        answer = inside.get(f"/calls/{call_id}")
        assert answer.status_code == 404, call_id
        assert "There is no such page." in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("writing", "still being written"),
        ("short", "shorter than the talk"),
        ("missing", "There is no file"),
        ("damaged", "This recording is damaged"),
    ],
)
def test_a_recording_that_is_not_whole_says_so(
    box: Box, inside: FlaskClient, recorded: int, state: str, words: str
) -> None:
    box.sql("UPDATE recording SET state = ?", state)
    ((call_id,),) = box.sql("SELECT id FROM call")
    text = inside.get(f"/calls/{call_id}").get_data(as_text=True)
    assert words in text
    assert ("<audio" in text) == (state in ("short", "damaged"))


def test_a_recording_is_sent_whole_in_pieces_and_not_twice(inside: FlaskClient, recorded: int) -> None:
    path = f"/recordings/{recorded}"
    whole = inside.get(path)
    size = len(whole.data)
    assert (whole.status_code, whole.mimetype, whole.headers["Accept-Ranges"]) == (200, "audio/wav", "bytes")
    assert size > 100_000
    piece = inside.get(path, headers={"Range": "bytes=1000-1999"})
    assert (piece.status_code, piece.headers["Content-Range"]) == (206, f"bytes 1000-1999/{size}")
    assert piece.data == whole.data[1000:2000]
    tail = inside.get(path, headers={"Range": "bytes=-100"})
    assert (tail.status_code, tail.data) == (206, whole.data[-100:])
    beyond = inside.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    tag = whole.headers["ETag"]
    same = inside.get(path, headers={"Range": "bytes=0-9", "If-Range": tag})
    assert same.status_code == 206
    other = inside.get(path, headers={"Range": "bytes=0-9", "If-Range": '"another file"'})
    assert (other.status_code, len(other.data)) == (200, size)
    assert inside.get(path, headers={"If-None-Match": tag}).status_code == 304
    head = inside.head(path)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(size))
    for answer in (whole, piece, tail, beyond, same, other, head):
        answer.close()


def test_who_listened_is_written_down_once_a_listening(box: Box, inside: FlaskClient, recorded: int) -> None:
    inside.head(f"/recordings/{recorded}").close()
    assert not _played(box)
    for _ in range(3):
        inside.get(f"/recordings/{recorded}", headers={"Range": "bytes=0-99"}).close()
    (said,) = _played(box)
    assert said["who"] == "owner"
    assert str(recorded) in said["detail"]


def test_every_download_is_written_down_also_right_after_a_listening(
    box: Box, inside: FlaskClient, recorded: int
) -> None:
    inside.get(f"/recordings/{recorded}").close()
    inside.head(f"/recordings/{recorded}?download=1").close()
    for _ in range(2):
        inside.get(f"/recordings/{recorded}?download=1").close()
    said = [given["what"] for given in box.daemon.asked_for("audit") if given["what"].startswith("recording.")]
    assert said == ["recording.played", "recording.downloaded", "recording.downloaded"]


def test_without_the_daemon_recordings_still_play(box: Box, inside: FlaskClient, recorded: int) -> None:
    box.daemon.stop()
    with inside.get(f"/recordings/{recorded}") as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["../../secrets/ami", "/etc/passwd", "recordings/../secrets/web-session", "recordings", ""]
)
def test_a_recording_s_path_cannot_lead_out_of_its_folder(
    box: Box, inside: FlaskClient, recorded: int, path: str
) -> None:
    box.sql("UPDATE recording SET path = ?", path)
    assert inside.get(f"/recordings/{recorded}").status_code == 404


def test_a_link_out_of_the_recordings_folder_is_not_followed(
    box: Box, inside: FlaskClient, recorded: int, tmp_path: Path
) -> None:
    outside = tmp_path / "secret.wav"
    outside.write_bytes(b"RIFF")
    (box.home.recordings / "link.wav").symlink_to(outside)
    for path in ("recordings/link.wav", "recordings/\0.wav"):
        box.sql("UPDATE recording SET path = ?", path)
        assert inside.get(f"/recordings/{recorded}").status_code == 404


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_a_hostile_name_is_text_and_nothing_else(box: Box, inside: FlaskClient, name: str) -> None:
    box.add_history([answered_call(1, now_ms() - 60_000, "+5511987654321", name)])
    box.daemon.live["waiting"] = [waiting("9.9", name, name)]
    box.daemon.live["agents"][0] |= {"state": "talking", "caller": name}
    ((call_id,),) = box.sql("SELECT id FROM call")
    for path in ("/", "/calls", f"/calls/{call_id}", "/live"):
        answer = inside.get(path)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert "Set-Cookie: x" not in str(answer.headers)
        for forbidden in ("<script>alert", "<img src=x", "\u202e", "\u2028", "\x1c", ">49<"):
            assert forbidden not in text, (path, forbidden)
        assert path.startswith("/calls/") or len(text) < 40_000


def test_a_label_is_one_short_printable_line() -> None:
    for name in HOSTILE:
        assert label(name).isprintable()
        assert len(label(name)) <= 120
    assert label(None) == ""
    assert label(" João\t da\n Silva ") == "João da Silva"


def test_figures_are_written_as_people_read_them() -> None:
    assert [duration(ms) for ms in (None, -5, 0, 59_999, 60_000, 3_600_000, 86_399_000)] == [
        *("–", "0:00", "0:00", "0:59", "1:00", "1:00:00", "23:59:59"),
    ]
    assert [offset(ms) for ms in (-1, 0, 1_250, 61_000)] == ["+0:00.0", "+0:00.0", "+0:01.2", "+1:01.0"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+5511987654321", "(11) 98765-4321"),
        ("+4930123456", "+49 30 123456"),
        ("anonymous", "Hidden number"),
        ("", "Hidden number"),
        ("201", "201"),
        ("not a number", "not a number"),
        ("+55119", "+55119"),
        ("٣٤٥", "٣٤٥"),
    ],
)
def test_a_number_is_written_the_way_of_its_country(box: Box, inside: FlaskClient, text: str, shown: str) -> None:
    box.daemon.live["waiting"] = [waiting("9.9", text)]
    assert f">{shown}</bdi>" in inside.get("/live").get_data(as_text=True)


def test_the_live_fragment_is_sent_only_when_something_changed(box: Box, inside: FlaskClient) -> None:
    first = inside.get("/live").get_data(as_text=True)
    (again,) = _between(first, 'hx-get="', '"')
    time_before = now_ms()
    while now_ms() - time_before < 450:  # the page asks the daemon at most so often
        assert inside.get(again).status_code == 204
    box.daemon.live["waiting"] = [waiting("9.9", "+5511987654321", "Maria")]
    deadline = time.monotonic() + 5
    while (answer := inside.get(again)).status_code == 204:
        assert time.monotonic() < deadline
    assert "1 caller is waiting" in answer.get_data(as_text=True)


def test_many_viewers_are_one_question_to_the_daemon(box: Box) -> None:
    feed = Feed(Control(box.home.control_sock))
    assert {feed.look().status for _ in range(50)} == {"ok"}
    first = feed.look()
    assert first is feed.look()


def test_a_daemon_that_died_leaves_its_last_picture_and_its_time(box: Box) -> None:
    feed = Feed(Control(box.home.control_sock))
    before = feed.look()
    box.daemon.stop()
    deadline = time.monotonic() + 5
    while (after := feed.look()).status == "ok":
        assert time.monotonic() < deadline
    assert (after.status, after.data, after.seen_ms) == ("daemon-down", before.data, before.seen_ms)
    assert after.since_ms == before.seen_ms
    box.daemon.start()
    while feed.look().status != "ok":
        assert time.monotonic() < deadline


def test_old_news_are_never_shown_as_fresh(box: Box) -> None:
    wall_ms = now_ms() + 60_000
    shown = picture(Feed(Control(box.home.control_sock), lambda: wall_ms).look(), OfficeWords())
    assert (shown.status, shown.fresh, shown.known) == ("daemon-stuck", False, True)


def test_a_warning_stands_on_every_page(box: Box, inside: FlaskClient) -> None:
    box.daemon.live["warnings"] = [{"code": "disk-full", "since_ms": now_ms(), "text_args": {"free_mb": 1}}]
    for path in ("/", "/calls", "/try"):
        assert "The disk is full" in inside.get(path).get_data(as_text=True), path


def test_the_day_s_figures_add_up(box: Box, inside: FlaskClient) -> None:
    box.daemon.live["today"] = {"received": 12, "answered": 7, "abandoned": 2, "timed_out": 1, "closed": 1}
    text = inside.get("/live").get_data(as_text=True)
    assert "12 calls came in today: 7 answered, 3 lost, 1 other." in text
    assert "In progress" in text


def test_the_test_call_is_started_watched_and_leads_to_its_call(box: Box, inside: FlaskClient) -> None:
    from tests.web.test_door import token

    data = {"csrf": token(inside, "/try")}
    assert inside.post("/try", data=data).headers["Location"] == "/try/d1"
    box.daemon.drill["steps"] = [{"at_ms": 10, "what": "calling", "detail": "", "ok": True}]
    text = inside.get("/try/d1").get_data(as_text=True)
    assert "The virtual caller dials the office" in text
    assert "every 1s" in text
    box.daemon.drill |= {"state": "passed", "call": "1763779200.12"}
    text = inside.get("/try/d1/steps").get_data(as_text=True)
    assert "Everything worked." in text
    assert "every 1s" not in text
    assert 'href="/calls/1763779200.12"' in text
    box.daemon.refuse["drill.start"] = "A drill is running already. Wait for its end."
    answer = inside.post("/try", data=data)
    assert answer.status_code == 409
    assert "A drill is running already." in answer.get_data(as_text=True)


def test_an_office_that_is_not_there_yet_is_a_page_too(box: Box, inside: FlaskClient) -> None:
    box.sql("DELETE FROM setting")
    box.daemon.live |= {"queues": [], "agents": [], "office": {"name": "", "timezone": "UTC"}}
    for path in ("/", "/calls", "/try"):
        assert inside.get(path).status_code == 200
    assert "No agents are set up yet." in inside.get("/live").get_data(as_text=True)


def test_the_page_never_writes_the_database(box: Box) -> None:
    app = create_app(of_home(box.home))
    client = english(app)
    box.add_history([answered_call(1, now_ms() - 60_000)])
    before = {file.name: file.read_bytes() for file in box.home.db.parent.glob("*.db")}
    enter(client)
    for path in ("/", "/calls?search=maria", "/live", "/try", "/password"):
        client.get(path)
    assert before == {file.name: file.read_bytes() for file in box.home.db.parent.glob("*.db")}


def _played(box: Box) -> list[dict[str, str]]:
    return [given for given in box.daemon.asked_for("audit") if given["what"] == "recording.played"]


def _between(text: str, start: str, end: str) -> list[str]:
    return [part.partition(end)[0] for part in text.split(start)[1:]]
