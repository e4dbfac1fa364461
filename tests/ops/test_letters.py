"""Messages by mail against a real SMTP server: with STARTTLS, refused, absent; given up after days; never twice."""

import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope

from ramal.core.office import Mail
from ramal.ops import deliver
from ramal.store import letters, migrations
from ramal.store.db import open_writer
from ramal.store.letters import GIVE_UP_MS, Letter
from tests.ops.test_deliver import certificate, server_side
from tests.system.ports import free_port

__all__ = ["certificate"]
_NEW = "INSERT INTO letter (message, target, made_ms, state, tries, next_ms, error)"
SOUND = deliver.Attached("ramal-1.2.mp3", "mpeg", b"\xff\xf3" + bytes(range(256)) * 300)


class Post:
    """What an SMTP server took; ``refuses`` is said to every reader."""

    def __init__(self, refuses: str = "") -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = refuses

    async def handle_RCPT(
        self, server: SMTP, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.refuses or "250 yes"

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    made, port = Post(), free_port()
    server = Controller(made, hostname="127.0.0.1", port=port)
    server.start()
    yield made, port
    server.stop()


def send(port: int, security: str = "none", **more: object) -> None:
    server = Mail("127.0.0.1", "office@example.com", port, security)  # type: ignore[arg-type]
    deliver.mail(server, "boss@example.com", "Recado", "Um recado.", "message-1.2-1", 0, attached=SOUND, **more)  # type: ignore[arg-type]


def test_the_sound_arrives_byte_for_byte_with_its_name(post: tuple[Post, int]) -> None:
    send(post[1])
    [mail] = post[0].mails
    [part] = mail.iter_attachments()
    assert (part.get_filename(), part.get_content_type(), part.get_content()) == (SOUND.name, "audio/mpeg", SOUND.data)
    body = mail.get_body()
    assert body is not None
    assert body.get_content().strip() == "Um recado."


def test_with_starttls_it_goes_encrypted_and_never_in_the_clear(certificate: Path) -> None:
    made, port = Post(), free_port()
    server = Controller(
        made, hostname="127.0.0.1", port=port, tls_context=server_side(certificate), require_starttls=True
    )
    server.start()
    try:
        with pytest.raises(deliver.NotTaken):
            send(port)  # in the clear: the server does not take it
        with pytest.raises(deliver.NotThere):
            send(port, "starttls")  # nobody vouches for this certificate
        trusting = ssl.create_default_context(cafile=str(certificate / "c.pem"))
        send(port, "starttls", context=lambda: trusting)
    finally:
        server.stop()
    assert len(made.mails) == 1


def test_a_refusal_is_not_an_absence(post: tuple[Post, int]) -> None:
    post[0].refuses = "550 5.1.1 no such reader"
    with pytest.raises(deliver.NotTaken) as refused:
        send(post[1])
    assert not isinstance(refused.value, deliver.NotThere)
    assert "no such reader" in str(refused.value)
    with pytest.raises(deliver.NotThere):
        send(free_port())


def test_a_letter_waits_longer_each_time_and_is_given_up_after_days(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "ramal.db")
    migrations.migrate(db)
    db.execute(
        "INSERT INTO letter (message, target, made_ms, state, tries, next_ms, error)"
        " VALUES ('1.2', 'a@b.c', 0, 'waiting', 0, 0, '')"
    )
    now_ms, waits = 0, []
    for _ in range(200):
        due = letters.due(db, now_ms)
        if not due:
            [(next_ms,)] = db.execute("SELECT next_ms FROM letter").fetchall()
            waits.append(next_ms - now_ms)
            now_ms = next_ms
        elif not letters.failed(db, due[0], now_ms, "away"):
            break
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (10_000, 3_600_000)
    assert now_ms >= GIVE_UP_MS
    assert letters.due(db, now_ms + 10**9) == []
    assert letters.given_up(db, 0) == 1
    assert letters.make(db, now_ms) == 0
    assert Letter(1, "1.2", "a@b.c", 0, 0).name == "message-1.2-1"
    db.close()


def test_when_the_server_is_back_nobody_waits_for_an_hour_of_its_absence(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "ramal.db")
    migrations.migrate(db)
    for target in ("a@b.c", "d@e.f", "g@h.i"):
        row = ("1.2", target)
        db.execute(f"{_NEW} VALUES (?, ?, 0, 'waiting', 9, 0, '')", row)
    away, refused, other = letters.due(db, 0)
    letters.failed(db, away, 0, "away", True)
    letters.failed(db, refused, 0, "550 no such reader")
    assert letters.due(db, 1000) == [other]
    letters.sent(db, other.id, 1000)
    assert [letter.id for letter in letters.due(db, 1000)] == [away.id]
    db.close()
