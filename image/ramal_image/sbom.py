"""What is in an image: every Debian and Python package with its version and licence, as SPDX 2.3.

PURE but for ``of_root``, which reads the finished root before it is cut. Licences are those that Debian's copyright
files and the wheels' own records name; what they do not say in a known form is left as they put it.
"""

import email.parser
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

KNOWN: Mapping[str, str] = {
    "expat": "MIT", "mit": "MIT", "mit/x11": "MIT", "x11": "X11", "isc": "ISC", "zlib": "Zlib",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause", "bsd": "BSD-3-Clause", "apache-2.0": "Apache-2.0",
    "apache-2": "Apache-2.0", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only", "gpl-2.0": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later", "gpl-2.0+": "GPL-2.0-or-later", "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later",
    "gpl-3.0+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.0+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
    "mpl-2.0": "MPL-2.0", "cc0-1.0": "CC0-1.0", "cc0": "CC0-1.0", "psf-2": "PSF-2.0", "python-2.0": "Python-2.0",
    "artistic-2.0": "Artistic-2.0", "cc-by-sa-3.0": "CC-BY-SA-3.0", "unlicense": "Unlicense", "openssl": "OpenSSL",
}  # fmt: skip
"""Names as Debian and Python authors write them (small letters), and SPDX's."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One package. ``kind``: deb or pypi; ``licences``: as its own papers name them, sorted."""

    kind: str
    name: str
    version: str
    arch: str
    licences: tuple[str, ...]
    home: str = ""

    @property
    def url(self) -> str:
        """A package URL: names a package without naming where it came from."""
        if self.kind == "deb":
            return f"pkg:deb/debian/{self.name}@{self.version.replace(':', '%3A').replace('+', '%2B')}?arch={self.arch}"
        return f"pkg:pypi/{self.name.lower().replace('_', '-')}@{self.version}"


def licences(copyright_file: str) -> tuple[str, ...]:
    """The short names in a copyright file of the machine-readable form; empty when it has another."""
    found: set[str] = set()
    for line in re.findall(r"^License:[ \t]*(\S[^\n]*)$", copyright_file, re.MULTILINE):
        for name in re.split(r"[,\s]+(?:and|or)[,\s]+|,\s*", line.strip(), flags=re.IGNORECASE):
            short = re.sub(r"\s+with\s+.*", "", name.strip(), flags=re.IGNORECASE)
            if short and len(short) <= 60:
                found.add(short)
    return tuple(sorted(found))


def expression(names: Iterable[str]) -> str:
    """An SPDX expression: all of them hold for some of the files."""
    ids = sorted({KNOWN.get(name.lower(), f"LicenseRef-{_word(name)}") for name in names})
    return " AND ".join(ids) or "NOASSERTION"


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "unnamed"


def paragraphs(status: str) -> list[dict[str, str]]:
    """dpkg's status (or control) file: its paragraphs, fields of one line only."""
    found = []
    for block in re.split(r"\n\s*\n", status.strip()):
        pairs = (line.partition(":") for line in block.splitlines() if line[:1] not in (" ", "\t"))
        fields = {key: value.strip() for key, colon, value in pairs if colon}
        if "Package" in fields:
            found.append(fields)
    return found


def of_root(root: Path) -> list[Part]:
    """Every package of a root that still has its records."""
    blocks = paragraphs((root / "var/lib/dpkg/status").read_text(errors="replace"))
    for file in sorted((root / "var/lib/ramal-image").glob("*.control")):
        blocks += paragraphs(file.read_text(errors="replace"))
    parts = []
    for block in blocks:
        name = block["Package"]
        words = licences(_copyright(root, name))
        parts.append(Part("deb", name, block["Version"], block["Architecture"], words, block.get("Homepage", "")))
    for file in sorted(root.glob("opt/ramal/lib/python3.*/site-packages/*.dist-info/METADATA")):
        about = email.parser.HeaderParser().parsestr(file.read_text(errors="replace"))
        said = (
            about.get("License-Expression")
            or _of_classifiers(about.get_all("Classifier", []))
            or about.get("License", "")
        )
        words = tuple(sorted(filter(None, re.split(r"\s+(?:AND|OR)\s+", said.splitlines()[0] if said else ""))))
        parts.append(Part("pypi", about["Name"], about["Version"], "all", words, about.get("Home-page") or ""))
    return sorted(parts)


def _copyright(root: Path, name: str) -> str:
    folder = root / "usr/share/doc" / name
    for _ in range(4):  # a package's folder is often a link to another's
        if not folder.is_symlink():
            break
        target = folder.readlink()
        folder = root / target.relative_to("/") if target.is_absolute() else folder.parent / target
    file = folder / "copyright"
    return file.read_text(errors="replace") if file.is_file() else ""


def _of_classifiers(lines: Iterable[str]) -> str:
    names = {"MIT License": "MIT", "BSD License": "BSD", "Apache Software License": "Apache-2.0",
             "Python Software Foundation License": "PSF-2", "ISC License (ISCL)": "ISC"}  # fmt: skip
    ends = [line.rpartition(" :: ")[2] for line in lines if line.startswith("License ::")]
    return " AND ".join(names.get(end, end) for end in ends if end != "OSI Approved")


def document(parts: Iterable[Part], version: str, arch: str, created: str) -> dict[str, object]:
    """The SPDX document; ``created`` as 2026-11-22T17:00:00Z. Names no source of any package."""
    everything = sorted(parts)
    packages = []
    refs: dict[str, str] = {}
    for part in everything:
        refs |= {f"LicenseRef-{_word(name)}": name for name in part.licences if name.lower() not in KNOWN}
        packages.append(
            {
                "SPDXID": _id(part),
                "name": part.name,
                "versionInfo": part.version,
                "downloadLocation": "NOASSERTION",
                "homepage": part.home or "NOASSERTION",
                "filesAnalyzed": False,
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": expression(part.licences),
                "copyrightText": "NOASSERTION",
                "externalRefs": [
                    {
                        "referenceCategory": "PACKAGE-MANAGER",
                        "referenceType": "purl",
                        "referenceLocator": part.url,
                    }
                ],
            }
        )
    digest = hashlib.sha256("\n".join(part.url for part in everything).encode()).hexdigest()[:32]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"ramal-{version}-{arch}",
        "documentNamespace": f"urn:ramal:image:{arch}:{version}:{digest}",
        "creationInfo": {"created": created, "creators": ["Tool: ramal_image"]},
        "packages": packages,
        "hasExtractedLicensingInfos": [
            {"licenseId": ref, "name": name, "extractedText": f"As named by the package itself: {name}"}
            for ref, name in sorted(refs.items())
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": str(package["SPDXID"]),
            }
            for package in packages
        ],
    }


def _id(part: Part) -> str:
    return f"SPDXRef-{part.kind}-{_word(part.name)}"


def text(parts: Iterable[Part], version: str, arch: str, created: str) -> str:
    """The document as a file."""
    return json.dumps(document(parts, version, arch, created), indent=1, sort_keys=True) + "\n"
