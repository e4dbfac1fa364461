"""Words for what was done."""

from ramal_web.formats import label
from ramal_web.i18n import gettext

LOOK = {
    "session": "door",
    "recording": "disc",
    "message": "disc",
    "recordings": "disc",
    "phone": "phone",
    "agent": "pause",
    "spy": "ear",
    "caller": "turn",
    "contact": "person",
    "contacts": "person",
    "missed": "back",
    "callback": "back",
    "night": "moon",
    "wall": "now",
    "user": "person",
    "alarm": "warn",
    "clock": "clock",
    "office": "pen",
    "prompt": "ear",
    "backup": "disc",
    "backups": "disc",
    "music": "disc",
    "subject": "person",
    "update": "up",
}


def look(what: str) -> str:
    """The icon of an act."""
    return LOOK.get(what.partition(".")[0], "dots")


def say(what: str) -> str:
    """What was done, as a short phrase; the code itself when it is not known here."""
    return {
        "session.started": gettext("Signed in to the page"),
        "box.claimed": gettext("Claimed the box"),
        "recording.played": gettext("Played a recording"),
        "recording.downloaded": gettext("Downloaded a recording"),
        "message.returned": gettext("Marked a message as returned"),
        "message.deleted": gettext("Deleted a message"),
        "message.restored": gettext("Brought a message back"),
        "recordings.verify": gettext("Had the recordings checked"),
        "copies.now": gettext("Had recordings copied outside the box"),
        "copies.check": gettext("Had the copies outside the box checked"),
        "copies.test": gettext("Tried the way to the copies outside the box"),
        "update.install": gettext("Had another release installed"),
        "update.try": gettext("Started another release on trial"),
        "update.back": gettext("Had the box go back to the release before"),
        "update.stay": gettext("Called a restart for an update off"),
        "copies.dropped": gettext("Said that the copies of a former place are removed"),
        "backups.now": gettext("Had a backup made"),
        "backups.downloaded": gettext("Downloaded a backup"),
        "backups.code": gettext("Looked at the recovery code of the backups"),
        "backups.noted": gettext("Said that the recovery code is written down"),
        "backups.key-show": gettext("Looked at the recovery code of the backups"),
        "backups.key-new": gettext("Made a new recovery code for backups"),
        "backups.key-passphrase": gettext("Chose a passphrase for backups"),
        "backup.restored": gettext("Put a backup back"),
        "recordings.key-exported": gettext("Exported the key of the recordings"),
        "recordings.key-imported": gettext("Brought a key of recordings"),
        "recordings.key-made": gettext("Made a new key for recordings"),
        "recordings.hold": gettext("Put recordings under a legal hold"),
        "recordings.release": gettext("Ended a legal hold"),
        "phone.listen": gettext("Listened to a call"),
        "phone.message": gettext("Heard a message at a phone"),
        "phone.whisper": gettext("Whispered to an agent"),
        "phone.barge": gettext("Joined a call"),
        "phone.pause": gettext("Sent an agent on a break"),
        "phone.resume": gettext("Took an agent back from the break"),
        "phone.logout": gettext("Signed an agent out"),
        "agent.pause": gettext("Asked for a break for an agent"),
        "agent.resume": gettext("Asked to take an agent back"),
        "agent.logout": gettext("Asked to sign an agent out"),
        "spy.listen": gettext("Asked to listen to an agent"),
        "spy.whisper": gettext("Asked to whisper to an agent"),
        "spy.barge": gettext("Asked to join an agent's call"),
        "caller.move": gettext("Moved a caller to another queue"),
        "caller.first": gettext("Put a caller first"),
        "contact.saved": gettext("Saved a contact"),
        "contact.deleted": gettext("Deleted a contact"),
        "contacts.imported": gettext("Imported contacts"),
        "clock.trusted": gettext("Said that the time is right"),
        "clock.set": gettext("Set the clock"),
        "missed.called": gettext("Called a missed caller back"),
        "missed.dismissed": gettext("Dismissed a missed caller"),
        "callback.cancelled": gettext("Cancelled a call back"),
        "phone.fetched": gettext("A desk phone fetched its settings"),
        "phone.refused": gettext("A desk phone was not let in"),
        "phone.opened": gettext("Let a desk phone fetch its settings"),
        "phone.closed": gettext("Closed a desk phone's settings"),
        "user.added": gettext("Let somebody use the page"),
        "user.reset": gettext("Gave a user a new password"),
        "user.removed": gettext("Removed a user of the page"),
        "night.set": gettext("Switched opening hours"),
        "alarm.tested": gettext("Tested an alarm"),
        "prompt.replaced": gettext("Uploaded a sound for a sentence"),
        "prompt.recorded": gettext("Recorded a sentence at a phone"),
        "prompt.machine": gettext("Gave a sentence back to the machine's voice"),
        "prompt.again": gettext("Took an earlier sound of a sentence again"),
        "prompt.undone": gettext("Undid a change of a sentence"),
        "prompt.found": gettext("A sentence was changed in the box's folders"),
        "music.added": gettext("Added music on hold"),
        "music.removed": gettext("Took music on hold away"),
        "subject.asked": gettext("Wrote down a request about a person's data"),
        "subject.exported": gettext("Handed a person's data out"),
        "subject.erasing": gettext("Began to erase a person"),
        "subject.erased": gettext("Erased a person"),
        "subject.closed": gettext("Closed a request about a person's data"),
        "wall.made": gettext("Opened the wallboard for a screen"),
        "wall.revoked": gettext("Closed a screen's wallboard"),
    }.get(what, label(what))


def who(name: str, agents: object) -> str:
    """A page user, or an agent by name; ``page:owner`` is the user who asked for it on the page."""
    known = agents if isinstance(agents, dict) else {}
    return label(known.get(name, name.removeprefix("page:")))
