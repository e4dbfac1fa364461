"""A factory reset: what the owner made is gone, the box is new again and asks to be claimed; the release stays."""

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call
from ramal_image.proof.bench import BOOT_S, Bench


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    with bench.inside() as shell:
        with bench.start() as running:
            bench.up(running)
            first = call.claim_code(running)
            call.claim(first)
            shell.must("echo kept > /data/ramal/recordings/mine; sync")
            shell.must("ramal reset factory --sure", 120)
            shell.run("(sleep 1; systemctl reboot) > /dev/null 2>&1 &")
            running.wait_end(240)
        shell.close()
        with bench.start() as running:
            bench.up(running, BOOT_S)
            second = call.claim_code(running)
            if second == first:
                raise ImageError("The claim code is the old one: the box was not made new.")
            if shell.run("test -e /data/ramal/recordings/mine")[0] == 0:
                raise ImageError("A file of the former owner is still there.")
            call.claim(second)
            say("  the box is new, and its next owner claimed it with a new code")
        shell.close()
