"""Mail and webhooks against real peers: taken exactly when the other side says so, and never in the clear instead."""

import hashlib
import hmac
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from ramal.core.office import Mail
from ramal.ops import deliver
from tests.fakes.mail_peer import MailPeer
from tests.fakes.web_peer import WebPeer


def plain(peer: MailPeer) -> Mail:
    return Mail("127.0.0.1", "office@example.com", peer.port, "none")


def send(server: Mail, **more: object) -> None:
    deliver.mail(server, "boss@example.com", "Padaria – Alarme: “late”", "Alguém espera.\n.\nFim", "7-1", 0, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(folder / "key.pem"),
        "-out",
        str(folder / "c.pem"),
    ]
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    return folder


def server_side(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "key.pem")
    return context


def test_a_mail_arrives_whole_with_its_id() -> None:
    with MailPeer() as peer:
        send(plain(peer))
        (mail,) = peer.mails
        assert peer.envelopes == [("office@example.com", "boss@example.com")]
    assert mail["Subject"] == "Padaria – Alarme: “late”"
    assert mail["Message-ID"] == "<7-1.ramal@example.com>"
    assert mail.get_content().splitlines() == ["Alguém espera.", ".", "Fim"]


@pytest.mark.parametrize("answer", [b"451 4.3.0 later", b"550 5.1.1 nobody", b"nonsense"])
def test_a_mail_that_is_refused_was_not_taken(answer: bytes) -> None:
    with MailPeer() as peer:
        peer.refuses = answer
        with pytest.raises(deliver.NotTaken):
            send(plain(peer))
        assert not peer.mails


def test_no_server_is_no_traceback() -> None:
    with MailPeer() as peer:
        server = plain(peer)
    with pytest.raises(deliver.NotTaken, match=r"127\.0\.0\.1"):
        send(server)


def test_a_password_goes_only_through_a_secured_line(certificate: Path) -> None:
    def trusting() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(certificate / "c.pem"))

    with MailPeer(tls=server_side(certificate), users={"office": "word"}) as peer:
        right = Mail("127.0.0.1", "office@example.com", peer.port, "starttls", "office", "word")
        send(right, context=trusting)
        assert len(peer.mails) == 1
        assert peer.said.index("STARTTLS") < next(n for n, one in enumerate(peer.said) if one.startswith("AUTH"))
        with pytest.raises(deliver.NotTaken):
            send(Mail("127.0.0.1", "office@example.com", peer.port, "starttls", "office", "wrong"), context=trusting)
        with pytest.raises(deliver.NotTaken, match=r"(?i)certificate"):
            send(right)
        assert len(peer.mails) == 1


def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    with MailPeer(users={"office": "word"}) as peer:
        with pytest.raises(deliver.NotTaken):
            send(Mail("127.0.0.1", "office@example.com", peer.port, "starttls", "office", "word"))
        assert not [word for word in peer.said if word.startswith("AUTH")]
        assert not peer.mails


def test_a_webhook_gets_json_that_it_can_check() -> None:
    with WebPeer() as peer:
        url = f"http://127.0.0.1:{peer.port}/hook?key=1"
        deliver.webhook(url, "a-shared-word", {"event": "raised", "alarm": "late"}, "7-1", 1_763_700_000)
        (post,) = peer.posts
    assert post.path == "/hook?key=1"
    assert json.loads(post.body) == {"id": "7-1", "event": "raised", "alarm": "late"}
    assert post.headers["x-ramal-id"] == "7-1"
    expected = hmac.new(b"a-shared-word", b"1763700000." + post.body, hashlib.sha256).hexdigest()
    assert post.headers["x-ramal-signature"] == f"sha256={expected}"
    assert post.headers["x-ramal-time"] == "1763700000"


def test_a_webhook_without_a_secret_is_not_signed() -> None:
    with WebPeer() as peer:
        deliver.webhook(f"http://127.0.0.1:{peer.port}", "", {}, "7-1", 0)
        assert "x-ramal-signature" not in peer.posts[0].headers
        assert peer.posts[0].path == "/"


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500, 503])
def test_only_a_yes_is_a_yes_and_no_redirect_is_followed(status: int) -> None:
    with WebPeer() as peer:
        peer.status = status
        with pytest.raises(deliver.NotTaken, match=str(status)):
            deliver.webhook(f"http://127.0.0.1:{peer.port}/", "", {}, "7-1", 0)
        assert len(peer.posts) == 1
