"""What a finished root does not need: package managers, perl, documentation, caches; and what must not be in it twice.

Law: nothing is cut that a kept program loads; what is cut is named here, with the reason where it is not plain. The
root's records (copyright files, dpkg's status) are read by ``sbom`` before this. Main thread.
"""

import os
import shutil
from pathlib import Path

PACKAGE_MANAGEMENT = (
    "usr/bin/apt*", "usr/bin/dpkg*", "usr/bin/debconf*", "usr/sbin/dpkg-*", "usr/lib/apt", "usr/lib/dpkg",
    "usr/share/dpkg", "usr/share/debconf", "usr/share/keyrings", "usr/lib/*/libapt-*", "etc/apt", "etc/dpkg",
    "etc/debconf.conf", "var/lib/apt", "var/lib/dpkg", "var/cache/apt", "var/cache/debconf", "var/lib/ucf",
    "usr/bin/ucf*", "usr/share/ucf", "usr/bin/sqv", "usr/sbin/adduser", "usr/sbin/addgroup", "usr/sbin/deluser",
    "usr/sbin/delgroup", "var/lib/ramal-image", "var/log/*", "var/cache/*", "var/lib/systemd/*", "usr/bin/update-*",
    "usr/sbin/update-*", "etc/cron*", "usr/share/bug", "usr/bin/gpg*", "usr/bin/dirmngr*", "usr/bin/pinentry*",
    "usr/lib/gnupg*", "usr/share/gnupg", "usr/lib/systemd/user/gpg-agent*", "usr/lib/systemd/user/dirmngr*",
    "usr/lib/systemd/user/keyboxd*", "usr/bin/keyboxd",
    "usr/bin/busybox", "etc/logrotate.d", "etc/init.d", "etc/rc*.d", "etc/default/apt*",
)  # fmt: skip
"""No package is ever installed on a box: it gets a whole new release, or none. (Bundles are checked by RAUC itself.)"""
PERL = (
    "usr/bin/perl*", "usr/share/perl*", "usr/lib/*/perl*", "usr/lib/*/libperl*", "etc/perl", "usr/bin/cpan*",
    "usr/bin/corelist", "usr/bin/enc2xs", "usr/bin/encguess", "usr/bin/h2ph", "usr/bin/h2xs", "usr/bin/instmodsh",
    "usr/bin/json_pp", "usr/bin/libnetcfg", "usr/bin/piconv", "usr/bin/pl2pm", "usr/bin/pod*", "usr/bin/prove",
    "usr/bin/ptar*", "usr/bin/shasum", "usr/bin/splain", "usr/bin/streamzip", "usr/bin/xsubpp", "usr/bin/zipdetails",
)  # fmt: skip
"""Only package scripts use it."""
UNREAD = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/bash-completion",
    "usr/share/zsh", "usr/share/fish", "usr/share/X11", "usr/share/applications", "usr/share/icons",
    "usr/share/pixmaps",
    "usr/share/locale", "usr/share/snmp", "usr/share/mime", "usr/share/gdb", "usr/share/gcc", "usr/share/polkit-1",
    "usr/share/common-licenses", "usr/share/doc-base", "usr/share/menu", "usr/share/initramfs-tools",
    "usr/share/metainfo",
    "usr/share/asterisk/conf", "usr/share/baresip", "usr/share/readline", "usr/share/tabset", "usr/src", "usr/games",
)  # fmt: skip
PYTHON = tuple(
    f"usr/lib/python3.*/{name}"
    for name in (
        *("test", "idlelib", "turtledemo", "tkinter", "ensurepip", "pydoc_data", "lib2to3", "turtle.py", "venv"),
        *("lib-dynload/_test*", "lib-dynload/xx*", "lib-dynload/_tkinter*", "config-3.*"),
    )
)
LARGE = (
    "usr/lib/*/gconv/EUC*", "usr/lib/*/gconv/IBM*", "usr/lib/*/gconv/libJIS*", "usr/lib/*/gconv/libCNS*",
    "usr/lib/*/gconv/BIG5*", "usr/lib/*/gconv/GB*", "usr/lib/*/gconv/JOHAB*", "usr/lib/*/gconv/TSCII*",
    "usr/lib/udev/hwdb.bin", "usr/lib/udev/hwdb.d", "etc/udev/hwdb.bin", "usr/share/misc/pci.ids",
    "usr/lib/file", "usr/share/file", "usr/share/misc/magic*",
    "usr/share/sounds", "usr/share/asterisk/moh/*.alaw", "usr/sbin/rpc*",
)  # fmt: skip
"""Character sets, names of hardware and kinds of files that nothing here looks up."""
ASTERISK = tuple(
    f"usr/lib/*/asterisk/modules/{name}.so"
    for name in (
        *("res_snmp", "res_config_pgsql", "res_config_ldap", "cdr_pgsql", "cel_pgsql", "cdr_tds", "cel_tds"),
        *(
            "res_config_odbc",
            "res_odbc",
            "res_odbc_transaction",
            "func_odbc",
            "cdr_odbc",
            "cel_odbc",
            "cdr_adaptive_odbc",
        ),
        *("cdr_radius", "cel_radius", "res_corosync", "app_minivm", "res_xmpp", "chan_motif", "codec_codec2"),
        *("res_config_mysql", "app_mysql", "cdr_mysql", "chan_ooh323", "res_resolver_unbound", "res_geolocation"),
        *("chan_unistim", "chan_skinny", "chan_mgcp", "chan_mobile", "pbx_lua", "format_vox"),
    )
)
"""Modules that no file of ours loads (``autoload = no``); their libraries would be half of all others."""
PRIVATE = (
    "etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "etc/*-",
    "etc/.pwd.lock", "etc/ssl/private/*", "var/backups", "root/.*",
)  # fmt: skip
"""What must be each box's own, or nobody's."""
EVERYTHING = (*PACKAGE_MANAGEMENT, *PERL, *UNREAD, *PYTHON, *LARGE, *ASTERISK, *PRIVATE)


def cut(root: Path, patterns: tuple[str, ...] = EVERYTHING) -> int:
    """Remove from ``root``; how many names were there. Never follows a link."""
    found = sorted({path for pattern in patterns for path in root.glob(pattern)}, reverse=True)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
    return len(found)


def setuid(root: Path) -> list[Path]:
    """Take the set-user-id bit from every program: nobody on a box becomes root by one. What had it."""
    had = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if not path.is_symlink() and mode & 0o6000:
                path.chmod(mode & 0o1777)
                had.append(path.relative_to(root))
    return sorted(had)


def caches(root: Path) -> None:
    """What would be made at the first start from what the image has anyway."""
    for name in ("etc/.updated", "var/.updated"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# The image is whole as it is: nothing is to be brought up to date at a first start.\n")
