"""The outbox: brings notices, then messages by mail (``ops.letters``), to their readers, on its own thread, named
``outbox``. Nothing here is waited for.

Law: what is due is tried one after the other; what fails waits longer each time; a restart goes on where it was. What
the other side took is marked before the next is tried.
"""

import logging
import threading

from ramal.core import alarm_words, seal_words
from ramal.core.retention import settings_of
from ramal.errors import RamalError
from ramal.ops import deliver, letters
from ramal.ops.means import Means
from ramal.store import notices
from ramal.store.notices import Notice

log = logging.getLogger(__name__)


class Outbox:
    """``wake`` and ``stop`` are free to all threads."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._woken = threading.Event()
        self._stopping = False
        self._empty = False
        """Nothing waits, so nothing has to be looked at until somebody says so."""
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way may be cut off, and is then sent again by the next one."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._round()
            except RamalError as error:
                log.warning("notices wait: %s", error)
            except Exception:
                log.exception("sending notices stumbled; it is tried again")
            self._woken.wait(None if self._empty else self._means.tick_s)
            self._woken.clear()

    def _round(self) -> None:
        office = self._means.office()
        if not office.name:
            return  # not loaded yet: without it there is no mail server, and no secret to sign with
        self._empty = False
        now_ms = self._means.clock_ms()
        # On the writer's connection: a reader's own, opened every tick, costs descriptors and time for nothing.
        found = self._means.write_soon(lambda db: (notices.due(db, now_ms), notices.waiting(db))).result()
        for notice in found[0]:
            if self._stopping:
                return
            self._send(notice)
        left = letters.round(self._means, lambda: self._stopping)
        expected = letters.expected(office) or settings_of(office).seal_mail
        self._empty = not found[1] and not left and not expected

    def _send(self, notice: Notice) -> None:
        try:
            self._deliver(notice)
        except deliver.NotTaken as error:
            reason, at_ms = str(error), self._means.clock_ms()
            again = self._means.write(lambda db: notices.failed(db, notice, at_ms, reason)).result()
            if not again or not notice.tries:
                outcome = "is tried again" if again else "is given up"
                log.warning("notice of %s: %s to %s %s: %s", notice.alarm, notice.way, _shown(notice), outcome, reason)
            return
        at_ms = self._means.clock_ms()
        self._means.write(lambda db: notices.sent(db, notice.id, at_ms)).result()
        log.info("notice of %s: %s to %s sent (%s)", notice.alarm, notice.way, _shown(notice), notice.body.get("event"))
        self._woken.set()  # the next one of this reader may wait behind it

    def _deliver(self, notice: Notice) -> None:
        office, now_s = self._means.office(), self._means.clock_ms() // 1000
        if notice.way == "mail":
            if not office.mail:
                raise deliver.NotTaken("this office has no mail server any more")
            if notice.body.get("event") == seal_words.EVENT:
                subject, text = seal_words.mail(notice.body, office.language)
            else:
                subject, text = alarm_words.mail(notice.body, office.language, office.timezone)
            deliver.mail(office.mail[0], notice.target, subject, text, notice.name, now_s)
        else:
            secret = next((one.webhook_secret for one in office.alarms if one.name == notice.alarm), "")
            deliver.webhook(notice.target, secret, notice.body, notice.name, now_s)


def _shown(notice: Notice) -> str:
    """A web address may hold a secret."""
    return notice.target if notice.way == "mail" else "its webhook"
