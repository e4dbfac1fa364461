"""The recording follows the customer: (blind, attended, to a queue, outside) x (mono, stereo), each measured.

By hand: ``python -m tests.bench.transfer_matrix``. Per talk: its recordings hold every phone's voice in order, the
customer's all along (in stereo: on the left, and alone there), begin within 100 ms of the bridge and lack nothing at
the end.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.system import agents, desks, heard
from tests.system.desks import Desks, hears, states, talks
from tests.until import until

WAYS = ("blind", "attended", "queue", "outside")
SIDES = tuple(sys.argv[1:]) or ("mono", "stereo")
LATE_MS = 400
"""What a new MixMonitor at each transfer may cost altogether."""


def transferred(office: Desks, how: str, user: str) -> tuple[bool, str]:
    """Whether the talk was recorded as it should be, and what was measured."""
    with (
        office.phone("201", agents.ANSWER, login=True) as first,
        office.phone("202", agents.ANSWER, login=how == "queue") as second,
    ):
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            if how == "attended":
                first.dial("202")
                talks(second)
                hears(second, "201")
                first.connect()
            elif how == "queue":
                first.policy = agents.IGNORE
                first.transfer("600")
            else:
                first.transfer("202" if how == "blind" else "011987654321")
            if how == "queue":  # 201 rings first, and again, until it counts as away
                until(lambda: "answered" in states(second), 40, "202 talks")
            hears(caller, str(office.provider.hz) if how == "outside" else "202")
            if how != "outside":
                hears(second, "caller")
            first.hangup()
        office.over()
    call = office.call(user)
    waves = [wave for _, wave in heard.recordings(office, call)]
    left = [word for wave in waves for word in heard.track(wave.samples[0], tuple(desks.HZ))]
    right = [word for wave in waves for word in heard.track(wave.samples[-1], tuple(desks.HZ))]
    phones = list(dict.fromkeys(part for word in right for part in word.split("+") if part not in ("", "caller")))
    customer = sum("caller" in word for word in left) / len(left)
    lacking = call["talk_ms"] - sum(wave.duration_s for wave in waves) * 1000
    alone = waves[0].channels == 1 or not any("caller" in word for word in right)
    good = phones == (["201"] if how == "outside" else ["201", "202"]) and customer > 0.85 and alone
    figures = f"phones {phones}, customer {customer:.0%}, lacks {lacking:.0f} ms, {len(waves)} files"
    return good and abs(lacking) < LATE_MS, figures


def main() -> int:
    """Run all; 0 when all are good."""
    bad = 0
    for sides in SIDES:
        folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
        settings = f'\n[recordings]\nnotice = false\nsides = "{sides}"\n'
        try:
            with desks.running(folder, daemon=True, office=settings) as office:
                for number, how in enumerate(WAYS):
                    good, figures = transferred(office, how, f"+55119000005{number:02}")
                    bad += not good
                    print(f"{sides:7} {how:9} {'ok ' if good else 'BAD'} {figures}", flush=True)
                until(lambda office=office: office.box.channels() == 0, 20, "all is over")  # type: ignore[misc]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
