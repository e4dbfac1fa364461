"""Contacts as a file: what a spreadsheet saves, and what it opens.

Reads commas, semicolons or tabs, UTF-8 with or without a mark (or a Windows spreadsheet's own letters), a header in any
order. Only columns that stand there are changed. Free of the database and of threads.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from ramal.core.contacts import CONTACTS_MAX, FIELDS, Contact, ContactRefused, ContactsRefused, checked, number_of
from ramal.core.office import Office
from ramal.core.office_problems import Problem

PROBLEMS_MAX = 50
"""Lines that are complained about; further ones are not looked at."""
BYTES_MAX = 8 << 20
EXAMPLE = "+5511987654321,Maria Souza,yes,no,pt-BR,7,sales,since 2019"
FORMULA = ("=", "+", "-", "@")
"""A cell that begins so is a formula to a spreadsheet; one quote before it makes it text."""
HEADER = ",".join(FIELDS)


def decoded(data: bytes, file: str) -> str:
    """The text of a file; ContactsRefused when it is far too long or no text at all."""
    if len(data) > BYTES_MAX or b"\0" in data:
        what = "A file of contacts has at most 8 MiB." if len(data) > BYTES_MAX else "This is no text file."
        raise ContactsRefused((Problem(file, 1, what, f"{HEADER}"),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_contacts(text: str, file: str, office: Office, known: Mapping[str, Contact]) -> list[Contact]:
    """The contacts of a file, each with what was ``known`` of it where the file has no such column.

    ContactsRefused with the lines that are wrong (at most PROBLEMS_MAX); then nothing of it may be used.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(text), strict=True)
    problems: list[Problem] = []
    found: dict[str, tuple[int, Contact]] = {}
    try:
        columns = _columns(next(lines, []), file)
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                entry = _entry(cells, columns, office, known)
                if entry.number in found:
                    raise ContactRefused(f"This is the same number as in line {found[entry.number][0]}.")
                if len(found) >= CONTACTS_MAX:
                    raise ContactRefused(f"A box keeps at most {CONTACTS_MAX} contacts.")
                found[entry.number] = (lines.line_num, entry)
            except ContactRefused as error:
                problems.append(Problem(file, lines.line_num, str(error), EXAMPLE))
                if len(problems) >= PROBLEMS_MAX:
                    break
    except csv.Error as error:
        problems.append(Problem(file, lines.line_num, f"This line cannot be read ({error}).", EXAMPLE))
    if problems:
        raise ContactsRefused(tuple(problems))
    return [entry for _, entry in found.values()]


def write_contacts(contacts: Iterable[Contact]) -> Iterator[str]:
    """The lines of a file that ``read_contacts`` takes, header first. A cell never begins with a spreadsheet's formula
    sign, apart from the ``+`` of a number, which is digits."""
    yield HEADER + "\r\n"
    for each in contacts:
        line = io.StringIO(newline="")
        yes_no = ("yes" if each.vip else "no", "yes" if each.blocked else "no")
        cells = (each.number, _tame(each.name), *yes_no, each.language, each.agent, each.queue, _tame(each.note))
        csv.writer(line).writerow(cells)
        yield line.getvalue()


def _tame(text: str) -> str:
    return f"'{text}" if text.lstrip("'")[:1] in FORMULA else text


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _columns(header: list[str], file: str) -> list[str]:
    columns = [cell.strip().strip("\ufeff").casefold() for cell in header]
    while columns and not columns[-1]:
        columns.pop()
    unknown = [name for name in columns if name not in FIELDS]
    if "number" not in columns:
        what = "The first line must name the columns, and “number” must be among them."
    elif unknown:
        what = f"There is no column “{unknown[0][:40]}”; possible are {', '.join(FIELDS)}."
    elif len(set(columns)) < len(columns):
        what = "A column stands twice."
    else:
        return columns
    raise ContactsRefused((Problem(file, 1, what, HEADER),))


def _entry(cells: list[str], columns: list[str], office: Office, known: Mapping[str, Contact]) -> Contact:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise ContactRefused(f"This line has {len(cells)} cells, the header {len(columns)}.")
    given = dict(zip(columns, cells, strict=False))
    for name in ("name", "note"):
        text = given.get(name, "")
        if text[:1] == "'" and text.lstrip("'")[:1] in FORMULA:
            given[name] = text[1:]
    number = number_of(given.get("number", ""), office)
    return checked(given, office, known.get(number))
