"""The phone the box calls itself with (``ramal health``; dialplan/health.conf). Pure.

It is in every office, rings nobody and reaches nothing but an echo. Its password comes from the AMI secret, so that
whoever may ask the box for its health needs no other secret, and no file holds it but Asterisk's own.
"""

import hashlib
import hmac

from ramal.asterisk.machine import Box

NAME = "ramal-health"
NUMBER = "echo"
"""What it dials."""


def password(ami_secret: str) -> str:
    """128 bits in hexadecimal."""
    return hmac.new(ami_secret.encode(), b"ramal health", hashlib.sha256).hexdigest()[:32]


def health(box: Box) -> str:
    """Endpoint, address and password, for pjsip.conf."""
    return f"""[{NAME}](phone)
auth = {NAME}
aors = {NAME}
context = {NAME}
callerid = "{NAME}" <{NAME}>
allow_subscribe = no

[{NAME}]
type = aor
max_contacts = 1
remove_existing = yes
default_expiration = 60

[{NAME}]
type = auth
auth_type = userpass
username = {NAME}
password = {password(box.ami_secret)}
"""
