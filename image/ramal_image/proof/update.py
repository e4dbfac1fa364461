"""Update to the next release over the network, with the slot changed by the emulated loader; then a release that never
starts, and one whose calls do not work: after both the box is back on the good one by itself.

The next release is a whole build of its own; the broken ones are its bundle with another command line.
"""

import contextlib
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, build, bundle, loader, tools
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.qemu import wire
from ramal_image.qemu.shell import Shell

INSTALL_S = 900.0
BROKEN = {
    "never-starts": "ramal.init=/usr/bin/false",
    "no-calls": "systemd.mask=ramal-asterisk.service",
}
"""What is added to the kernel's command line of a release that must not stay."""


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    folder = bench.folder / "releases"
    folder.mkdir()
    good = _next(bench, folder)
    bundles = {"good": good, **{name: _broken(bench, good, folder, name) for name in BROKEN}}
    with _served(folder) as port, bench.inside() as shell:
        _install(bench, shell, f"http://{wire.OURS}:{port}/{bundles['good'].with_suffix('.raucb').name}", 3)
        for name in BROKEN:
            _rejected(bench, shell, name, f"http://{wire.OURS}:{port}/{bundles[name].name}")


def _next(bench: Bench, folder: Path) -> Path:
    """The next release's bundle (and image file name) in ``folder``."""
    want = replace(bench.want, version=f"{bench.want.version}.1", quick=True)
    out = bench.folder.parent.parent / "next"
    built = build.build(want, out)
    made = build.bundled(want, built)
    os.link(made, folder / made.name)
    return folder / made.name


def _broken(bench: Bench, good: Path, folder: Path, name: str) -> Path:
    """The same root behind a command line that breaks it, signed as any release."""
    version = f"{bench.want.version}.2-{name}"
    source = bench.folder.parent.parent / "next"
    boot = folder / f"{name}.vfat"
    shutil.copyfile(next(source.glob("*.boot.vfat")), boot)
    line = folder / "cmdline.txt"
    words = f"{build.command_line(bench.want.arch, 'A')} {BROKEN[name]}"
    line.write_text(loader.command_line_file(bench.want.arch, words))
    tools.run("mcopy", "-o", "-i", boot, line, "::cmdline.txt", env={"MTOOLS_SKIP_CHECK": "1"})
    root = next(source.glob("*.squashfs"))
    return bundle.make_bundle(bench.want.arch, version, boot, root, build.keys(), folder / f"{name}.raucb")


def _install(bench: Bench, shell: Shell, url: str, partition: int) -> None:
    with bench.start() as running:
        bench.up(running)
        running.until(
            lambda: shell.run("ping -c1 x 2>/dev/null; ip -4 route | grep -q default")[0] == 0, 120, "a route"
        )
        said = shell.must(f"ramal update install {url}", INSTALL_S)
        say(f"  installed: {said.splitlines()[-1][:150] if said else '(nothing said)'}")
        shell.run("(sleep 1; ramal update try) > /dev/console 2>&1 &")
        running.wait_end(240)
    bench.board.ended()
    if not bench.board.tryboot:
        raise ImageError("The box started anew without asking for one try of the other slot.")
    shell.close()
    with bench.start() as running:
        bench.up(running)
        running.until(lambda: _default(bench) == partition, BOOT_S, "the health check keeps the new release")
        say(f"  {running.age_s:6.1f} s  kept: partition {partition} boots by itself")
        shell.must("systemctl poweroff --no-block")
        running.wait_end(240)
    shell.close()


def _rejected(bench: Bench, shell: Shell, name: str, url: str) -> None:
    before = _default(bench)
    with bench.start() as running:
        bench.up(running)
        shell.must(f"ramal update install {url}", INSTALL_S)
        shell.run("(sleep 1; ramal update try) > /dev/console 2>&1 &")
        running.wait_end(240)
    bench.board.ended()
    shell.close()
    if not bench.board.tryboot:
        raise ImageError("The box started anew without asking for one try of the other slot.")
    with bench.start() as running:
        running.wait_end(900)
        say(f"  {running.age_s:6.1f} s  the release “{name}” was left")
    bench.board.ended()
    if bench.board.tryboot or _default(bench) != before:
        raise ImageError(f"The release “{name}” was to be left, and partition {_default(bench)} boots by itself now.")
    shell.close()
    with bench.start() as running:
        bench.up(running)
        history = shell.must("ramal update history", 120)
        say(f"  back on partition {before}; the box says: {history.splitlines()[0][:150] if history else ''}")
        shell.must("systemctl poweroff --no-block")
        running.wait_end(240)
    shell.close()


def _default(bench: Bench) -> int:
    kept = bench.board.tryboot
    bench.board.tryboot = False
    try:
        return bench.board.choose().partition
    finally:
        bench.board.tryboot = kept


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files with ranges, which RAUC asks for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        first, last = 0, size - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if asked[1]:
            first = int(asked[0] or 0)
            last = min(int(asked[2] or last), size - 1)
        self.send_response(206 if asked[1] else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked[1]:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with path.open("rb") as file, contextlib.suppress(OSError):
            file.seek(first)
            left = last - first + 1
            while left and (data := file.read(min(left, 1 << 16))):
                self.wfile.write(data)
                left -= len(data)


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[int]:
    """``folder`` by HTTP on the proof's network; the port."""
    server = http.server.ThreadingHTTPServer((wire.OURS, 0), lambda *words: _Files(*words, directory=str(folder)))
    threading.Thread(target=server.serve_forever, name="releases", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
