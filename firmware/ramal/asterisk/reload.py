"""Telling a running Asterisk about changed files, and looking whether it took them.

Thread: any that may wait for Asterisk, never the engine's. Every action used here is allowed to the AMI user of
ARCHITECTURE 4 (measured on Asterisk 22.10): Reload, PJSIPShowEndpoints and PJSIPShowAuths need ``system``,
ShowDialPlan ``config`` or ``reporting``, QueueSummary nothing.

A reload never touches calls: app_queue keeps callers and members, chan_pjsip's sessions keep the objects they began
with, and a channel goes on in the dialplan by name. What Asterisk says is not enough: ``Reload: res_pjsip`` answers
“Module Reloaded” also when it kept the old objects, so every name (and every phone's password) is looked up after it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ramal.asterisk import conf
from ramal.errors import RamalError

# In this order: what the dialplan leads to is there before the dialplan.
_MODULES: Mapping[str, str] = {
    "logger.conf": "logger",
    "acl.conf": "acl",
    "indications.conf": "indications",
    "features.conf": "features",
    "res_parking.conf": "res_parking",
    "udptl.conf": "udptl",
    "rtp.conf": "res_rtp_asterisk",
    "cdr.conf": "cdr",
    "cel.conf": "cel",
    "cel_custom.conf": "cel_custom",
    "musiconhold.conf": "res_musiconhold",
    "pjproject.conf": "res_pjproject",
    "pjsip.conf": "res_pjsip",  # with lines' registrations and identifications: they are objects of the same sorcery
    "queuerules.conf": "app_queue",
    "queues.conf": "app_queue",
    "say.conf": "app_playback",
    "extensions.conf": "pbx_config",
    "manager.conf": "manager",
}
_DIALPLAN = "dialplan/"
_NO_CONTEXT = ("general", "globals")


class Answer(Protocol):
    """A block from Asterisk, as ``ami.codec.Message``."""

    def get(self, name: str, default: str = "") -> str: ...

    @property
    def ok(self) -> bool: ...


class Requester(Protocol):
    """Asks Asterisk, as ``ami.session.Session``; RamalError when no answer can be had."""

    def request(self, action: str, headers: Sequence[tuple[str, str]] = ()) -> Answer: ...

    def request_list(self, action: str, headers: Sequence[tuple[str, str]] = ()) -> tuple[Answer, Sequence[Answer]]: ...


class Reloader(Protocol):
    """A running Asterisk, as far as ``apply`` needs it. RamalError when the connection breaks."""

    def up(self) -> bool:
        """Whether Asterisk can be asked at all."""

    def reload(self, module: str) -> str | None:
        """Let ``module`` read its files again; what Asterisk says when it refuses."""

    def verify(self, expected: "Expected") -> tuple[str, ...]:
        """What is not there, in short sentences; nothing when all is."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a generation makes Asterisk hold. ``auths``: (name, password); ``extensions``: by context."""

    endpoints: frozenset[str]
    auths: frozenset[tuple[str, str]]
    queues: frozenset[str]
    extensions: Mapping[str, frozenset[str]]
    transports: frozenset[tuple[tuple[str, str], ...]]


def modules(changed: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """For changed files: the modules to reload, in order, and the files that only a restart of Asterisk reads."""
    names = set(changed)
    wanted = {module for file, module in _MODULES.items() if file in names}
    if any(name.startswith(_DIALPLAN) for name in names):
        wanted.add("pbx_config")
    restart = sorted(name for name in names if name not in _MODULES and not name.startswith(_DIALPLAN))
    return tuple(dict.fromkeys(module for module in _MODULES.values() if module in wanted)), tuple(restart)


def expect(files: Mapping[str, str], look: conf.Look) -> tuple[Expected, tuple[str, ...]]:
    """What ``files`` (with people's own includes) make Asterisk hold, and why it would refuse to read them."""
    read = {name: conf.read(name, text, look) for name, text in files.items() if not name.startswith(_DIALPLAN)}
    pjsip = read["pjsip.conf"].real() if "pjsip.conf" in read else []
    queues = read["queues.conf"].real() if "queues.conf" in read else []
    dialplan = read["extensions.conf"].real() if "extensions.conf" in read else []
    extensions: dict[str, set[str]] = {}
    for section in dialplan:
        if section.name not in _NO_CONTEXT:
            names = extensions.setdefault(section.name, set())
            names |= {value.partition(",")[0].strip() for key, value in section.options if key == "exten"}
    return (
        Expected(
            endpoints=frozenset(section.name for section in pjsip if section.get("type") == "endpoint"),
            auths=frozenset(
                (s.name, s.get("password")) for s in pjsip if s.get("type") == "auth" and s.get("password")
            ),
            queues=frozenset(section.name for section in queues if section.name != "general"),
            extensions={context: frozenset(names) for context, names in extensions.items()},
            transports=frozenset(
                (("name", section.name), *section.options) for section in pjsip if section.get("type") == "transport"
            ),
        ),
        tuple(problem for one in read.values() for problem in one.problems),
    )


BUSY_S = 15.0
_AGAIN_S = 0.25
_BUSY = frozenset({"A reload is in progress", "Module not initialized"})
"""One reload at a time: a slow machine may still be at the last one, or at its start."""


class AmiReloader:
    """A Reloader over AMI. ``busy_s`` is how long a reload that somebody else began (or the start) is waited for."""

    def __init__(
        self, requester: Requester, busy_s: float = BUSY_S, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._ask, self._busy_s, self._wait = requester, busy_s, wait

    def up(self) -> bool:
        try:
            return self._ask.request("Ping").ok
        except RamalError:
            return False

    def reload(self, module: str) -> str | None:
        for _ in range(round(self._busy_s / _AGAIN_S)):
            answer = self._ask.request("Reload", (("Module", module),))
            if answer.get("Message") not in _BUSY:
                break
            self._wait(_AGAIN_S)
        return None if answer.ok else answer.get("Message", "no reason given")

    def verify(self, expected: Expected) -> tuple[str, ...]:
        problems = self._missing("phone or line", "PJSIPShowEndpoints", "ObjectName", expected.endpoints)
        problems += self._missing("queue", "QueueSummary", "Queue", expected.queues)
        if expected.auths:
            _, rows = self._ask.request_list("PJSIPShowAuths")
            held = {row.get("ObjectName"): row.get("Password") for row in rows}
            problems += [
                f"The password of {name} is still the old one."
                for name, password in sorted(expected.auths)
                if held.get(name) not in (password, "")  # empty: an Asterisk that does not tell
            ]
        for context, names in sorted(expected.extensions.items()):
            answer, rows = self._ask.request_list("ShowDialPlan", (("Context", context),))
            if not answer.ok:
                problems.append(f"The part “{context}” of the dialplan is not there.")
            else:
                held_names = {row.get("Extension") for row in rows}
                problems += [f"“{name}” in “{context}” is not there." for name in sorted(names - held_names)]
        return tuple(problems)

    def _missing(self, thing: str, action: str, header: str, names: frozenset[str]) -> list[str]:
        if not names:
            return []
        _, rows = self._ask.request_list(action)
        held = {row.get(header) for row in rows}
        return [f"The {thing} “{name}” is not there." for name in sorted(names - held)]
