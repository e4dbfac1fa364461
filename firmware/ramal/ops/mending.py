"""The spoken sentences, looked over in every round: what is missing or cannot be played is spoken anew, and what cannot
is a warning.

The looking is done on the rounds thread, the speaking on the worker, where settings are applied: two voices must not
write one folder. Law: calls need nothing of this; they fall back by themselves (``asterisk.prompts``).
"""

import logging
from dataclasses import dataclass, field
from functools import partial

from ramal.asterisk.own_sounds import MACHINE, OwnSounds
from ramal.asterisk.prompt_lint import Fault, in_folder
from ramal.core import warnings
from ramal.core.events import ConditionSeen
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject

log = logging.getLogger(__name__)

A_ROUND = 50
AT_ONCE = 6
"""60 ms of work each on a PC, not measured on a small board; the page's requests, and whoever applies settings, wait
for no more than so many."""


def subject(means: Means) -> Subject:
    """The subject ``mending``: no requests, only rounds."""
    mending = _Mending(means)
    return Subject("mending", at_up=mending.try_again, now_and_then=mending.look)


@dataclass(slots=True)
class _Mending:
    means: Means
    _given_up: set[str] = field(default_factory=set)
    """What could not be spoken: a voice that fails is not asked every minute, only when something changed."""

    def try_again(self) -> None:
        """Asterisk came up or has a new office."""
        self._given_up.clear()

    def look(self) -> None:
        """One look; speaks at most A_ROUND sentences."""
        office = self.means.office()
        if not office.name:
            return
        faults = in_folder(office, self.means.home.prompts)
        self._given_up &= {fault.prompt.path for fault in faults}
        wanted = [fault for fault in faults if fault.prompt.path not in self._given_up][:A_ROUND]
        if wanted:
            log.info("%d prompts cannot be played (%s); speaking %d anew", len(faults), wanted[0], len(wanted))
            for at in range(0, len(wanted), AT_ONCE):
                self.means.work(partial(self._speak, wanted[at : at + AT_ONCE])).result()
            faults = in_folder(office, self.means.home.prompts)
            self._given_up |= {fault.prompt.path for fault in wanted} & {fault.prompt.path for fault in faults}
        # what a later round will speak is no trouble yet
        self._warn(tuple(fault for fault in faults if fault.prompt.path in self._given_up))

    def _speak(self, faults: list[Fault]) -> None:
        home = self.means.home
        sounds, prompts = OwnSounds(home.prompts, home.own_prompts), [fault.prompt for fault in faults]
        for prompt in prompts:
            sounds.discard(prompt.path)
        try:
            if (home.prompts / MACHINE).is_dir():
                self.means.say(prompts, home.prompts / MACHINE)
        except (RamalError, OSError) as error:
            log.warning("%s Calls work without it.", error)
        sounds.settle_all(prompt.path for prompt in prompts)

    def _warn(self, faults: tuple[Fault, ...]) -> None:
        args: warnings.Args = ()
        if faults:
            args = (("amiss", faults[0].amiss), ("count", len(faults)), ("first", faults[0].prompt.path))
        shown = self.means.state().warnings.get(warnings.PROMPTS_MISSING)
        if bool(faults) != (shown is not None) or (shown is not None and shown.args != args):
            self.means.tell(ConditionSeen(warnings.PROMPTS_MISSING, bool(faults), args))
