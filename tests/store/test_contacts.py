"""Contacts in the database and as a file: all of a file or nothing, and every refusal a sentence."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import contacts as core
from ramal.core.contacts import Contact, ContactRefused, ContactsRefused, checked, number_of
from ramal.core.destination import parse
from ramal.core.office import Agent, Number, Office, Queue
from ramal.store import contacts as book
from ramal.store.contacts_csv import decoded, read_contacts, write_contacts
from ramal.store.db import open_writer, transaction
from ramal.store.migrations import migrate

OFFICE = Office(
    name="Oficina",
    numbers=(Number("+551133330000", parse("queue:sales")),),
    agents=(Agent("7", "Ana", "4821"),),
    queues=(Queue("sales"),),
)
MARIA = Contact("+5511987654321", "Maria Souza", True, False, "pt-BR", "7", "sales", "desde 2019")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "ramal.db")
    migrate(connection)
    yield connection
    connection.close()


def taken(text: str, known: dict[str, Contact] | None = None) -> list[Contact]:
    return read_contacts(text, "book.csv", OFFICE, known or {})


def refused(text: str) -> list[str]:
    with pytest.raises(ContactsRefused) as caught:
        taken(text)
    return [f"{problem.line}: {problem.what}" for problem in caught.value.problems]


def test_a_contact_is_kept_found_changed_and_forgotten(db: sqlite3.Connection) -> None:
    assert book.save_contact(db, MARIA, 1)
    assert book.contact(db, MARIA.number) == MARIA
    changed = checked({"number": "011 98765-4321", "blocked": "yes"}, OFFICE, MARIA)
    assert not book.save_contact(db, changed, 2)
    assert book.contact(db, MARIA.number) == Contact(
        MARIA.number, "Maria Souza", True, True, "pt-BR", "7", "sales", "desde 2019"
    )
    assert book.delete_contact(db, MARIA.number)
    assert not book.delete_contact(db, MARIA.number)
    assert book.contact(db, MARIA.number) is None


def test_contacts_are_found_by_name_note_and_number_however_typed(db: sqlite3.Connection) -> None:
    joao = Contact("+5521912345678", "João Conceição", note="atacado 50%")
    book.save_contacts(db, [MARIA, joao], 1)
    for sought, found in (
        ("joao", [joao]),
        ("CONCEIÇÃO", [joao]),
        ("50%", [joao]),
        ("%", [joao]),
        ("98765-4321", [MARIA]),
        ("(021) 91234", [joao]),
        ("o", [joao, MARIA]),
        ("", [joao, MARIA]),
        ("nobody", []),
        ("_", []),
    ):
        page = book.found_contacts(db, sought)
        assert (page.rows, page.total) == (found, len(found)), sought
    assert book.found_contacts(db, kind="vip").rows == [MARIA]
    assert book.found_contacts(db, kind="blocked").rows == []
    assert book.names_of(db, [MARIA.number, "+5511900000000"]) == {MARIA.number: "Maria Souza"}


def test_pages_hold_every_contact_once(db: sqlite3.Connection) -> None:
    many = [Contact(f"+55119{n:08}", f"Caller {n}") for n in range(120)]
    book.save_contacts(db, many, 1)
    pages = [book.found_contacts(db, "caller", page) for page in range(4)]
    assert [len(page.rows) for page in pages] == [50, 50, 20, 0]
    assert {row.number for page in pages for row in page.rows} == {row.number for row in many}
    assert {page.total for page in pages} == {120}


def test_no_more_contacts_than_a_box_keeps(db: sqlite3.Connection) -> None:
    many = [Contact(f"+55119{n:08}") for n in range(core.CONTACTS_MAX)]
    assert book.save_contacts(db, many, 1) == (core.CONTACTS_MAX, 0, 0)
    with pytest.raises(ContactRefused, match="20000 is the most"):
        book.save_contact(db, MARIA, 2)
    with pytest.raises(ContactRefused), transaction(db):
        book.save_contacts(db, [MARIA, Contact(many[0].number, "new")], 2)
    assert book.contact(db, many[0].number) == many[0]
    assert not book.save_contact(db, Contact(many[0].number, "renamed"), 2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"number": "190"}, "“190” is no telephone number"),
        ({"number": "98\x1b765"}, "“98 765” is no telephone number"),
        ({"number": "11987654321", "name": "x" * 81}, "The name has 81 characters; at most 80"),
        ({"number": "11987654321", "note": "x" * 501}, "The note has 501 characters"),
        ({"number": "11987654321", "name": "a\x00b"}, "cannot be printed"),
        ({"number": "11987654321", "name": "a\u202eb"}, "cannot be printed"),
        ({"number": "11987654321", "vip": "perhaps"}, "“perhaps” is neither yes nor no"),
        ({"number": "11987654321", "language": "fr"}, "“fr” is no language of this office"),
        ({"number": "11987654321", "agent": "9"}, "“9” is no agent of this office; there is: 7."),
        ({"number": "11987654321", "queue": "shop"}, "“shop” is no queue"),
        ({"number": "11987654321", "mail": "x"}, "A contact has no “mail”"),
        ({"number": 11987654321}, "number must be text"),
        ({"number": "11987654321", "name": ["x"]}, "name must be text"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ContactRefused, match=sentence.replace("(", "\\(")):
        checked(given, OFFICE)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_of_any_spreadsheet_is_taken(mark: str, sign: str, end: str) -> None:
    rows = [["Number", "NAME ", "vip", "blocked", "language", "agent", "queue", "note"]]
    rows += [["011 98765-4321", '"Souza, Maria; ""Mia"""', "Sim", "não", "pt-BR", "7", "sales", ""], [], ["", "", ""]]
    text = mark + end.join(sign.join(row) for row in rows)
    assert taken(decoded(text.encode(), "f")) == [
        Contact("+5511987654321", 'Souza, Maria; "Mia"', True, False, "pt-BR", "7", "sales", "")
    ]


