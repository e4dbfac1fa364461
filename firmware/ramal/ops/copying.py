"""One parcel of recordings brought to the other side: what is damaged here stays, what lies there already is not sent
again, and what was sent is looked at there before it counts.

Blocks; on the copier's thread. Nothing here knows the database.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ramal.box.home import Home
from ramal.core import copies as rules
from ramal.core.copies import Code
from ramal.ops.far import Far, FarFailed, Lies, plain
from ramal.store.copies import Due, Proof
from ramal.vault.keep import inside, open_regular

BYTES_A_BATCH = 64 << 20
BLOCK = 1 << 20
Digests = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What arrived and how that is known, what did not and why, the bytes that were sent for it, and what kept all the
    rest from arriving."""

    arrived: Sequence[tuple[int, Proof]]
    wrong: Mapping[int, Code]
    bytes: int
    outage: FarFailed | None


def portion(files: Sequence[Due]) -> list[Due]:
    """So many that one rclone sends them in a while; at least one."""
    taken: list[Due] = []
    size = 0
    for one in files:
        if taken and size + one.bytes > BYTES_A_BATCH:
            break
        taken.append(one)
        size += one.bytes
    return taken


def send(home: Home, far: Far, files: Sequence[Due], pace: Callable[[], None]) -> Sent:
    """Bring ``files`` there. FarFailed when nothing could be learnt of any of them; what ``pace`` raises to end."""
    here, wrong = _here(home, files, pace)
    ready = [one for one in files if one.recording in here]
    lying = _lying(far, ready)
    # What lies there whole already (a daemon died before it could write that down) is not sent again.
    again = [one for one in ready if not _whole(one, here[one.recording], lying.get(one.path))]
    trouble: FarFailed | None = None
    if again:
        try:
            far.send(home.root, [one.path for one in again])
        except FarFailed as failed:
            trouble = far.narrowed(failed, max(one.bytes for one in again))
        lying = {**lying, **_lying(far, again)}
    if trouble is not None and trouble.code in ("other", "no-write") and any(one.path in lying for one in again):
        # It took some and refuses others. Web servers have no word for a full disk that all of them use.
        trouble = FarFailed("no-room", trouble.said, objects=trouble.objects)
    outage = trouble if trouble is not None and trouble.code in rules.OUTAGES else None
    arrived: list[tuple[int, Proof]] = []
    unproved: list[Due] = []
    for one in ready:
        proof = _whole(one, here[one.recording], lying.get(one.path))
        if proof == "size":
            unproved.append(one)
        elif proof:
            arrived.append((one.recording, proof))
        elif outage is None:
            wrong[one.recording] = _reason(one, trouble)
    arrived += _sampled(far, unproved, wrong)
    done = {recording for recording, _ in arrived}
    return Sent(arrived, wrong, sum(one.bytes for one in again if one.recording in done), outage)


def not_there(home: Home, far: Far, files: Sequence[Due]) -> list[Due]:
    """Which of ``files`` do not lie there as they are here. FarFailed."""
    lying = far.lying([one.path for one in files])
    return [one for one in files if not _still(home, one, lying.get(one.path))]


def _still(home: Home, one: Due, lies: Lies | None) -> bool:
    if lies is None or lies.bytes != one.bytes:
        return False
    here = _digests(home, one) if lies.hashes else ""
    return isinstance(here, str) or bool(_whole(one, here, lies))  # a file that is damaged here is no judge


def _lying(far: Far, files: Sequence[Due]) -> dict[str, Lies]:
    """What of ``files`` lies there, with digests of those that can be whole."""
    found = far.lying([one.path for one in files], hashes=False) if files else {}
    whole = [one.path for one in files if one.path in found and found[one.path].bytes == one.bytes]
    return {**found, **far.lying(whole)} if whole else found


def _here(home: Home, files: Sequence[Due], pace: Callable[[], None]) -> tuple[dict[int, Digests], dict[int, Code]]:
    here: dict[int, Digests] = {}
    wrong: dict[int, Code] = {}
    for one in files:
        pace()
        found = _digests(home, one)
        if isinstance(found, str):
            wrong[one.recording] = found
        else:
            here[one.recording] = found
    return here, wrong


def _digests(home: Home, one: Due) -> Digests | Code:
    """The file here, read once: its digests as the other side may know them; a code when it is not what was sealed."""
    path = inside(home, one.path)
    if path is None or not plain(one.path):
        return "damaged"
    seal, md5, sha1 = hashlib.sha256(), hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
    try:
        with open_regular(path) as file:
            while block := file.read(BLOCK):
                for digest in (seal, md5, sha1):
                    digest.update(block)
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "damaged"
    return {"md5": md5.hexdigest(), "sha1": sha1.hexdigest()} if seal.digest() == one.sha256 else "damaged"


def _sampled(far: Far, files: Sequence[Due], wrong: dict[int, Code]) -> list[tuple[int, Proof]]:
    """Where the other side computes no digests: the sizes are right; one file, another each time, is read back, and all
    of them when that one is not what it was."""
    if not files:
        return []
    first = files[int.from_bytes(os.urandom(4), "big") % len(files)]
    if _reads_back(far, first):
        return [(one.recording, "read" if one is first else "size") for one in files]
    arrived: list[tuple[int, Proof]] = []
    for one in files:
        if one is not first and _reads_back(far, one):
            arrived.append((one.recording, "read"))
        else:
            wrong[one.recording] = "different"
    return arrived


def _reads_back(far: Far, one: Due) -> bool:
    return far.digest(one.path) == (one.bytes, one.sha256)


def _whole(one: Due, here: Digests, lies: Lies | None) -> Proof:
    """By what the file there is known to be the one here; "" when it is not."""
    if lies is None or lies.bytes != one.bytes:
        return ""
    if "sha1" in lies.hashes:
        return "sha1" if lies.hashes["sha1"] == here["sha1"] else ""
    if "md5" in lies.hashes:
        return "md5" if lies.hashes["md5"] == here["md5"] else ""
    return "size"


def _reason(one: Due, trouble: FarFailed | None) -> Code:
    if trouble is None:
        return "different"
    said = trouble.objects.get(one.path, "")
    return rules.diagnose(said) if said else trouble.code
