"""Grandstream: ``cfg<mac>.xml``; GRP26xx by names (``config version="2"``), GXP by numbers (``version="1"``). Pure.

Sources (read 2026, public repositories): Grandstream's own template ``grp261x_config_v2_1.0.5.15.xml`` as kept in
wazo-platform/wazo-provd-plugins ``plugins/wazo-grandstream/docs/config-template`` (``account.1.*``: expiry in
minutes, codecs, DTMF, auto-answer, dial plan); that plugin's ``common/templates/base_v2.tpl``, ``base.tpl`` and
``common/common.py`` (file name, ``pks.vpk.*``, the numbers P323/P301… of the first seven keys,
``users.admin.password``, ``dateTime.*``, ``language.gui``, dial plan ``{ [*x]+ }``); fusionpbx/fusionpbx
``resources/templates/provision/grandstream/grp26xx/{$mac}.xml`` (numbers of account 1, each explained there;
``P212``/ ``P237`` path of the settings; ``P90`` auto-answer); a published template for GRP V2
(``provisioning.config.*``, ``dateTime.timezone.custom``) and a public catalogue of formats quoting Grandstream's
guides (``<mac>`` is checked by the phone, the first virtual key is the line's, keys have no gaps, key modes are words
because the numbers conflict).
"""

from collections.abc import Iterable

from ramal.core.office import Language
from ramal.provision.handset import EXPIRES_S, PICK_UP, Handset, xml_text

DIAL_PLAN = "{ [*x]+ }"
GXP_KEYS = 7
"""The eighth key's numbers would be those of the first."""
_LANGUAGE: dict[Language, str] = {"pt-BR": "pt", "en": "en", "es": "es"}
_TRANSPORT = {"udp": "UDP", "tcp": "TCP", "tls": "TlsOrTcp"}
_TRANSPORT_NUMBER = {"udp": 0, "tcp": 1, "tls": 2}
_MODE = {"lamp": "BLF", "dial": "SpeedDial"}
_MODE_NUMBER = {"lamp": 1, "dial": 0}


def grp(handset: Handset) -> dict[str, str]:
    """``cfgc074ad0b63ee.xml`` for the GRP26xx phones."""
    account = {
        "enable": "Yes",
        "name": handset.title,
        "sip.server.1.address": handset.address,
        "sip.userid": handset.extension,
        "sip.subscriber.userid": handset.extension,
        "sip.subscriber.password": handset.secret,
        "sip.subscriber.name": handset.title,
        "sip.registration": "Yes",
        "sip.registerExpiration": str(EXPIRES_S // 60),
        "sip.transport": _TRANSPORT[handset.transport],
        "sip.blf.callPickup.prefix": PICK_UP,
        "codec.choice.1": "PCMA",
        "codec.choice.2": "PCMU",
        "dtmf.sendInAudio": "No",
        "dtmf.sendInRtp": "Yes",
        "dtmf.sendInSip": "No",
        "call.dialplan": DIAL_PLAN,
        "call.autoAnswer": "No",
        "intercom.allowAutoAnswer": "No",
        "featureCodes.callFeatures": "No",
    }
    items = {f"account.1.{name}": value for name, value in account.items()}
    items |= {
        "users.admin.password": handset.admin_password,
        "dateTime.ntp.server.1": handset.server,
        "dateTime.timezone": handset.zone.posix,
        "language.gui": _LANGUAGE[handset.language],
        "provisioning.config.protocol": "HTTP",
        "provisioning.config.serverPath": _path(handset),
    }
    for place, key in enumerate(handset.keys, start=2):
        items |= {
            f"pks.vpk.{place}.keyMode": _MODE[key.kind],
            f"pks.vpk.{place}.account": "0",
            f"pks.vpk.{place}.description": key.label,
            f"pks.vpk.{place}.value": key.value,
        }
    return _file(handset, 2, (f'<item name="{name}">{xml_text(value)}</item>' for name, value in items.items()))


def gxp(handset: Handset) -> dict[str, str]:
    """``cfg000b8240d55c.xml`` for the GXP phones."""
    values: dict[str, object] = {
        "P271": 1,
        "P270": handset.title,
        "P47": handset.address,
        "P35": handset.extension,
        "P36": handset.extension,
        "P34": handset.secret,
        "P3": handset.title,
        "P31": 1,
        "P32": EXPIRES_S // 60,
        "P130": _TRANSPORT_NUMBER[handset.transport],
        "P1347": PICK_UP,
        "P57": 8,
        "P58": 0,
        "P2301": 0,
        "P2302": 1,
        "P2303": 0,
        "P290": DIAL_PLAN,
        "P90": 0,
        "P298": 0,
        "P191": 0,
        "P2": handset.admin_password,
        "P30": handset.server,
        "P64": "customize",
        "P246": handset.zone.posix,
        "P1362": _LANGUAGE[handset.language],
        "P212": 1,
        "P237": _path(handset),
    }
    for place, key in enumerate(handset.keys[:GXP_KEYS], start=1):
        values |= {
            f"P32{place + 2}": _MODE_NUMBER[key.kind],
            f"P3{3 * place - 2:02}": 0,
            f"P3{3 * place - 1:02}": key.label,
            f"P3{3 * place:02}": key.value,
        }
    return _file(handset, 1, (f"<{name}>{xml_text(str(value))}</{name}>" for name, value in values.items()))


def _path(handset: Handset) -> str:
    """The folder without its scheme."""
    return handset.base_url.removeprefix("http://")


def _file(handset: Handset, version: int, rows: Iterable[str]) -> dict[str, str]:
    mac = handset.mac.lower()
    body = "".join(f"    {row}\n" for row in rows)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<gs_provision version="1">\n'
        f'  <mac>{mac}</mac>\n  <config version="{version}">\n{body}  </config>\n</gs_provision>\n'
    )
    return {f"cfg{mac}.xml": text}
