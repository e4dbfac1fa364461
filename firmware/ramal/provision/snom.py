"""Snom, D series with firmware 8 and later: ``<MAC>.xml``. Pure.

Sources (read 2026, public): Snom's own page «Desk Phone Configuration Files» (service.snom.com: the file, ``{mac}``
in ``setting_server``); wazo-platform/wazo-provd-plugins ``plugins/wazo-snom/common/templates/base.tpl`` and
``common/common.py`` (``user_*``, ``user_dtmf_info`` off = RFC 2833, ``codec_priority_list``, ``utc_offset`` and
``dst``, ``admin_mode_password``, keys counted from 0 with ``blf <number>|<pick-up code>`` and ``speed <number>``,
languages English and Espanol); fusionpbx/fusionpbx ``resources/templates/provision/snom/D735/{$mac}.xml``
(``user_expiry``, the transport behind ``user_outbound``, the line's own key, ``admin_mode_password_confirm``). No
source names the Portuguese interface: there the phone keeps its own language. ``perm="R"``: what is set here a user
of the phone cannot change.
"""

from ramal.core.office import Language
from ramal.provision.handset import EXPIRES_S, PICK_UP, Handset, Key, xml_text
from ramal.provision.zones import Turn, Zone

_LANGUAGE: dict[Language, str] = {"en": "English", "es": "Espanol"}


def files(handset: Handset) -> dict[str, str]:
    """``000413922d24.xml``; the phone asks for it in capitals."""
    settings = {
        "setting_server": f"{handset.base_url}/{{mac}}.xml",
        "http_user": "admin",
        "http_pass": handset.admin_password,
        "admin_mode_password": handset.admin_password,
        "admin_mode_password_confirm": handset.admin_password,
        "ntp_server": handset.server,
        **_clock(handset.zone),
    }
    if handset.language in _LANGUAGE:
        settings |= {"language": _LANGUAGE[handset.language], "web_language": _LANGUAGE[handset.language]}
    account = {
        "user_active": "on",
        "user_realname": handset.title,
        "user_idle_text": handset.title,
        "user_host": handset.host,
        "user_outbound": f"{handset.address};transport={handset.transport}",
        "user_name": handset.extension,
        "user_pname": handset.extension,
        "user_pass": handset.secret,
        "user_expiry": str(EXPIRES_S),
        "user_srtp": "off",
        "user_dtmf_info": "off",
        "codec_priority_list": "pcma,pcmu,telephone-event",
    }
    lines = [f'<{name} perm="R">{xml_text(value)}</{name}>' for name, value in settings.items()]
    lines += [f'<{name} idx="1" perm="R">{xml_text(value)}</{name}>' for name, value in account.items()]
    keys = ['<fkey idx="0" context="1" label="" perm="R">line</fkey>']
    keys += [_key(place, key) for place, key in enumerate(handset.keys, start=1)]
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<settings>\n  <phone-settings>\n'
        + "".join(f"    {line}\n" for line in lines)
        + "  </phone-settings>\n  <functionKeys>\n"
        + "".join(f"    {key}\n" for key in keys)
        + "  </functionKeys>\n</settings>\n"
    )
    return {f"{handset.mac.lower()}.xml": text}


def _key(place: int, key: Key) -> str:
    told = f"speed {key.value}" if key.kind == "dial" else f"blf {key.value}{f'|{PICK_UP}' if key.pick_up else ''}"
    label = xml_text(key.label)
    return f'<fkey idx="{place}" context="active" label="{label}" perm="R">{xml_text(told)}</fkey>'


def _clock(zone: Zone) -> dict[str, str]:
    dst = "" if zone.starts is None or zone.ends is None else f"{zone.save_s} {_turn(zone.starts)} {_turn(zone.ends)}"
    return {"timezone": "", "utc_offset": f"{zone.offset_s:+d}", "dst": dst}


def _turn(turn: Turn) -> str:
    return f"{turn.month:02}.{turn.week:02}.{turn.weekday + 1:02} {turn.minute // 60:02}:{turn.minute % 60:02}:00"
