"""The office of the real half hour, and what its callers want."""

import random
from typing import Any

from tests.system.ports import free_udp_port
from tests.system.sipp import Caller

AGENTS = 12
MENU, SALES, CLOSED, UNKNOWN = "+551133330000", "+551133330001", "+551133330003", "+551144440000"
OUTSIDE = free_udp_port()
"""The port of the provider that answers what is called outside."""

HEAD = f"""[office]
name = "Meia Hora"
country = "BR"
region = "SP"
timezone = "America/Sao_Paulo"
language = "pt-BR"
languages = ["en"]
dial_out = "national"

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
host = "127.0.0.1"
port = {OUTSIDE}
channels = 120
caller_ids = ["{MENU}"]

[[hours]]
name = "never"
closed = true

[[number]]
number = "{MENU}"
to = "menu:main"
greeting = "Meia hora."

[[number]]
number = "{SALES}"
to = "queue:sales"

[[number]]
number = "{CLOSED}"
to = "queue:sales"
hours = "never"

[[pause]]
code = "lunch"
key = "1"
title = "Almoço"

[[pause]]
code = "training"
key = "2"
title = "Treinamento"
productive = true

[[queue]]
name = "sales"
title = "Vendas"
ring_s = 8
retry_s = 1
wrap_up_s = 3
max_wait_s = 90
max_waiting = 30
overflow = "queue:support"
no_agent = "hangup"
sticky_s = 8
callback = "agent-first"
callback_key = "5"
callback_tries = 2
callback_retry_min = 1
dispositions = {{ 1 = "sold: Vendido", 2 = "again: Ligar de novo" }}

[[queue]]
name = "support"
title = "Suporte"
strategy = "fewest-calls"
ring_s = 8
retry_s = 1
wrap_up_s = 3
max_wait_s = 60
widen_after_s = 15
overflow = "hangup"

[[menu]]
name = "main"
text = "Tecle 1, 2 ou 3."
options = {{ 1 = "queue:sales", 2 = "queue:support", 3 = {{ to = "queue:support", language = "en" }}, 9 = "repeat" }}
wait_s = 2
tries = 2
otherwise = "hangup"
"""


def office() -> str:
    """Twelve agents: all in both queues, half of them speak English."""
    parts = [HEAD]
    for number in range(AGENTS):
        extension = 201 + number
        skills = 'skills = ["en"]\n' if number % 2 else ""
        parts.append(f'[[phone]]\nextension = "{extension}"\nname = "Fone {extension}"\n')
        parts.append(
            f'[[agent]]\ncode = "{number + 1}"\nname = "Agente {number + 1}"\nphone = "{extension}"\n'
            f'pin = "{4000 + number * 7}"\n{skills}'
            f'queues = ["sales", {{ queue = "support", penalty = {number % 3} }}]\n'
        )
    return "\n".join(parts)


def wants(dice: random.Random, number: int, talk_ms: int) -> tuple[str, Caller]:
    """(kind, caller) of the ``number``-th call: most want an agent, some give up, some press what is not there."""
    repeat = number > 20 and dice.random() < 0.15
    who = f"+551198{(dice.randrange(number) if repeat else number):07}"
    drawn = dice.random()

    def caller(to: str, **more: Any) -> Caller:
        return Caller(to, who, **more)

    if drawn < 0.06:
        keys = ((5000, "5"), (5600, "5"), (12_000, "1"))
        return "callback", caller(SALES, keys=keys, stay_ms=16_000 + talk_ms)
    if drawn < 0.40:
        return "direct", caller(SALES, stay_ms=12_000 + talk_ms)
    if drawn < 0.58:
        return "menu", caller(MENU, keys=((1500, "1"),), stay_ms=14_000 + talk_ms)
    if drawn < 0.72:
        return "support", caller(MENU, keys=((1500, "2"),), stay_ms=14_000 + talk_ms)
    if drawn < 0.78:
        return "english", caller(MENU, keys=((1500, "3"),), stay_ms=14_000 + talk_ms)
    if drawn < 0.86:
        return "impatient", caller(SALES, stay_ms=dice.randrange(300, 9000))
    if drawn < 0.90:
        return "wrong-key", caller(MENU, keys=((1200, "7"), (5000, "1")), stay_ms=16_000 + talk_ms)
    if drawn < 0.93:
        return "silent", caller(MENU, stay_ms=25_000)
    if drawn < 0.96:
        return "closed", caller(CLOSED, stay_ms=15_000)
    return "unknown", caller(UNKNOWN, answered=False)
