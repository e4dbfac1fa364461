"""Yealink, T series with firmware V81 and later: ``<mac>.cfg``, lines of ``key = value``. Pure.

Sources (read 2026, public repositories): wazo-platform/wazo-provd-plugins
``plugins/wazo-yealink/v85/templates/base.tpl`` and ``v86/common.py`` (file name, ``account.1.*``, ``linekey.N.*``
with type 15 line, 16 BLF, 13 speed dial and ``extension`` = pick-up code, ``local_time.*`` and its rules,
``static.security.user_password``, dtmf and transport numbers); fusionpbx/fusionpbx
``resources/templates/provision/yealink/t31g/{$mac}.cfg`` (``dtmf.type`` 1 = RFC 2833, ``auto_answer``,
``direct_pickup_code``); Yealink's Administrator's Guide V86.5 as quoted in a public catalogue of formats
(``sip_server.1.expires`` in seconds, the first line is mandatory); ``codec.pcma.priority`` and
``static.auto_provision.server.url`` as in several published files. No source names the Portuguese interface: there
the phone keeps its own language.
"""

from collections.abc import Iterator

from ramal.core.office import Language
from ramal.provision.handset import EXPIRES_S, PICK_UP, Handset, line_text
from ramal.provision.zones import Turn

_TRANSPORT = {"udp": 0, "tcp": 1, "tls": 2}
_LANGUAGE: dict[Language, str] = {"en": "English", "es": "Spanish"}
_KEY_TYPE = {"lamp": 16, "dial": 13}


def files(handset: Handset) -> dict[str, str]:
    """``001565aabbcc.cfg``."""
    lines = "".join(f"{key} = {value}\n" for key, value in _settings(handset))
    return {f"{handset.mac.lower()}.cfg": f"#!version:1.0.0.1\n{lines}"}


def _settings(handset: Handset) -> Iterator[tuple[str, str | int]]:
    yield "static.auto_provision.server.url", f"{handset.base_url}/"
    yield "static.auto_provision.power_on", 1
    yield "static.security.user_password", f"admin:{handset.admin_password}"
    account: dict[str, str | int] = {
        "enable": 1,
        "label": line_text(handset.title) or handset.extension,
        "display_name": line_text(handset.title) or handset.extension,
        "auth_name": handset.extension,
        "user_name": handset.extension,
        "password": handset.secret,
        "sip_server.1.address": handset.server,
        "sip_server.1.port": handset.port,
        "sip_server.1.transport_type": _TRANSPORT[handset.transport],
        "sip_server.1.expires": EXPIRES_S,
        "dtmf.type": 1,
        "auto_answer": 0,
        "direct_pickup_code": PICK_UP,
        "codec.pcma.enable": 1,
        "codec.pcma.priority": 1,
        "codec.pcmu.enable": 1,
        "codec.pcmu.priority": 2,
        "codec.g722.enable": 0,
        "codec.g729.enable": 0,
    }
    yield from ((f"account.1.{key}", value) for key, value in account.items())
    yield from _clock(handset)
    if handset.language in _LANGUAGE:
        yield "lang.gui", _LANGUAGE[handset.language]
        yield "lang.wui", _LANGUAGE[handset.language]
    yield "linekey.1.type", 15
    yield "linekey.1.line", 1
    for place, key in enumerate(handset.keys, start=2):
        yield f"linekey.{place}.type", _KEY_TYPE[key.kind]
        yield f"linekey.{place}.line", 1
        yield f"linekey.{place}.value", key.value
        yield f"linekey.{place}.label", line_text(key.label) or key.value
        if key.pick_up:
            yield f"linekey.{place}.extension", PICK_UP


def _clock(handset: Handset) -> Iterator[tuple[str, str | int]]:
    zone = handset.zone
    minutes = abs(zone.offset_s) // 60
    hours = f"{minutes // 60}:{minutes % 60:02}" if minutes % 60 else f"{minutes // 60}"
    yield "local_time.ntp_server1", handset.server
    yield "local_time.time_zone", f"{'-' if zone.offset_s < 0 else '+'}{hours}"
    if zone.starts is None or zone.ends is None:
        yield "local_time.summer_time", 0
        return
    yield "local_time.summer_time", 1
    yield "local_time.dst_time_type", 1
    yield "local_time.start_time", _turn(zone.starts)
    yield "local_time.end_time", _turn(zone.ends)
    yield "local_time.offset_time", zone.save_s // 60


def _turn(turn: Turn) -> str:
    return f"{turn.month}/{turn.week}/{turn.weekday + 1}/{turn.minute // 60}"
