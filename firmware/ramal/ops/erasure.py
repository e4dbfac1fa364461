"""One erasure of a person, step by step.

Law: every step finds nothing to do when it was done before, and where it is stands in the database before the step
begins; so it goes on after any death, and what is not erased is named in the receipt. Calls do not wait for it:
journals are written over in place, Asterisk is told key by key. Runs on the thread ``privacy`` (``ops.privacy``).
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ramal.asterisk.contact_switches import NAMES, name_prompt
from ramal.core import privacy, retention
from ramal.core.commands import PutSwitch
from ramal.core.office import Office
from ramal.core.privacy import Identity, Mask, Step, Why
from ramal.errors import RamalError
from ramal.ops import asterisk, erasing, looking
from ramal.ops.means import Means
from ramal.store import callbacks, contacts, copies, erase, holds, stock
from ramal.store import privacy as book
from ramal.store.ledger import TAKES
from ramal.vault import removal

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 25
LOOKED_AT_ONCE = 500
ROWS_AT_ONCE = 200
TREE_S = 60.0
SWEEP = "ramal-sweep"
"""A family of AstDB in which nothing stays."""


class NotYet(RamalError):
    """The erasure waits: a call goes on, Asterisk is away, the disk refuses."""


class Erasure:
    """One erasure, from the step it stands at to its end."""

    def __init__(self, means: Means, one: book.SubjectRequest, settle_ms: int, stopped: Callable[[], bool]) -> None:
        self._means, self._one, self._settle_ms, self._stopped = means, one, settle_ms, stopped
        self._told: dict[str, Any] = {**one.told}
        self._known = False
        """Whether it is known whom to look for: not after a death in the last step."""

    def run(self) -> bool:
        """Go on; whether it came to its end. NotYet, RamalError, OSError, sqlite3.Error: it goes on later."""
        one = self._one
        if one.state == "partly" and not self._free_now():
            return False
        step: Step | None = one.step or privacy.STEPS[0]  # type: ignore[assignment]
        if one.state == "partly":
            step = self._begin_again()
        if step != "sweep":
            self._prepare()
        while step is not None:
            if self._stopped():
                raise NotYet("the daemon ends")
            step = self._do(step)
        return True

    def _prepare(self) -> None:
        means, one = self._means, self._one
        means.write_soon(erase.careful).result()
        person = means.read(lambda db: book.identified(db, one.number))
        self._person: Identity = replace(person, names=tuple(dict.fromkeys((*one.names, *person.names))))
        if person.names and set(person.names) - set(one.names):
            names = self._person.names
            means.write(lambda db: book.learn(db, one.id, names)).result()
        self._call_off()
        keys = means.read(lambda db: _keys(db, one))
        now_ms = means.clock_ms()
        if not means.read(lambda db: book.settled(db, keys, now_ms, self._settle_ms)):
            raise NotYet("a call of this person goes on, or ended a moment ago")
        self._away = means.read(lambda db: staying(db, means, keys, now_ms))
        self._keys = [key for key in keys if key not in self._away.calls()]
        self._own = means.read(lambda db: erase.channels_of(db, self._keys))
        self._spared = means.read(lambda db: erase.channels_of(db, self._away.calls()))
        self._rare = means.read(lambda db: rare_names(db, self._person, means.office(), keys))
        self._known = True
        self._far = Mask(self._person, one.token, self._rare)
        self._near = Mask(self._person, one.token, self._person.names)
        """For what belongs to this person's own calls: there every name is theirs."""

    def _call_off(self) -> None:
        """Callbacks that are still promised: what stands in for the caller in the queue is a call that goes on."""
        means, at_ms, digits = self._means, self._means.clock_ms(), self._person.number.removeprefix("+")
        promised = means.read(lambda db: book.person(db, self._person)).open_callbacks
        if not promised:
            return
        if not means.state().asterisk.up:
            raise NotYet("Asterisk does not answer, and is to call this person back")
        for callback in promised:
            means.write(lambda db: callbacks.cancel(db, at_ms, "ramal", callback, "erased")).result()  # noqa: B023
        self._told["callbacks"] = int(self._told.get("callbacks", 0)) + len(promised)
        told, one = self._told, self._one
        means.write(lambda db: book.move(db, one.id, one.step, told, one.round)).result()
        for family in ("ramal-callback", "ramal-standin"):
            asterisk.tell(means, PutSwitch(family, digits, ""))
        wanted = (("Variable", f"CHANNELS(^Local/{digits}@ramal-standin)"),)
        for channel in means.ask("Getvar", wanted).get("Value").split():
            with contextlib.suppress(RamalError):  # its other half took it along
                means.ask("Hangup", (("Channel", channel),))

    def _do(self, step: Step) -> Step | None:
        means, one = self._means, self._one
        again = False
        match step:
            case "rows":
                self._rows()
            case "sound":
                self._sound()
            case "asterisk":
                self._asterisk()
            case "calls":
                self._calls()
            case "journals":
                self._journals()
            case "files":
                self._count("files", erasing.mask_texts(means.home, self._far))
                self._told["copies_of_database"] = erasing.drop_copies(means.home) or self._told.get(
                    "copies_of_database", []
                )
            case "rest":
                self._rest()
            case "compact":
                self._compact()
            case "prove":
                again = self._prove()
            case "forget":
                self._forget()
            case "sweep":
                self._sweep()
        if step == "sweep" or (step == "forget" and self._away.recordings):
            return None
        following = privacy.AGAIN if again else privacy.step_after(step)
        assert following is not None
        self._one = replace(self._one, step=following, round=self._one.round + again)
        told, round = self._told, self._one.round
        means.write(lambda db: book.move(db, one.id, following, told, round)).result()
        return following

    # -- the steps -----------------------------------------------------------------------------------------------------

    def _rows(self) -> None:
        """What people wrote: the contact and notes."""
        means, number, keys = self._means, self._person.number, self._keys
        if "calls" not in self._told:
            self._told |= means.read(self._counted)
            told, id = self._told, self._one.id
            means.write(lambda db: book.move(db, id, "rows", told, 0)).result()

        def job(db: sqlite3.Connection) -> None:
            contacts.delete_contact(db, number)
            erase.delete_notes(db, keys)

        means.write(job).result()
        self._mask_rows(erase.DERIVED)
        for name in self._person.names:
            if name in self._rare:
                prompt = name_prompt(name, means.office())
                (means.home.prompts / NAMES / f"{prompt.path}.wav").unlink(missing_ok=True)

    def _counted(self, db: sqlite3.Connection) -> dict[str, int]:
        """What is going to go, for the receipt: counted once, before anything is touched."""
        found = book.person(db, self._person)
        stay = self._away.recordings
        sounds = [each for each in stock.kept(db, self._means.clock_ms()) if each.id // TAKES in set(self._keys)]
        return {
            "calls": len(self._keys),
            "contact": int(found.contact),
            "notes": found.notes,
            "recordings": sum(each.id not in stay for each in sounds),
        }

    def _sound(self) -> None:
        """Recordings and messages: gone here, sealed as gone; copies elsewhere are told to go."""
        means = self._means
        stay = self._away.recordings
        ids = [each for each in means.read(lambda db: book.recordings(db, self._keys)) if each not in stay]

        def write(job: Callable[[sqlite3.Connection], Any]) -> Any:
            return means.write(job).result()

        write(lambda db: copies.forget(db, ids))
        for recording in ids:
            held = lambda db, key=recording // TAKES: holds.of_call(db, key, means.clock_ms())  # noqa: E731
            removal.remove(means.home, write, recording, means.clock_ms(), "erased", unless=held)
        self._told["far"] = means.read(lambda db: copies.left_far(db, ids))

    def _asterisk(self) -> None:
        """AstDB: switches under the number go, those that only speak of it get the token. A message whose sound is gone
        leaves its box by itself (ops.messages)."""
        means = self._means
        if not means.state().asterisk.up:
            raise NotYet("Asterisk does not answer, and its switches know this person")
        for family, name, value in _switches(means):
            if self._far.hits(name.encode()):
                asterisk.tell(means, PutSwitch(family, name, ""))
                self._count("switches", 1)
            elif (masked := self._far.text(value)) != value:
                asterisk.tell(means, PutSwitch(family, name, masked))
                self._count("switches", 1)

    def _calls(self) -> None:
        """Every call whose journal speaks of the person: lines masked, folded again."""
        after: int | None = 0
        away, own = self._away.calls(), set(self._keys)
        while after is not None:
            if self._stopped():
                raise NotYet("the daemon ends")
            begin = after
            found, after = self._means.read(lambda db: erase.mentions(db, self._near, begin, LOOKED_AT_ONCE))  # noqa: B023
            for mask, keys in (
                (self._near, [key for key in found if key in own]),
                (self._far, [key for key in found if key not in own and key not in away]),
            ):
                for at in range(0, len(keys), CALLS_AT_ONCE):
                    part = keys[at : at + CALLS_AT_ONCE]
                    done = self._means.write_soon(lambda db: erase.mask_calls(db, part, mask)).result()  # noqa: B023
                    self._count("journal_calls", done)

    def _journals(self) -> None:
        """Asterisk's two journals, in place."""
        means, home = self._means, self._means.home
        for mask, skip in ((self._near, self._not_own), (self._far, self._spares)):
            for _ in range(3):  # what came while it was looked for
                hits = erasing.look(erasing.journals(home), mask, skip)
                if not hits:
                    break
                done = means.write(lambda db: erasing.mask_journals(db, home, hits)).result()  # noqa: B023
                self._count("lines", done)

    def _rest(self) -> None:
        """Every row of every table, derived ones too: what followed from the lines is right already."""
        one = self._one
        self._mask_rows(erase.NEVER)
        self._means.write(lambda db: book.mask_requests(db, one.id, one.number, one.token)).result()

    def _mask_rows(self, skip: frozenset[str]) -> None:
        found = self._means.read(lambda db: erase.rows_with(db, self._far, self._skip(skip), self._away.calls()))
        for at in range(0, len(found), ROWS_AT_ONCE):
            part = found[at : at + ROWS_AT_ONCE]
            self._count("rows", self._means.write(lambda db: erase.mask_rows(db, part, self._far)).result())  # noqa: B023

    def _compact(self) -> None:
        """No deleted row in a free page, none in the write-ahead log."""
        means = self._means
        more = means.write_soon(lambda db: erase.merge_search(db, True)).result()
        while more and not self._stopped():
            more = means.write_soon(lambda db: erase.merge_search(db, False)).result()
        self._empty_wal()

    def _prove(self) -> bool:
        """Look through everything; whether the steps must be gone through again."""
        means, home = self._means, self._means.home
        places = erasing.left(home, self._far, self._spares)
        late = means.read(
            lambda db: [key for key in self._keys if erase.mentions(db, self._near, key - 1, 1)[0] == [key]]
        )
        places += [erasing.Left("asterisk: switches", 1)] if self._switches_left() else []
        rows = means.read(lambda db: erase.rows_with(db, self._far, self._skip(erase.NEVER), self._away.calls()))
        places += [erasing.Left(f"database: {row.table}", 1) for row in rows]
        self._told["left"] = [asdict(place) for place in places]
        return bool(places or late) and self._one.round < privacy.ROUNDS_MAX

    def _forget(self) -> None:
        means, id = self._means, self._one.id
        if self._away.recordings:
            told = dict(self._told)
            told["away"] = [[recording, why, until] for recording, (why, until) in self._away.recordings.items()]
            at_ms = means.clock_ms()
            first = privacy.STEPS[0]

            def part(db: sqlite3.Connection) -> None:
                book.move(db, id, first, told, 0)
                book.end(db, at_ms, id, "partly")

            means.write(part).result()
            return
        self._told.pop("away", None)
        told = self._told

        def job(db: sqlite3.Connection) -> None:
            book.move(db, id, "forget", told, 0)
            book.forget(db, id)

        means.write(job).result()

    def _sweep(self) -> None:
        """What deleted rows may have left in the database's free space. After a death in between nobody knows any more
        whom to look for, and it is written anew in any case."""
        self._empty_wal()
        self._empty_switches()
        found = self._raw() if self._known else {}
        if found or not self._known:
            self._means.write_soon(erase.write_anew).result()
            self._empty_wal()
            if any(path.parent == self._means.home.asterisk_lib for path in found):
                erasing.write_anew(self._means.home.asterisk_lib / "astdb.sqlite3")
                self._empty_switches()
        if self._known and found:
            root = self._means.home.root
            left = [asdict(erasing.Left(str(path.relative_to(root)), count)) for path, count in self._raw().items()]
            self._told["left"] = [*self._told.get("left", []), *left]
        at_ms, id = self._means.clock_ms(), self._one.id
        told = self._told

        def job(db: sqlite3.Connection) -> None:
            book.move(db, id, "sweep", told, 0)
            book.end(db, at_ms, id, "done")

        self._means.write(job).result()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _free_now(self) -> bool:
        """Whether anything of what had to stay may go by now."""
        before = {int(row[0]) for row in self._told.get("away", [])}
        now_ms = self._means.clock_ms()
        away = self._means.read(lambda db: staying(db, self._means, _keys(db, self._one), now_ms))
        return before != set(away.recordings)

    def _begin_again(self) -> Step:
        id, names = self._one.id, self._one.names
        self._means.write(lambda db: book.resume(db, id)).result()
        self._one = replace(self._one, state="running", step=privacy.STEPS[0], round=0, names=names)
        return privacy.STEPS[0]

    def _mask_names(self) -> tuple[str, ...]:
        return tuple(name for name in self._person.names if self._far.hits(name.encode()))

    def _skip(self, skip: frozenset[str]) -> frozenset[str]:
        return skip | {"hold"} if self._away.recordings else skip

    def _spares(self, line: bytes) -> bool:
        return bool(self._spared) and any(each in self._spared for each in erase.id_of(line))

    def _not_own(self, line: bytes) -> bool:
        return not any(each in self._own for each in erase.id_of(line))

    def _switches_left(self) -> bool:
        return any(
            self._far.hits(name.encode()) or self._far.hits(value.encode()) for _, name, value in _switches(self._means)
        )

    def _raw(self) -> dict[Path, int]:
        """What the databases' files still have, free space and all."""
        home = self._means.home
        paths = (*home.db.parent.glob("*"), *home.asterisk_lib.glob("astdb.sqlite3*"))
        return looking.count(paths, self._person, self._one.token, self._rare)

    def _empty_wal(self) -> None:
        for _ in range(50):
            if self._means.write_soon(erase.empty_wal).result():
                return
            threading.Event().wait(0.2)
        raise NotYet("somebody reads the database without end")

    def _empty_switches(self) -> None:
        """Asterisk holds what it read last until it writes again, so it is made to."""
        path = self._means.home.asterisk_lib / "astdb.sqlite3"
        if not path.exists():
            return
        for _ in range(20):
            try:
                if erasing.empty_ahead(path):
                    return
            except sqlite3.OperationalError:
                pass  # it is being written
            for ask, value in (("DBPut", (("Val", "1"),)), ("DBDel", ())):
                with contextlib.suppress(RamalError):  # without Asterisk nobody holds anything
                    self._means.ask(ask, (("Family", SWEEP), ("Key", "now"), *value))
            threading.Event().wait(1.1)  # Asterisk writes at most once a second
        raise NotYet("Asterisk's switches are read without end")

    def _count(self, what: str, count: int) -> None:
        self._told[what] = int(self._told.get(what, 0)) + count


def staying(db: sqlite3.Connection, means: Means, keys: Collection[int], now_ms: int) -> book.Away:
    """Which recordings of these calls may not go, and why; files that are gone already are not asked for. What counts
    is a hold and the law; the office's own minimum is its wish, and gives way to a person's right."""
    terms, wanted = retention.terms(means.office(), stock.remembered(db)), frozenset(keys)
    terms = replace(terms, settings=replace(terms.settings, minimum_days=0))
    if not means.trusted():
        now_ms = 0  # nobody knows whether a minimum is over: then it is not
    found: dict[int, tuple[Why, int | None]] = {}
    for kept in stock.kept(db, now_ms):
        if kept.id // TAKES not in wanted:
            continue
        until_ms = kept.begun_ms + terms.of(kept).minimum_days * privacy.DAY_MS
        if kept.held:
            found[kept.id] = ("held", None)
        elif until_ms > now_ms:
            found[kept.id] = ("minimum", until_ms)
    return book.Away(found)


def rare_names(db: sqlite3.Connection, person: Identity, office: Office, keys: Collection[int]) -> tuple[str, ...]:
    """Those of a person's names that may be looked for everywhere: nobody else's."""
    own, told = frozenset(keys), repr(office).casefold()
    found = []
    for name in person.names:
        others = db.execute(
            "SELECT name FROM contact WHERE name LIKE ? AND number <> ?", (name, person.number)
        ).fetchall()
        calls = db.execute("SELECT key, caller_name FROM call WHERE caller_name LIKE ?", (name,))
        others += [(each,) for key, each in calls if key not in own]
        if privacy.rare(name, (each for (each,) in others)) and name.casefold() not in told:
            found.append(name)
    return tuple(found)


def _keys(db: sqlite3.Connection, one: book.SubjectRequest) -> list[int]:
    """The person's calls, those included that have the token already."""
    return sorted({*book.party(db, one.number), *book.party(db, one.token)})


def _switches(means: Means) -> Iterator[tuple[str, str, str]]:
    """All of AstDB: family, key, value. RamalError when Asterisk does not answer."""
    _, rows = means.ask_list("DBGetTree", (), timeout_s=TREE_S)
    for row in rows:
        _, _, rest = row.get("Key").partition("/")
        family, _, name = rest.partition("/")
        if family and name:
            yield family, name, row.get("Val")
