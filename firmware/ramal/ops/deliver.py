"""Taking one notice to its reader: mail by SMTP, JSON by a webhook. Blocks, at most some ``TIMEOUT_S``.

Raises NotTaken whenever the other side has not said that it has it. No redirect is followed, no answer is kept.
"""

import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from ramal.core.office import Mail
from ramal.errors import RamalError

TIMEOUT_S = 15.0
Contexts = Callable[[], ssl.SSLContext]


class NotTaken(RamalError):
    """The other side did not take it."""


class NotThere(NotTaken):
    """The other side could not be reached at all; what else is for it may wait."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A sound that goes with a mail; ``subtype`` of audio: mpeg, wav, ogg."""

    name: str
    subtype: str
    data: bytes


def mail(
    server: Mail,
    to: str,
    subject: str,
    text: str,
    id: str,
    at_s: float,
    context: Contexts = ssl.create_default_context,
    attached: Attached | None = None,
) -> None:
    """One mail to one person. ``id`` is its Message-ID, the same when it is sent again."""
    message = EmailMessage()
    message["From"], message["To"] = server.sender, to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(at_s)
    message["Message-ID"] = f"<{id}.ramal@{server.sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text + "\n")
    if attached is not None:
        message.add_attachment(attached.data, maintype="audio", subtype=attached.subtype, filename=attached.name)
    try:
        opened = _smtp(server, context)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotThere(f"{server.host}: {_reason(error)}") from error
    try:
        with opened as smtp:
            if server.username:
                smtp.login(server.username, server.password)
            smtp.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotTaken(f"{server.host}: {_reason(error)}") from error


def _smtp(server: Mail, context: Contexts) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context())
    smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    if server.security == "starttls":
        try:
            smtp.starttls(context=context())  # SMTPNotSupportedError where there is none: never in the clear instead
        except BaseException:
            smtp.close()
            raise
    return smtp


def webhook(url: str, secret: str, facts: Mapping[str, Any], id: str, at_s: int) -> None:
    """POST ``facts`` as JSON. Signed, when there is a secret, with HMAC-SHA256 over ``<timestamp>.<body>``."""
    body = json.dumps({"id": id, **facts}, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Ramal", "X-Ramal-Id": id, "X-Ramal-Time": str(at_s)}
    if secret:
        headers["X-Ramal-Signature"] = f"sha256={signature(secret, at_s, body)}"
    try:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTaken(_reason(error)) from error
    if not 200 <= status < 300:
        raise NotTaken(f"answered {status}")


def signature(secret: str, at_s: int, body: bytes) -> str:
    """What X-Ramal-Signature holds behind ``sha256=``, in hex."""
    return hmac.new(secret.encode(), b"%d.%s" % (at_s, body), hashlib.sha256).hexdigest()


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:200]
