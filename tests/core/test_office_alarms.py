"""Alarms and the mail server in an office file: what is refused, what is hidden, and both ways to write ``mail``."""

import pytest

from ramal.core.office import Alarm, Mail
from ramal.core.office_file import OfficeRefused, diff, read, write

HEAD = (
    '[office]\nname = "Padaria"\n[[queue]]\nname = "sales"\n[[hours]]\nname = "shop"\nopen = ["mon-fri 08:00-18:00"]\n'
)
MAIL = '[mail]\nhost = "smtp.example.com"\nsender = "a@example.com"\n'


def alarm(text: str) -> str:
    return f'{HEAD}[[alarm]]\nname = "late"\n{text}\n'


def said(text: str) -> list[str]:
    with pytest.raises(OfficeRefused) as refused:
        read(text)
    return [problem.what for problem in refused.value.problems]


def test_an_alarm_is_read_with_all_it_has_and_written_again() -> None:
    text = alarm('measure = "longest-wait"\nqueue = "sales"\nlimit = 60\nmail = ["b@example.com"]') + MAIL
    office = read(text)
    assert office.alarms == (Alarm("late", "longest-wait", "sales", 60, mail=("b@example.com",)),)
    assert office.mail == (Mail("smtp.example.com", "a@example.com"),)
    assert "\n[mail]\n" in write(office)
    assert read(write(office)) == office
    assert read(text.replace("[mail]", "[[mail]]")) == office


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('measure = "longest-wait"', "needs a limit"),
        ('measure = "callers-waiting"', "needs a limit"),
        ('measure = "service-level"', "from 1 to 100 percent"),
        ('measure = "service-level"\nlimit = 101', "from 1 to 100 percent"),
        ('measure = "service-level"\nlimit = 0', "from 1 to 100 percent"),
        ('measure = "no-agent"\nhours = "shopp"', "did you mean “shop”"),
        ('measure = "no-agent"\nqueue = "sale"', "did you mean “sales”"),
        ('measure = "no-agents"', "did you mean “no-agent”"),
        ('measure = "no-agent"\nmail = ["b@example.com"]', "has no mail server"),
        ('measure = "no-agent"\nmail = ["b@example.com\\nBcc: x@y.example"]', "is not a mail address"),
        ('measure = "no-agent"\nwebhook = "ftp://example.com"', "is not an address on the web"),
        ('measure = "no-agent"\nwebhook = "http://user:word@example.com"', "is not an address on the web"),
        ('measure = "no-agent"\nwebhook = "http://example.com/a b"', "is not an address on the web"),
        ('measure = "no-agent"\nwebhook_secret = "word"', "does nothing without “webhook”"),
    ],
)
def test_what_is_wrong_with_an_alarm_is_said(text: str, what: str) -> None:
    assert [sentence for sentence in said(alarm(text)) if what in sentence]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('username = "a"\npassword = "b"\nsecurity = "none"', "everybody to read"),
        ('password = "b"', "does nothing without “username”"),
        ('sender = "nobody"', "is not a mail address"),
    ],
)
def test_what_is_wrong_with_the_mail_server_is_said(text: str, what: str) -> None:
    server = MAIL.replace('sender = "a@example.com"\n', "") if "sender" in text else MAIL
    assert any(what in sentence for sentence in said(HEAD + server + text))


def test_two_mail_servers_are_one_too_many() -> None:
    assert "up to 1" in said(HEAD + (MAIL + MAIL.replace("smtp", "mx")).replace("[mail]", "[[mail]]"))[0]


def test_what_changes_is_told_without_the_secrets() -> None:
    text = alarm('measure = "no-agent"\nwebhook = "https://x.example/w"\nwebhook_secret = "one"') + MAIL
    more = 'username = "u"\npassword = "one"\n'
    before = read(text + more)
    after = read((text + more).replace('"one"', '"two"').replace("/w", "/secret-path"))
    assert diff(before, after) == (
        "alarm late: webhook changed",
        "alarm late: webhook_secret changed",
        "mail smtp.example.com: password changed",
    )
