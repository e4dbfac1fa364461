"""Sends what the boxes bring by mail: the letters of ``store.letters``, within the outbox's round and on its thread.

Law: a letter is marked as sent when the server has taken it, and only then; whoever cannot be reached waits longer each
time, and after days is given up with a warning. When the server itself is not there, the rest waits untried. The sound
goes as MP3, which every mail program plays, at a tenth of the wav; where it cannot be made, as the wav. It is made anew
for each try and touches no disk. A mail is a copy that leaves the box: the office's file names who gets one.
"""

import logging
import subprocess
from collections.abc import Callable
from typing import Any

from ramal.core import message_words, warnings
from ramal.core.events import ConditionSeen
from ramal.core.messages import box_of, title_of
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.ops import deliver
from ramal.ops.means import Means
from ramal.store import letters, messages
from ramal.store.letters import Letter
from ramal.vault import opus
from ramal.vault.cipher import SealBroken
from ramal.vault.sound import NoSound, open_sound

log = logging.getLogger(__name__)

WARNED_MS = 7 * 86_400_000
MOST_BYTES = 20 << 20
ENCODE_S = 120.0


def expected(office: Office) -> bool:
    """Whether this office mails messages at all."""
    return any(box.mail for box in office.voicemails)


def round(means: Means, stopping: Callable[[], bool]) -> bool:
    """Send what is due; whether anything is left waiting."""
    now_ms, office = means.clock_ms(), means.office()
    if expected(office):
        look(means)
    found = means.write_soon(lambda db: (letters.due(db, now_ms), letters.waiting(db))).result()
    for letter in found[0]:
        if stopping():
            break
        if not _send(means, office, letter):
            break
    if found[1]:
        _warn(means)
    return bool(found[1])


def _send(means: Means, office: Office, letter: Letter) -> bool:
    """False when the server could not be reached at all."""
    try:
        _deliver(means, office, letter)
    except deliver.NotTaken as error:
        reason, at_ms, absent = str(error), means.clock_ms(), isinstance(error, deliver.NotThere)
        again = means.write(lambda db: letters.failed(db, letter, at_ms, reason, absent)).result()
        if not again or not letter.tries:
            outcome = "is tried again" if again else "is given up"
            log.warning("message %s by mail to %s %s: %s", letter.message, letter.target, outcome, reason)
        return not absent
    at_ms = means.clock_ms()
    means.write(lambda db: letters.sent(db, letter.id, at_ms)).result()
    log.info("message %s was mailed to %s", letter.message, letter.target)
    return True


def _deliver(means: Means, office: Office, letter: Letter) -> None:
    if not office.mail:
        raise deliver.NotTaken("this office has no mail server")
    row = means.read(lambda db: messages.get(db, letter.message))
    if row is None:
        raise deliver.NotTaken("the history does not know this message now")
    box = box_of(office, row.box)
    attached, told = (None, "page") if box is not None and not box.settings.mail_sound else _sound(means, row)
    title = row.box if box is None else title_of(box, office.queues, office.agents)
    subject, text = message_words.mail(
        number=row.number,
        name=row.name,
        box=title,
        at_ms=row.at_ms,
        sound_ms=row.sound_ms,
        sound=told,
        language=office.language,
        timezone=office.timezone,
    )
    at_s = means.clock_ms() // 1000
    deliver.mail(office.mail[0], letter.target, subject, text, letter.name, at_s, attached=attached)


def _sound(means: Means, row: messages.MessageRow) -> tuple[deliver.Attached | None, str]:
    def read(db: Any) -> bytes:
        with open_sound(means.home, db, row.recording).file as file:
            return file.read(MOST_BYTES)

    try:
        data: bytes = means.read(read)
    except (NoSound, SealBroken):
        return None, "gone"
    name = f"ramal-{row.id}"
    if data[:4] != b"RIFF":
        return deliver.Attached(f"{name}.ogg", "ogg", data), "sound"
    made = mp3(data)
    if made is None:
        return deliver.Attached(f"{name}.wav", "wav", data), "sound"
    return deliver.Attached(f"{name}.mp3", "mpeg", made), "sound"


def mp3(wav: bytes) -> bytes | None:
    """The sound of a wav as MP3 (16 kHz, mono, 32 kbit/s), as loud as it can be; None when it cannot be made."""
    words = ("-t", "wav", "-", "-t", "mp3", "-r", "16000", "-c", "1", "-C", "32", "-", "gain", "-n", "-3")
    try:
        argv = opus.provided("sox", *words, die_with_parent=True)
        done = subprocess.run(argv, input=wav, capture_output=True, timeout=ENCODE_S, check=False)
    except (RamalError, OSError, subprocess.SubprocessError) as error:
        log.warning("a message could not be made an MP3 (%s); it goes as wav", error)
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) > 100 else None


def _warn(means: Means) -> None:
    since_ms = means.clock_ms() - WARNED_MS
    count = means.write_soon(lambda db: letters.given_up(db, since_ms)).result()
    known = means.state().warnings.get(warnings.MESSAGES_UNMAILED)
    if bool(count) != (known is not None) or (known is not None and known.args != (("count", count),)):
        means.tell(ConditionSeen(warnings.MESSAGES_UNMAILED, count > 0, (("count", count),)))


def look(means: Means) -> int:
    """Make the letters that are due to be made; how many wait. On the outbox or the rounds thread."""
    office, now_ms = means.office(), means.clock_ms()
    wanted = [(box.name, address) for box in office.voicemails for address in box.mail]

    def job(db: Any) -> int:
        letters.readers(db, now_ms, wanted)
        letters.make(db, now_ms)
        letters.prune(db, now_ms)
        return letters.waiting(db)

    left: int = means.write(job).result()
    _warn(means)
    return left
