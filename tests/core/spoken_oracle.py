"""Write ``spoken_oracle.json``: how num2words, which is no work of ours, spells 0 to 999,999, and the rest we say.

    python tests/core/spoken_oracle.py        (makes a virtual environment of its own in a temporary folder)

num2words needs docopt, which has no wheel, so it is not a locked dependency: its answers are committed as digests, one
of each thousand numbers, and as plain samples. A digest that does not match ours is looked into by ``spell``.

Where num2words does not follow its language's grammar, or does not know genders at all, its text is put right here by a
rule that is written down, and by nothing that looks at our own grammar:

* pt_BR writes "mil, duzentos": a comma is not a spoken word. All commas and hyphens become blanks.
* pt_BR "catorze": as right as "quatorze" (both are in the Vocabulário Ortográfico of the ABL);
  we say the one usual in Brazil.
* pt_BR feminine: um, dois and the hundreds from duzentos agree with their noun, also through "mil": "duas mil duzentas
  e uma pessoas" (Cunha & Cintra, Nova gramática do português contemporâneo, cap. 13, Flexão dos numerais).
* es "veintiuno mil", "ciento uno mil": before mil, uno is shortened: "veintiún mil", "ciento un mil" (RAE, Diccionario
  panhispánico de dudas, "uno" 2.1 and "veintiuno").
* es before a masculine noun: uno is shortened at the end too: "veintiún minutos" (ibid.).
* es feminine: -cientos and quinientos agree, also through mil: "doscientas mil personas"; uno becomes una. Before mil
  both "veintiún mil" and "veintiuna mil personas" are right (ibid.); we say the one that agrees, as in Portuguese.
* es ordinals: 11 and 12 are undécimo and duodécimo (decimoprimero is in use too), 13 to 19 one word, 40 cuadragésimo
  (num2words: "quadragésimo"); DPD, "ordinales".
* pt_BR has no currencies, and en and es say "zero euro, five cents" and "dos euros con cero centavos": money is not
  compared as a whole; its parts are cardinals, which are.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

DATA = Path(__file__).with_name("spoken_oracle.json")
BLOCK = 1000
LAST = 999_999
DIGITS = 8
"""Hexadecimal digits kept of a block's digest."""


def plain(text: str) -> str:
    """Words only: lower case, no comma, no hyphen."""
    return re.sub(r"[\s,-]+", " ", text.lower()).strip()


def digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:DIGITS]


def _pt(text: str) -> str:
    return text.replace("catorze", "quatorze")


def _pt_f(text: str) -> str:
    text = re.sub(r"\bum\b", "uma", _pt(text))
    text = re.sub(r"\bdois\b", "duas", text)
    return re.sub(r"\b(du|tre|quatro|quin|seis|sete|oito|nove)(z|c|h)entos\b", r"\1\2entas", text)


def _es_u(text: str) -> str:
    return re.sub(r"\b(veinti)?uno mil\b", lambda found: "veintiún mil" if found[1] else "un mil", text)


def _es_m(text: str) -> str:
    return re.sub(r"\b(veinti)?uno$", lambda found: "veintiún" if found[1] else "un", _es_u(text))


def _es_f(text: str) -> str:
    return re.sub(r"uno\b", "una", re.sub(r"ientos\b", "ientas", text))


FORMS: dict[str, tuple[str, Callable[[str], str]]] = {
    "pt-BR/number-m": ("pt_BR", _pt),
    "pt-BR/number-f": ("pt_BR", _pt_f),
    "es/number-u": ("es", _es_u),
    "es/number-m": ("es", _es_m),
    "es/number-f": ("es", _es_f),
    "en/number-u": ("en", lambda text: text),
}
_ES_ORDINALS = {"décimoprimero": "undécimo", "décimosegundo": "duodécimo"}


def _es_ordinal(text: str) -> str:
    text = _ES_ORDINALS.get(text, text).replace("quadragésimo", "cuadragésimo")
    if (found := re.fullmatch(r"décimo (\w+)", text)) is not None:
        return {"octavo": "decimoctavo"}.get(found[1], f"decimo{found[1]}")
    return text


def spell(form: str, number: int) -> str:
    """As the oracle says it, put right. Needs num2words."""
    from num2words import num2words  # type: ignore[import-not-found,unused-ignore]

    language, right = FORMS[form]
    return right(plain(num2words(number, lang=language)))


def _made() -> dict[str, object]:
    from num2words import num2words  # type: ignore[import-not-found,unused-ignore]

    blocks = {}
    raw: dict[str, list[str]] = {}
    for form, (language, right) in FORMS.items():
        if language not in raw:
            raw[language] = [plain(num2words(number, lang=language)) for number in range(LAST + 1)]
        texts = [right(text) for text in raw[language]]
        blocks[form] = "".join(digest(texts[start : start + BLOCK]) for start in range(0, LAST, BLOCK))
    named = (0, 1, 2, 16, 21, 22, 100, 101, 121, 200, 1000, 1001, 1100, 1201, 2002, 21_021, 100_001, 201_202, LAST)
    return {
        "blocks": blocks,
        "samples": {form: {str(number): spell(form, number) for number in named} for form in FORMS},
        "ordinals": {
            "pt-BR": [plain(num2words(number, lang="pt_BR", to="ordinal")) for number in range(1, 100)],
            "en": [plain(num2words(number, lang="en", to="ordinal")) for number in range(1, 100)],
            "es": [_es_ordinal(plain(num2words(number, lang="es", to="ordinal"))) for number in range(1, 100)],
        },
        "years": [
            digest(plain(num2words(number, lang="en", to="year")) for number in range(start, start + 100))
            for start in range(1000, 3000, 100)
        ],
    }


def main() -> None:
    """With num2words at hand write the file, else make a place where it is and run there."""
    if "--here" in sys.argv:
        DATA.write_text(json.dumps(_made(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        return
    with tempfile.TemporaryDirectory(prefix="ramal-oracle-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "-q", "num2words==0.5.14"], check=True)
        subprocess.run([python, __file__, "--here"], check=True)


if __name__ == "__main__":
    main()
