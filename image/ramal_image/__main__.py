"""``python -m ramal_image build|lock|same|test``: see image/README.md. Settings come as words, as make passes them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide import archive
from ramal.provide.say import say
from ramal_image import build, debs

CHECKOUT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str]) -> int:
    """Run one command; 0 or an exit code. Every RamalError is one sentence on standard error."""
    parser = argparse.ArgumentParser(prog="ramal_image", description="Build Ramal's image and prove it in QEMU.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("build", "the flashable image"),
        ("lock", "choose the newest packages and lock them"),
        ("same", "build twice and compare"),
        ("test", "build, boot in QEMU, call, update, cut the power"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--arch", default=None, choices=debs.ARCHITECTURES)
        command.add_argument("--mirror", default=None, help="a Debian mirror, instead of this machine's own")
        command.add_argument("--release", default=None, help="another version than pyproject.toml's")
        command.add_argument("--quick", action="store_true", help="larger and sooner; no .xz")
        command.add_argument("--out", type=Path, default=None)
        if name == "same":
            command.add_argument("--anew", action="store_true", help="the second time without any layer of the first")
        if name == "test":
            command.add_argument("--only", default="", help="names of proofs, with commas")
            command.add_argument("--image", type=Path, default=None, help="a folder with a finished build")
    given = parser.parse_args(words)
    try:
        return _run(given)
    except RamalError as error:
        print(f"ramal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nramal: interrupted; run it again and it goes on from here", file=sys.stderr)
        return 130


def _run(given: argparse.Namespace) -> int:
    arch = given.arch or archive.architecture()
    out = given.out or CHECKOUT / "build/image" / arch
    if given.command == "lock":
        found = build.write_lock(CHECKOUT, arch, given.mirror)
        say(f"{len(found)} packages, {sum(deb.size for deb in found) / 1e6:.0f} MB, locked for {arch}")
        return 0
    want = build.wanted(CHECKOUT, arch, given.release, given.quick, given.mirror)
    if given.command == "build":
        build.build(want, out)
        return 0
    if given.command == "same":
        return 0 if build.same(want, out / "same", given.anew) else 1
    if given.image is None:
        build.build(want, out)
    from ramal_image.proof import run as proof  # only here: the others need no phones
    from ramal_image.qemu import wire

    only = [name for name in given.only.split(",") if name]
    words = ["test", "--arch", arch, "--out", str(out), "--image", str(given.image or out), "--only", ",".join(only)]
    words += ["--release", want.version, *(["--quick"] if given.quick else [])]
    wire.enter(words)
    wire.lay()
    return proof.run(want, out, given.image or out, only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
