"""The arrows of ARCHITECTURE 2, read from the source: who may import whom, and what the pure core may import at all."""

import ast
import graphlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"ramal": ROOT / "firmware", "ramal_web": ROOT / "web", "ramal_hw": ROOT / "hw"}

# What a pure module may take from the standard library: values and functions of values. Nothing that waits, reads a
# clock, touches a file or a socket, logs, or draws a random number.
VALUE_MODULES = frozenset(
    {
        *("__future__", "abc", "array", "base64", "binascii", "bisect", "calendar", "collections", "collections.abc"),
        *("contextlib", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools"),
        *("graphlib", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math", "numbers", "operator"),
        *("re", "statistics", "string", "struct", "textwrap", "tomllib", "types", "typing", "unicodedata"),
        *("urllib.parse", "warnings", "zoneinfo"),
    }
)
# Packages of data and functions of values; their only files are their own tables and words.
PURE_PACKAGES = frozenset({"holidays", "phonenumbers", "tomli_w"})
CONSTANTS = frozenset({"sys.byteorder", "sys.maxsize"})

# Of the whole project, what each closed part may import beside itself. The longest name that fits a module counts.
ARROWS: Mapping[str, frozenset[str]] = {
    "ramal.errors": frozenset(),
    "ramal.core": frozenset({"ramal.errors"}),
    "ramal.provide": frozenset({"ramal.errors"}),
    "ramal.provision": frozenset({"ramal.core", "ramal.errors"}),
    **dict.fromkeys(
        ("ramal.ami", "ramal.asterisk", "ramal.store", "ramal.control", "ramal.virtual"),
        frozenset({"ramal.core", "ramal.errors", "ramal.provide"}),
    ),
    "ramal.engine": frozenset({"ramal.core", "ramal.errors", "ramal.notify"}),
    "ramal.notify": frozenset({"ramal.errors"}),
    "ramal.ops": frozenset(
        {
            *("ramal.core", "ramal.errors", "ramal.control", "ramal.store", "ramal.ami", "ramal.asterisk"),
            *("ramal.box.home", "ramal.box.image", "ramal.provision", "ramal.vault", "ramal.backup_first"),
        }
    ),
    "ramal.backup_first": frozenset({"ramal.control", "ramal.errors"}),
    # Recordings' files. The page opens them by itself, so that the daemon need not live.
    "ramal.vault": frozenset({"ramal.core", "ramal.errors", "ramal.store", "ramal.provide", "ramal.box.home"}),
    # Only names of files: the page's process must find the database and the daemon's socket.
    "ramal.box.home": frozenset({"ramal.errors"}),
    "ramal.box.image": frozenset(),
    "ramal.box.addresses": frozenset({"ramal.core", "ramal.errors"}),
    "ramal_hw": frozenset({"ramal.core.events", "ramal.core.commands", "ramal.errors"}),
    "ramal_web": frozenset(
        {
            "ramal.control.client",
            "ramal.store.read",
            "ramal.core",
            "ramal.errors",
            "ramal.box.addresses",
            "ramal.box.home",
            "ramal.vault.sound",
        }
    ),
}
# The composition root sees everything: the modules right below ramal (app, cli, what wires an edge to the engine), and
# the box. No closed part may import them.


def below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def modules() -> dict[str, Path]:
    found = {}
    for package, source in SOURCES.items():
        for path in sorted((source / package).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(module: str, path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions and for types only."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # ``from ramal.core import ids`` imports a module, ``from ramal.core.ids import CallId`` a name in one.
                whole = f"{origin}.{alias.name}"
                yield node.lineno, whole if whole in MODULES or whole in sys.stdlib_module_names else origin


def uses_of_sys(path: Path) -> set[str]:
    attributes = (node for node in ast.walk(ast.parse(path.read_text(), path)) if isinstance(node, ast.Attribute))
    return {f"sys.{use.attr}" for use in attributes if isinstance(use.value, ast.Name) and use.value.id == "sys"}


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in SOURCES


def part_of(module: str) -> str | None:
    """The closed part a module belongs to; None for the composition root."""
    return max((part for part in ARROWS if below(module, part)), key=len, default=None)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    part = part_of(module)
    if part is None:
        assert module == "ramal" or below(module, "ramal.box") or module.count(".") == 1, "a part without arrows"
        return
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"
        for line, name in imports(module, MODULES[module])
        if is_ours(name) and not below(name, part) and not any(below(name, allowed) for allowed in ARROWS[part])
    ]
    assert not wrong, f"{part} may import itself and {', '.join(sorted(ARROWS[part])) or 'nothing of ours'}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if below(name, "ramal.core")))
def test_the_core_imports_only_values(module: str) -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"
        for line, name in imports(module, MODULES[module])
        if not is_ours(name) and name not in VALUE_MODULES and name.partition(".")[0] not in PURE_PACKAGES
        if not (name == "sys" and uses_of_sys(MODULES[module]) <= CONSTANTS)
    ]
    assert not wrong


def test_the_set_up_imports_only_the_standard_library() -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"
        for module in MODULES
        if below(module, "ramal.provide")
        for line, name in imports(module, MODULES[module])
        if not is_ours(name) and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert not wrong


def test_the_set_up_runs_on_a_python_without_any_package() -> None:
    # -S: no site-packages at all, as on a fresh Debian.
    code = f"import sys; sys.path.insert(0, {str(SOURCES['ramal'])!r}); import ramal.provide.__main__"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {name for _, name in imports(module, path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_every_part_of_the_map_of_arrows_is_a_part_of_the_project() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(SOURCES)
    assert {".".join(name.split(".")[:2]) for name in MODULES if below(name, "ramal")} >= {
        "ramal.core",
        "ramal.provide",
    }


def test_no_file_names_a_package_registry() -> None:
    hosts = registry_hosts()
    assert hosts, "apt, pip and npm tell no host at all: this test would see nothing"
    named = re.compile("|".join(re.escape(host) for host in sorted(hosts)).encode())
    wrong = []
    for path in project_files():
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if named.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong, "the machine's own configuration says where packages come from; the project never does"


def project_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    paths = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def registry_hosts() -> set[str]:
    """The hosts in this machine's own apt, pip and npm settings, and pip's built-in ones."""
    told = []
    for command in (["apt-get", "indextargets", "--format", "$(REPO_URI)"], ["apt-get", "--print-uris", "update"]):
        told.append(output(command))
    told.append(output([sys.executable, "-m", "pip", "config", "list"]))
    told.append(output(["npm", "config", "get", "registry"]))
    built_in = (
        "import json; from pip._internal.models.index import PyPI; "
        "print(json.dumps([PyPI.url, f'https://{PyPI.file_storage_domain}/']))"
    )
    told += json.loads(output([sys.executable, "-c", built_in]) or "[]")
    hosts = {urlsplit(url).hostname or "" for text in told for url in re.findall(r"\bhttps?://[^\s'\"]+", text)}
    return {host for host in hosts if "." in host and not host.startswith("127.")}


def output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except FileNotFoundError:
        return ""
