"""Recordings are turned into what is kept while the keeper is killed (SIGKILL) at random instants; none may be lost.

    python -m tests.bench.power_cuts [recordings] [--seed N]

After every kill each recording is opened and read whole: it must be the wav, byte for byte, or an Opus file whose
bytes, decrypted, are those that were sealed. At the end all are kept, no wav is left, and ``verify`` finds nothing.
What a kill cannot show is a disk that forgets what was not flushed; the order of flushes is the code's (vault.keep).
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ramal.core import sound
from ramal.store import sounds
from ramal.vault.sound import open_sound
from ramal.vault.verify import Verification
from tests.vault.shelf import Shelf, stereo_wav

ROOT = Path(__file__).parents[2]
LONGEST_S = 1.5


def fill(shelf: Shelf, count: int, chance: random.Random) -> dict[int, bytes]:
    """Recordings of one to six seconds; each one's digest."""
    made = {}
    for number in range(count):
        length_ms = chance.randrange(1000, 6000)
        wav = stereo_wav(
            sound.tone([chance.randrange(200, 3000)], length_ms, -15.0),
            sound.tone([chance.randrange(200, 3000)], length_ms, -20.0),
        )
        made[shelf.put(wav, f"recordings/2026/11/19/{number}.wav")] = hashlib.sha256(wav).digest()
    return made


def lost(shelf: Shelf, made: dict[int, bytes]) -> list[str]:
    """Every recording of which no good copy is there."""
    wrong = []
    for recording, wav in made.items():
        try:
            with shelf.read(lambda db, one=recording: open_sound(shelf.home, db, one)).file as file:
                digest = hashlib.sha256(file.read()).digest()
        except Exception as error:
            wrong.append(f"{recording}: {error!r}")
            continue
        row = shelf.read(lambda db, one=recording: sounds.of(db, one))
        if digest != (wav if row is None else row.plain_sha256):
            wrong.append(f"{recording}: other bytes than were written")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    chance = random.Random(given.seed)
    print(f"{given.recordings} recordings, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ramal-cuts-") as folder:
        shelf = Shelf.at(Path(folder) / "home")
        made = fill(shelf, given.recordings, chance)
        kills, states, wrong = 0, Counter[str](), []
        while True:
            shelf.close()
            done = cut(shelf, chance)
            shelf.writer = Shelf.at(shelf.home.root).writer
            wrong += lost(shelf, made)
            if done:
                break
            kills += 1
            states[state(shelf)] += 1
        rows = shelf.read(lambda db: db.execute("SELECT count(*) FROM sound").fetchone()[0])
        wavs = len(list(shelf.home.recordings.rglob("*.wav")))
        flaws = shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))
        shelf.close()
    print(f"{kills} kills: {dict(states)}")
    print(f"kept {rows} of {given.recordings}, wavs left {wavs}, lost {len(wrong)}, flaws {len(flaws)}")
    for one in [*wrong, *map(str, flaws)][:20]:
        print("  " + one)
    return 1 if wrong or flaws or wavs or rows != given.recordings else 0


def cut(shelf: Shelf, chance: random.Random) -> bool:
    """Run a keeper and kill it at a random instant; True when it was done before."""
    words = [sys.executable, "-m", "tests.vault.child", str(shelf.home.root), str(shelf.now_ms), "never", "1"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        code = process.wait(chance.uniform(0.0, LONGEST_S))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        code = process.wait()
    process.stdout.close()
    return code == 0


def state(shelf: Shelf) -> str:
    """What a kill left behind, as far as the files tell."""
    due = shelf.read(lambda db: db.execute("SELECT count(*) FROM sound WHERE unlink_due").fetchone()[0])
    if due:
        return "row written, wav to be removed"
    sealed = {path.with_suffix("").with_suffix("") for path in shelf.home.recordings.rglob("*.ogg.sealed")}
    if any(path.with_suffix("") in sealed for path in shelf.home.recordings.rglob("*.wav")):
        return "named, no row yet"
    if any(shelf.home.recordings_work.glob("*.part")):
        return "half made"
    return "between two"


if __name__ == "__main__":
    sys.exit(main())
