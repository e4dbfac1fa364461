"""The seal of a day by mail: to whom the office names, once, and it is the head that the box can be held against."""

import pytest

from ramal.core.chain import head_from
from ramal.core.office import Language, Mail, Office, Recordings
from ramal.ops.outbox import Outbox
from ramal.store import notices, seals
from ramal.vault.verify import Verification
from tests.fakes.mail_peer import MailPeer
from tests.until import until
from tests.vault.shelf import Shelf, spoken, stereo_wav
from tests.vault.test_keep import keeper

DAY_MS = 86_400_000
TALK = stereo_wav(spoken(2), spoken(2, 1000.0))


@pytest.mark.parametrize(
    ("language", "subject"),
    [("pt-BR", "Selo das gravações"), ("en", "Seal of the recordings"), ("es", "Sello de las grabaciones")],
)
def test_a_days_seal_goes_by_mail_once_and_a_later_box_is_held_against_it(
    shelf: Shelf, language: Language, subject: str
) -> None:
    with MailPeer() as peer:
        server = Mail("127.0.0.1", "office@example.com", peer.port, "none")
        told = ("boss@example.com", "lawyer@example.com")
        shelf.office = Office(
            name="Padaria", language=language, mail=(server,), recordings=(Recordings(seal_mail=told),)
        )
        one = keeper(shelf)
        shelf.put(TALK)
        assert one.round() == 1
        assert shelf.read(notices.waiting) == 0, "the day is not over"
        shelf.now_ms += DAY_MS
        one.round()
        one.round()
        assert shelf.read(notices.waiting) == 2
        outbox = Outbox(shelf.means())
        outbox.start()
        until(lambda: len(peer.mails) == 2, 10, "both are told")
        outbox.stop()
    assert sorted(mail["To"] for mail in peer.mails) == sorted(told)
    text = peer.mails[0].get_content()
    assert subject in peer.mails[0]["Subject"]
    head = head_from(next(line for line in text.splitlines() if line[:1].isdigit()))
    assert head is not None
    assert head.text == shelf.read(seals.day_head).text
    assert shelf.read(lambda db: list(Verification(shelf.home, db, (head,)).flaws())) == []


def test_without_a_reader_nothing_is_sent_and_the_day_is_sealed_all_the_same(shelf: Shelf) -> None:
    one = keeper(shelf)
    shelf.put(TALK)
    one.round()
    shelf.now_ms += DAY_MS
    one.round()
    assert shelf.read(notices.waiting) == 0
    assert shelf.read(seals.day_head) is not None
