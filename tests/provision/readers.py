"""Reading phones' files as the phones do: a small parser for each format, and the account that stands in it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

LINE = re.compile(r"([a-z0-9_.]+) = (\S(?:.*\S)?)\Z")


@dataclass(frozen=True, slots=True)
class Told:
    """What a phone takes out of its file. ``keys``: what programmable keys dial, in order."""

    user: str
    secret: str
    host: str
    port: int
    expires_s: int
    name: str
    admin_password: str
    next_url: str
    keys: tuple[str, ...]


def yealink(text: str) -> Told:
    first, *lines = text.split("\n")
    assert first == "#!version:1.0.0.1"
    assert lines.pop() == ""
    assert all(line.isprintable() for line in lines)
    pairs = [LINE.match(line) for line in lines]
    assert all(pairs), [line for line, pair in zip(lines, pairs, strict=True) if not pair]
    values = {pair[1]: pair[2] for pair in pairs if pair}
    assert len(values) == len(lines)
    keys = (values.get(f"linekey.{place}.value") for place in range(2, 30))
    return Told(
        values["account.1.user_name"],
        values["account.1.password"],
        values["account.1.sip_server.1.address"],
        int(values["account.1.sip_server.1.port"]),
        int(values["account.1.sip_server.1.expires"]),
        values["account.1.display_name"],
        values["static.security.user_password"].removeprefix("admin:"),
        values["static.auto_provision.server.url"],
        tuple(key for key in keys if key),
    )


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _grandstream(values: Mapping[str, str], names: Mapping[str, str], keys: tuple[str, ...]) -> Told:
    host, port = _split(values[names["server"]])
    return Told(
        values[names["user"]],
        values[names["secret"]],
        host,
        port,
        int(values[names["expires"]]) * 60,
        values[names["name"]],
        values[names["admin"]],
        f"http://{values[names['path']]}/",
        keys,
    )


def grp(text: str) -> Told:
    root = ElementTree.fromstring(text.encode())
    config = root.find("config")
    assert root.tag == "gs_provision"
    assert config is not None
    assert config.get("version") == "2"
    values = {item.attrib["name"]: item.text or "" for item in config.iter("item")}
    assert len(values) == len(config)
    keys = [values.get(f"pks.vpk.{place}.value") for place in range(2, 30)]
    names = {
        "server": "account.1.sip.server.1.address",
        "user": "account.1.sip.userid",
        "secret": "account.1.sip.subscriber.password",
        "expires": "account.1.sip.registerExpiration",
        "name": "account.1.sip.subscriber.name",
        "admin": "users.admin.password",
        "path": "provisioning.config.serverPath",
    }
    return _grandstream(values, names, tuple(key for key in keys if key))


def gxp(text: str) -> Told:
    config = ElementTree.fromstring(text.encode()).find("config")
    assert config is not None
    assert config.get("version") == "1"
    values = {item.tag: item.text or "" for item in config}
    assert len(values) == len(config)
    assert all(re.fullmatch(r"P[0-9]+", name) for name in values)
    keys = [values.get(f"P3{3 * place:02}") for place in range(1, 8)]
    names = {"server": "P47", "user": "P35", "secret": "P34", "expires": "P32", "name": "P3", "admin": "P2"}
    return _grandstream(values, {**names, "path": "P237"}, tuple(key for key in keys if key))


def fanvil(text: str) -> Told:
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "sysConf"

    def of(path: str) -> str:
        found = root.findall(path)
        assert len(found) == 1, path
        return found[0].text or ""

    keys = [value.text or "" for value in root.findall("dsskey/internal/Fkey/Value")]
    return Told(
        of("sip/line/RegisterUser"),
        of("sip/line/RegisterPswd"),
        of("sip/line/RegisterAddr"),
        int(of("sip/line/RegisterPort")),
        int(of("sip/line/RegisterTTL")),
        of("sip/line/DisplayName"),
        of("web/account/Password"),
        of("ap/FlashServerIP") + "/",
        tuple(key.partition("@")[0] for key in keys),
    )


def snom(text: str) -> Told:
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "settings"

    def of(name: str) -> str:
        found = root.findall(f"phone-settings/{name}")
        assert len(found) == 1, name
        assert found[0].get("perm") == "R"
        return found[0].text or ""

    host, port = _split(of("user_outbound").partition(";")[0])
    keys = root.findall("functionKeys/fkey")
    assert [int(key.attrib["idx"]) for key in keys] == list(range(len(keys)))
    return Told(
        of("user_name"),
        of("user_pass"),
        host,
        port,
        int(of("user_expiry")),
        of("user_realname"),
        of("admin_mode_password"),
        of("setting_server").removesuffix("{mac}.xml"),
        tuple((key.text or "").split(" ")[1].partition("|")[0] for key in keys[1:]),
    )


READERS: Mapping[str, Callable[[str], Told]] = {
    "yealink": yealink,
    "grandstream-grp": grp,
    "grandstream-gxp": gxp,
    "fanvil": fanvil,
    "snom": snom,
}


def asked_for(model: str, mac: str) -> str:
    """The name by which a phone of that family asks for its file."""
    small = mac.lower()
    return {"yealink": f"{small}.cfg", "fanvil": f"{small}.cfg", "snom": f"{mac.upper()}.xml"}.get(
        model, f"cfg{small}.xml"
    )
