"""The page speaks three languages, wholly."""

import re
from pathlib import Path

import pytest
from jinja2 import nodes
from markupsafe import Markup

from ramal.core import warnings
from ramal.core.drill import Code
from ramal.core.history import CATEGORIES, Step, StepKind
from ramal.core.privacy import Why
from ramal_web import catalogs
from ramal_web.app import create_app
from ramal_web.audit import words as audit_words
from ramal_web.calls.words import STEP_LOOK, Speaker
from ramal_web.drill import words as drill_words
from ramal_web.history import OfficeWords
from ramal_web.i18n import gettext
from ramal_web.live import words
from ramal_web.live.picture import LOST, OTHER, STATE_ORDER, Warning
from ramal_web.privacy import words as privacy_words
from ramal_web.settings import of_home
from tests.web.box import Box
from tests.web.conftest import english

TEMPLATES = Path(catalogs.__file__).with_name("templates")
LOCALES = ("pt_BR", "es")
FIGURE = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalog_holds_every_sentence_of_the_sources_translated(locale: str) -> None:
    catalog = catalogs.catalog(locale)
    wrong = []
    for message in catalogs.sources():
        if not message.id:
            continue
        first = message.id if isinstance(message.id, str) else message.id[0]
        known = catalog.get(first, message.context)
        strings = [known.string] if known and isinstance(known.string, str) else list(known.string) if known else []
        if known is None or known.fuzzy or not strings or not all(strings):
            wrong.append(f"not translated: {first}")
        elif any(set(FIGURE.findall(text)) != set(FIGURE.findall(first)) for text in strings):
            wrong.append(f"other figures than in {first}: {strings}")
        elif first.rstrip()[-1] in ".!…" and not all(text.rstrip()[-1] == first.rstrip()[-1] for text in strings):
            wrong.append(f"ends otherwise than {first}: {strings}")
    assert not wrong


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalog_holds_nothing_that_the_sources_no_longer_say(locale: str) -> None:
    said = {(message.id, message.context) for message in catalogs.sources()}
    assert not [message.id for message in catalogs.catalog(locale) if (message.id, message.context) not in said]


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_a_template_holds_no_bare_words(template: Path, box: Box) -> None:
    app = create_app(of_home(box.home))
    tree = app.jinja_env.parse(template.read_text(encoding="utf-8"))
    text = "".join(str(part.data) for output in tree.find_all(nodes.TemplateData) for part in [output])
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<script.*?</script>|<!--.*?-->", " ", text, flags=re.S))
    text = re.sub(r"<[^>]*$|^[^<]*>", " ", text)
    bare = set(re.findall(r"[^\W\d_]{2,}", Markup(text).unescape())) - {"Ramal"}
    attributes = re.findall(r'(?:aria-label|placeholder|title|alt)="([^"{]*[^\W\d_][^"{]*)"', template.read_text())
    assert not bare
    assert not attributes


@pytest.mark.parametrize("tag", ["en", "pt-BR", "es"])
def test_every_code_of_the_product_has_words_and_a_shape(box: Box, tag: str) -> None:
    app = create_app(of_home(box.home))
    with app.test_request_context(headers={"Accept-Language": tag}):
        assert len({words.category(code) for code in CATEGORIES}) == len(CATEGORIES)
        assert set(words.CATEGORY_LOOK) == {*CATEGORIES, ""}
        assert {*LOST, *OTHER, "answered"} == set(CATEGORIES[:12])
        assert len({words.state(code) for code in STATE_ORDER}) == len(STATE_ORDER) == len(words.STATE_LOOK)
        for code in warnings.CODES:
            assert code not in words.warning(Warning(code, 0, (("count", 2), ("free_mb", 3)))), code
        for code in Code.__args__:
            assert drill_words.say(code) != code.replace("-", " "), code
        for reason in Why.__args__:
            assert privacy_words.why(reason) != reason, reason
        speaker = Speaker(OfficeWords(agents={"1": "Ana"}))
        for kind in StepKind.__args__:
            said = speaker.say(
                Step(0, kind, "1", {"line": "a", "number": "+5511", "menu": "m", "key": "1", "queue": "q"})
            )
            assert said.endswith("."), kind
            assert said != gettext("Something happened: %(code)s.", code=kind)
    assert set(STEP_LOOK) <= set(StepKind.__args__)


