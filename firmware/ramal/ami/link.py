"""The lasting connection to Asterisk: connect, log in, stay, and come back after every kind of loss.

Threads: everything here happens on the link's own thread, which also calls ``on_up`` and ``on_down``; ``on_event`` is
called by the reader thread of the current session (or, once, by the link thread). ``start``, ``is_up`` and ``request``
are free to all threads. Law: nothing is missed between snapshot and live events, see ``Link``.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence

from ramal.ami.codec import Header, Message
from ramal.ami.errors import AmiDown, AmiForbidden
from ramal.ami.session import SILENCE_S, Session
from ramal.errors import RamalError

log = logging.getLogger(__name__)

EVENT_CLASSES = "system,call,agent,user"
PING_S = 5.0
BOOT_S = 60.0
"""How long Asterisk may let us in without having finished its start."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
MAX_HELD = 50_000
"""Events held while a snapshot is taken, about 50 MB; a session that gathers more is given up."""


class Link:
    """A supervised AMI session.

    Order, for every session: log in with events on; wait until Asterisk says FullyBooted (before it, queues are
    unknown); ``on_up(session)`` on the link thread, which takes the snapshot through ``session`` and hands it over;
    then ``on_event`` for **every** event since the login, those that arrived during the snapshot first. So an event may
    tell what the snapshot knows already, or what it knows to be over (Asterisk lets answers overtake events), but the
    last event about a thing is never missing: applying all of them in this order ends in Asterisk's state.
    Then ``on_event`` live, and at last ``on_down(reason)``, after which no event of that session comes.

    ``on_up`` that raises ends the session, and the link tries again. ``on_down`` is called once when the link is
    lost (also when the first connection fails), and once more if Asterisk then answers but refuses our login.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        secret: str,
        on_event: Callable[[Message], None],
        on_up: Callable[[Session], None],
        on_down: Callable[[str], None],
        *,
        ping_s: float = PING_S,
        silence_s: float = SILENCE_S,
        boot_s: float = BOOT_S,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        rng: random.Random | None = None,
    ) -> None:
        self._host, self._port, self._username, self._secret = host, port, username, secret
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._ping_s, self._silence_s, self._boot_s = ping_s, silence_s, boot_s
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._rng = rng or random.Random()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._current: Session | None = None
        self._up: Session | None = None
        self._known: type[RamalError] | None = None  # what the world was told last: RamalError for up
        self._failures = 0

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread = threading.Thread(target=self._run, name="ami link", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the session and the thread; returns when both are gone. No ``on_down`` is called for it."""
        self._stopping.set()
        with self._lock:
            session = self._current
        if session is not None:
            session.end("the link was stopped")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def is_up(self) -> bool:
        """Whether a session stands: logged in, Asterisk started."""
        session = self._up
        return session is not None and session.alive

    def request(
        self,
        action: str,
        headers: Sequence[Header] = (),
        variables: Sequence[Header] = (),
        *,
        action_id: str = "",
        timeout_s: float = 5.0,
    ) -> Message:
        """``Session.request`` on the standing session; AmiDown at once when there is none."""
        return self._standing(action).request(action, headers, variables, action_id=action_id, timeout_s=timeout_s)

    def request_list(
        self, action: str, headers: Sequence[Header] = (), *, timeout_s: float = 10.0
    ) -> tuple[Message, list[Message]]:
        """``Session.request_list`` on the standing session; AmiDown at once when there is none."""
        return self._standing(action).request_list(action, headers, timeout_s=timeout_s)

    def _standing(self, action: str) -> Session:
        session = self._up
        if session is None:
            raise AmiDown(
                f"Asterisk is not connected; {action} was not sent. Calls go on; it is tried again by itself."
            )
        return session

    # -- link thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._live_once()
            except RamalError as error:
                self._tell_down(error)
            except Exception as error:
                log.exception("the AMI link stumbled")
                self._tell_down(AmiDown(f"the link stumbled over {type(error).__name__}"))
            self._stopping.wait(self._wait_s())

    def _wait_s(self) -> float:
        """Twice as long after every failure, up to the longest; half of it is left to chance."""
        wait_s = min(self._longest_wait_s, self._first_wait_s * 2.0 ** min(self._failures, 30))
        if self._known is AmiForbidden:
            wait_s = self._longest_wait_s  # every refusal is a line in Asterisk's security log
        self._failures += 1
        return wait_s * (0.5 + 0.5 * self._rng.random())

    def _live_once(self) -> None:
        """One session from connect to end. Always leaves by an exception that says why, or because of ``stop``."""
        held = _Held(self._on_event)
        session = Session(self._host, self._port, held.take, held.end, self._silence_s)
        held.session = session
        with self._lock:
            if self._stopping.is_set():
                return
            self._current = session
        try:
            session.open()
            self._log_in(session)
            if not held.booted.wait(self._boot_s):
                raise AmiDown(f"Asterisk has not finished its start within {self._boot_s:g} s")
            self._be_up(session, held)
        finally:
            self._up = None
            with self._lock:
                self._current = None
            session.end()

    def _log_in(self, session: Session) -> None:
        headers = [("Username", self._username), ("Secret", self._secret), ("Events", EVENT_CLASSES)]
        answer = session.request("Login", headers, timeout_s=self._silence_s)
        if not answer.ok:
            raise AmiForbidden(f"Asterisk refused the login of “{self._username}” ({answer.get('Message')})")

    def _be_up(self, session: Session, held: "_Held") -> None:
        if held.ended.is_set():
            raise AmiDown(held.reason)
        # Published before on_up: the engine may act on the snapshot before on_up returns here.
        self._up = session
        self._on_up(session)
        held.release()
        if self._known is not RamalError:
            log.info(
                "Asterisk %s: connected (AMI %s)", "is there" if self._known is None else "is back", session.version
            )
        self._known, self._failures = RamalError, 0
        while not held.ended.wait(self._ping_s):
            # A peer may send events and answer nothing: an unanswered Ping ends the session too.
            session.request("Ping", timeout_s=self._silence_s)
        raise AmiDown(held.reason)

    def _tell_down(self, error: RamalError) -> None:
        kind = AmiForbidden if isinstance(error, AmiForbidden) else AmiDown
        if self._stopping.is_set() or self._known is kind or (self._known is AmiForbidden and kind is AmiDown):
            return
        self._known = kind
        reason = str(error).rstrip(".")
        log.warning("Asterisk is lost: %s. Calls go on by themselves; trying again until it answers.", reason)
        try:
            self._on_down(reason)
        except Exception:
            log.exception("telling that Asterisk is lost failed")


class _Held:
    """The events of one session: held until the snapshot is handed over, then passed on in order."""

    def __init__(self, on_event: Callable[[Message], None]) -> None:
        self._on_event = on_event
        self._lock = threading.Lock()
        self._messages: list[Message] | None = []
        self.session: Session | None = None
        self.booted = threading.Event()
        self.ended = threading.Event()
        self.reason = ""

    def take(self, message: Message) -> None:
        """Reader thread."""
        if message.event == "FullyBooted":
            self.booted.set()
        with self._lock:
            if self._messages is None:
                self._on_event(message)
            elif len(self._messages) < MAX_HELD:
                self._messages.append(message)
            elif self.session is not None:
                self.session.end(f"more than {MAX_HELD} events came before the first snapshot was taken")

    def end(self, reason: str) -> None:
        """Reader thread, the last thing it does."""
        self.reason = reason
        self.ended.set()
        self.booted.set()

    def release(self) -> None:
        """Link thread. The lock keeps a new event from overtaking a held one."""
        with self._lock:
            messages, self._messages = self._messages or [], None
            for message in messages:
                try:
                    self._on_event(message)
                except Exception:
                    log.exception("an AMI message was not taken: %s", message.event)
