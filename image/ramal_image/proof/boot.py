"""The built image, unchanged: starts, grows its data, takes calls, shows its page; and how long that takes, as a ratio
to the same kernel and initramfs starting a bare shell (so that the figure says something on any machine)."""

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import reach
from ramal_image.proof.bench import BOOT_S, Bench


def prove(bench: Bench) -> None:
    """ImageError with the console's last lines at the first thing that does not hold."""
    with bench.start() as running:
        bench.up(running)
        said = running.said
        for expected in ("growing the data partition", "making the data partition's file system"):
            if expected not in said:
                raise ImageError(f"The first start never said “{expected}”.\n{running.tail()}")
        body = reach.page(bench.host).body
        if "ramal" not in body.lower() and reach.page(bench.host).status == 200:
            raise ImageError("The page answers, and with something that is not ours.")
        running.type("\r\n")
        running.wait_for(r"login:", BOOT_S)
        say(f"  {running.age_s:6.1f} s  the console asks for a login")
    _second(bench)
    bare_s = _bare(bench)
    bench.figures["bare_shell_s"] = bare_s
    ratio = bench.figures["again_calls_s"] / bare_s
    bench.figures["ratio"] = ratio
    say(f"  takes calls after {ratio:.1f} times what a bare shell needs ({bare_s:.1f} s); at the first start after "
        f"{bench.figures['calls_s'] / bare_s:.1f} times")  # fmt: skip


def _second(bench: Bench) -> None:
    """Switched off in the middle of running, and on again: nothing is made a second time."""
    first = bench.figures["calls_s"]
    with bench.start() as running:
        running.wait_for(r"fsck of data: [01]\b", BOOT_S)
        bench.up(running)
        if "making the data partition" in running.said:
            raise ImageError("The second start made the data partition again: everything on it would be lost.")
    bench.figures["again_calls_s"] = bench.figures["calls_s"]
    bench.figures["calls_s"] = first


def _bare(bench: Bench) -> float:
    """Seconds until a shell as process 1 says something, on the same machine with the same kernel and root."""
    board = bench.board
    kept, board.append = board.append, f"{board.append} ramal.init=/usr/bin/sh"
    try:
        with bench.start() as running:
            running.wait_for(r"ramal-initrd: root=", BOOT_S)
            running.type("echo bare''-shell\n")
            running.wait_for(r"bare-shell", BOOT_S)
            return running.age_s
    finally:
        board.append = kept