def test_every_act_that_the_sources_put_into_the_audit_has_words(box: Box) -> None:
    """Codes stand in the sources as they are written down: ``audit(db, at_ms, who, "contact.saved", detail)``."""
    root = Path(catalogs.__file__).parents[2]
    codes = {f"message.{act}" for act in ("returned", "deleted", "restored")}
    for file in (*root.glob("firmware/ramal/**/*.py"), *root.glob("web/ramal_web/**/*.py")):
        for said in re.findall(r"(?:audit|written_down)\((.{0,160})", file.read_text(encoding="utf-8"), re.DOTALL):
            codes.update(re.findall(r'"([a-z]+\.[a-z-]+)"', said))
    codes -= {"auth.password", "ramal.control"}  # a page and an extension, which stand near
    assert len(codes) > 30, codes
    app = create_app(of_home(box.home))
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert [code for code in sorted(codes) if audit_words.say(code) == code] == []
        assert [code for code in sorted(codes) if audit_words.look(code) == "dots"] == []


def test_the_icons_named_by_words_exist() -> None:
    drawn = set(re.findall(r'symbol id="(\w+)"', (TEMPLATES.parent / "static/img/icons.svg").read_text()))
    named = {look[0] for looks in (words.STATE_LOOK, words.CATEGORY_LOOK, STEP_LOOK) for look in looks.values()}
    for template in TEMPLATES.rglob("*.html"):
        named |= set(re.findall(r'icon\("(\w+)"', template.read_text()))
    assert named <= drawn


@pytest.mark.parametrize(
    ("wanted", "cookie", "tag"),
    [
        ("en-GB,en;q=0.9", "", "en"),
        ("es-AR", "", "es"),
        ("pt-PT,pt;q=0.8", "", "pt-BR"),
        ("de-DE,es;q=0.5", "", "es"),
        ("de", "", "pt-BR"),
        ("", "", "pt-BR"),
        ("en", "es", "es"),
        ("en", "klingon", "en"),
    ],
)
def test_the_language_is_the_reader_s_choice_then_the_browser_s_then_the_office_s(
    box: Box, wanted: str, cookie: str, tag: str
) -> None:
    client = create_app(of_home(box.home)).test_client()
    if cookie:
        client.set_cookie("ramal_language", cookie)
    text = client.get("/login", headers={"Accept-Language": wanted}).get_data(as_text=True)
    assert f'<html lang="{tag}"' in text


def test_a_catalog_is_read_also_when_nobody_compiled_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = catalogs.po_of("es").read_bytes()
    monkeypatch.setattr(catalogs, "FOLDER", tmp_path)
    po = catalogs.po_of("es")
    po.parent.mkdir(parents=True)
    po.write_bytes(text)
    assert catalogs.load("es").gettext("Sign in") == "Entrar"
    catalogs.main()
    assert po.with_suffix(".mo").exists()
    assert catalogs.load("es").gettext("Sign in") == "Entrar"


def test_zero_one_and_many_are_said_rightly(box: Box) -> None:
    app = create_app(of_home(box.home))
    for tag, one, many in (("pt-BR", "1 segundo.", "2 segundos."), ("en", "1 second.", "2 seconds.")):
        with app.test_request_context(headers={"Accept-Language": tag}):
            from ramal_web.auth.views import wait_sentence

            assert wait_sentence(1).endswith(one)
            assert wait_sentence(2).endswith(many)


def test_an_english_browser_gets_english(box: Box) -> None:
    assert "Sign in" in english(create_app(of_home(box.home))).get("/login").get_data(as_text=True)
