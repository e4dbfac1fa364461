"""The numbers by which a phone names a sentence (``*51`` and four digits). Pure.

A number must not move when another sentence comes or goes, for people write it down: it is made of the sentence's own
path. Two paths that meet on one number are rare; the later one in the alphabet takes the next free.
"""

import zlib
from collections.abc import Iterable, Mapping

from ramal.asterisk.prompts import Prompt, needed
from ramal.asterisk.tokens import token
from ramal.core.office import Office

FIRST, LAST = 1000, 9999


def numbers(prompts: Iterable[Prompt]) -> Mapping[str, str]:
    """Path → four digits, of every sentence."""
    taken: dict[int, str] = {}
    for path in sorted({prompt.path for prompt in prompts}):
        place = zlib.crc32(path.encode()) % (LAST - FIRST + 1)
        for step in range(LAST - FIRST + 1):
            number = FIRST + (place + step) % (LAST - FIRST + 1)
            if number not in taken:
                taken[number] = path
                break
    return {path: str(number) for number, path in taken.items()}


def prompts(office: Office) -> str:
    """``[ramal-prompt-path]``: what a number stands for."""
    rows = sorted((number, path) for path, number in numbers(needed(office)).items())
    # The zero in front: a number typed short never falls on another one.
    return "\n".join(["[ramal-prompt-path]", *(f"exten => 0{n},1,Return({token(path)})" for n, path in rows)]) + "\n"
