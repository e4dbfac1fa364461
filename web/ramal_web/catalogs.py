"""The page's languages: finding, compiling and loading the Babel catalogs.

``python -m ramal_web.catalogs`` compiles every ``messages.po`` to the ``messages.mo`` beside it; set-up runs it. It
only saves time: a missing or outdated ``.mo`` is compiled in memory when its language is first asked for.
``python -m ramal_web.catalogs update`` puts the sources' new sentences into the catalogs, for translators.
"""

import io
import os
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.support import NullTranslations, Translations
from flask_babel import Domain, get_locale  # type: ignore[import-untyped]

FOLDER = Path(__file__).with_name("translations")
LANGUAGES = {"pt-BR": ("pt_BR", "Português"), "en": ("en", "English"), "es": ("es", "Español")}
"""Language tag → (Babel locale, its own name). English is the language of the sources and needs no catalog."""


def po_of(locale: str) -> Path:
    """The catalog people edit."""
    return FOLDER / locale / "LC_MESSAGES" / "messages.po"


def compiled(po: Path) -> bytes:
    """One catalog in gettext's binary form."""
    with po.open("rb") as file:
        catalog = read_po(file)
    binary = io.BytesIO()
    write_mo(binary, catalog)
    return binary.getvalue()


def load(locale: str) -> NullTranslations:
    """The translations of one Babel locale; the sources' English where there is no catalog."""
    po = po_of(locale)
    if not po.exists():
        return NullTranslations()
    mo = po.with_suffix(".mo")
    fresh = mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns
    return Translations(io.BytesIO(mo.read_bytes() if fresh else compiled(po)), domain="messages")


class Catalogs(Domain):  # type: ignore[misc]  # flask-babel has no types
    """flask-babel's domain, but with catalogs from ``load``."""

    def __init__(self) -> None:
        super().__init__(str(FOLDER))
        self._loaded: dict[str, NullTranslations] = {}

    def get_translations(self) -> NullTranslations:
        locale = str(get_locale() or "en")
        if locale not in self._loaded:
            self._loaded[locale] = load(locale)
        return self._loaded[locale]


def sources() -> Catalog:
    """Every sentence of the sources, untranslated, in the order of the files."""
    found = Catalog()
    methods = [("**.py", "python"), ("**.html", "jinja2")]
    for _, _, message, comments, context in sorted(extract_from_dir(FOLDER.parent, methods), key=lambda row: row[:2]):
        found.add(message, auto_comments=comments, context=context)
    return found


def catalog(locale: str) -> Catalog:
    """The catalog people edit, as it is."""
    with po_of(locale).open("rb") as file:
        return read_po(file, locale)


def update() -> None:
    """Bring the catalogs' sentences up to the sources'; what is gone is dropped, what is new is empty."""
    for po in sorted(FOLDER.glob("*/LC_MESSAGES/messages.po")):
        known = catalog(po.parts[-3])
        known.update(sources(), no_fuzzy_matching=True)
        written = io.BytesIO()
        write_po(written, known, width=118, no_location=True, ignore_obsolete=True)
        po.write_bytes(written.getvalue())


def main() -> None:
    for po in sorted(FOLDER.glob("*/LC_MESSAGES/messages.po")):
        mo = po.with_suffix(".mo")
        temporary = mo.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(compiled(po))
        os.replace(temporary, mo)


if __name__ == "__main__":
    update() if sys.argv[1:] == ["update"] else main()
