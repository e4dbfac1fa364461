"""Fanvil, X and V series with the ``sysConf`` dialect (firmware 2.2.10 and later): ``<mac>.cfg``, XML. Pure.

Sources (read 2026, public repositories): wazo-platform/wazo-provd-plugins ``plugins/wazo-fanvil/common/common.py``
and ``common/templates/base-new.tpl`` (file name, ``ap``, ``phone/date``, ``web/account``, ``sip/line``, ``dsskey``; a
lamp is type 1 with ``<number>@<line>/ba<pick-up code><number>``, a speed dial ``/f``, a line type 2; DTMF 1 = RFC
2833, transport 0/1/3, languages en/es/pt, quarters of an hour east of UTC); fusionpbx/fusionpbx
``resources/templates/provision/fanvil/x5u/{$mac}.cfg`` (``RegisterTTL``, ``AutoAnswer``, ``VoiceCodecMap``). The
version is a mark of change, as a public catalogue of formats quotes Fanvil: a phone takes a file only when it differs
from the last.
"""

import hashlib

from ramal.core.office import Language
from ramal.provision.handset import EXPIRES_S, PICK_UP, Handset, Key, xml_text
from ramal.provision.zones import Turn, Zone

KEYS = 12
_LANGUAGE: dict[Language, str] = {"pt-BR": "pt", "en": "en", "es": "es"}
_TRANSPORT = {"udp": 0, "tcp": 1, "tls": 3}


def files(handset: Handset) -> dict[str, str]:
    """``0c383e07e16c.cfg``."""
    body = _body(handset)
    version = f"2.{int(hashlib.sha256(body.encode()).hexdigest()[:12], 16) % 10**10:010}"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<sysConf>\n<Version>{version}</Version>\n{body}</sysConf>\n'
    return {f"{handset.mac.lower()}.cfg": text}


def _body(handset: Handset) -> str:
    password, extension, secret = map(xml_text, (handset.admin_password, handset.extension, handset.secret))
    server, keys = xml_text(handset.server), enumerate(handset.keys[:KEYS], start=1)
    return f"""<ap>
<SaveProvisionInfo>1</SaveProvisionInfo>
<FlashServerIP>{xml_text(handset.base_url)}</FlashServerIP>
<FlashFileName>$mac.cfg</FlashFileName>
<FlashProtocol>4</FlashProtocol>
<FlashMode>1</FlashMode>
<FlashInterval>1</FlashInterval>
</ap>
<phone>
<MenuPassword>{password}</MenuPassword>
<display>
<DefaultLanguage>{_LANGUAGE[handset.language]}</DefaultLanguage>
<LCDTitle>{xml_text(handset.title)}</LCDTitle>
</display>
<date>
<SNTPServer>{server}</SNTPServer>
<EnableSNTP>1</EnableSNTP>
<SNTPTimeout>60</SNTPTimeout>
{_clock(handset.zone)}</date>
</phone>
<web>
<account index="1">
<Name>admin</Name>
<Password>{password}</Password>
<Level>10</Level>
</account>
</web>
<sip>
<line index="1">
<PhoneNumber>{extension}</PhoneNumber>
<DisplayName>{xml_text(handset.title)}</DisplayName>
<RegisterAddr>{server}</RegisterAddr>
<RegisterPort>{handset.port}</RegisterPort>
<RegisterUser>{extension}</RegisterUser>
<RegisterPswd>{secret}</RegisterPswd>
<RegisterTTL>{EXPIRES_S}</RegisterTTL>
<EnableReg>1</EnableReg>
<ProxyAddr>{server}</ProxyAddr>
<ProxyPort>{handset.port}</ProxyPort>
<ProxyUser>{extension}</ProxyUser>
<ProxyPswd>{secret}</ProxyPswd>
<Transport>{_TRANSPORT[handset.transport]}</Transport>
<DTMFMode>1</DTMFMode>
<AutoAnswer>0</AutoAnswer>
<VoiceCodecMap>PCMA,PCMU</VoiceCodecMap>
</line>
</sip>
<dsskey>
<dssSide index="1">
<Fkey index="1">
<Type>2</Type>
<Value>SIP1</Value>
<Title></Title>
</Fkey>
</dssSide>
<internal index="1">
{"".join(_key(place, key) for place, key in keys)}</internal>
</dsskey>
"""


def _key(place: int, key: Key) -> str:
    if key.kind == "dial":
        value = f"{key.value}@1/f"
    else:
        value = f"{key.value}@1/ba{PICK_UP}{key.value}" if key.pick_up else f"{key.value}@1/ba"
    return (
        f'<Fkey index="{place}">\n<Type>1</Type>\n<Value>{xml_text(value)}</Value>\n'
        f"<Title>{xml_text(key.label)}</Title>\n</Fkey>\n"
    )


def _clock(zone: Zone) -> str:
    lines = [f"<TimeZone>{zone.offset_s // 900}</TimeZone>"]
    hours, rest = divmod(abs(zone.offset_s), 3600)
    if not rest:
        name = f"UTC-{hours:02}" if zone.offset_s < 0 else f"UTC+{hours}" if hours else "UCT"  # written so by Fanvil
        lines.append(f"<TimeZoneName>{name}</TimeZoneName>")
    if zone.starts is None or zone.ends is None:
        lines.append("<EnableDST>0</EnableDST>")
    else:
        lines += ["<EnableDST>2</EnableDST>", "<DSTFixedType>2</DSTFixedType>"]
        lines.append(f"<DSTMinOffset>{min(zone.save_s // 60, 60)}</DSTMinOffset>")
        lines += _turn("Start", zone.starts) + _turn("End", zone.ends)
    return "".join(f"{line}\n" for line in lines)


def _turn(end: str, turn: Turn) -> list[str]:
    parts = {
        "Mon": turn.month,
        "Hour": turn.minute // 60,
        "Wday": (turn.weekday + 1) % 7,
        "Week": -1 if turn.week == 5 else turn.week,
    }
    return [f"<DST{end}{name}>{value}</DST{end}{name}>" for name, value in parts.items()]