def test_the_letters_of_a_windows_spreadsheet_are_taken() -> None:
    assert taken(decoded("number;name\n11987654321;João".encode("cp1252"), "f"))[0].name == "João"


def test_only_columns_that_stand_in_the_file_are_changed() -> None:
    found = taken("number,blocked\n1187654321,yes\n", {MARIA.number: MARIA})
    assert found == [Contact(MARIA.number, "Maria Souza", True, True, "pt-BR", "7", "sales", "desde 2019")]


def test_every_wrong_line_is_told_with_its_number_and_nothing_is_taken() -> None:
    assert refused("number,name\n11987654321,a\nxyz,b\n11987654321,c\n11933334444,d,e\n011987654321,f\n") == [
        "3: “xyz” is no telephone number of a caller. Write it with its area code, or with + and its country.",
        "4: This is the same number as in line 2.",
        "5: This line has 3 cells, the header 2.",
        "6: This is the same number as in line 2.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "1: The first line must name the columns, and “number” must be among them."),
        ("11987654321,Maria\n", "1: The first line must name the columns, and “number” must be among them."),
        ("number,phone\n", "1: There is no column “phone”"),
        ("number,name,name\n", "1: A column stands twice."),
        ('number,name\n11987654321,"open\n', "This line cannot be read"),
    ],
)
def test_a_file_without_sense_is_refused(text: str, sentence: str) -> None:
    assert sentence in refused(text)[0]


def test_what_is_no_text_or_endless_is_refused() -> None:
    for data in (b"PK\x03\x04\0\0", b"number\n" * (9 << 20 >> 2)):
        with pytest.raises(ContactsRefused):
            decoded(data, "f")


def test_an_endless_list_of_mistakes_is_cut() -> None:
    assert len(refused("number\n" + "x\n" * 5000)) == 50


letters = st.characters(exclude_categories=("C", "Zl", "Zp"))
names = (st.text(letters, max_size=40) | st.text("'=+-@ a", max_size=6)).map(lambda text: " ".join(text.split()))


@given(st.dictionaries(st.integers(0, 9_999_999), st.tuples(names, names, st.booleans(), st.booleans()), max_size=8))
def test_what_is_exported_is_imported_the_same(rows: dict[int, tuple[str, str, bool, bool]]) -> None:
    contacts = [
        checked({"number": f"+55119{n:08}", "name": name, "note": note, "vip": vip, "blocked": blocked}, OFFICE)
        for n, (name, note, vip, blocked) in rows.items()
    ]
    assert taken("".join(write_contacts(contacts))) == contacts


@given(st.text(max_size=300), st.binary(max_size=300))
def test_any_file_is_taken_or_refused(text: str, data: bytes) -> None:
    for candidate in (text, f"number,name\n{text}", data):
        with contextlib.suppress(ContactsRefused):
            for contact in taken(candidate if isinstance(candidate, str) else decoded(candidate, "f")):
                assert number_of(contact.number, OFFICE) == contact.number


def test_a_spreadsheet_finds_no_formula_in_an_export() -> None:
    line = list(write_contacts([Contact("+5511987654321", '=HYPERLINK("x")', note="@SUM(1)")]))[1]
    assert "'=HYPERLINK" in line
    assert "'@SUM" in line
