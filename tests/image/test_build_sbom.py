"""The list of parts that comes with every image."""

import json
from pathlib import Path

from ramal_image import sbom
from ramal_image.sbom import Part

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: GPL-2+ with OpenSSL exception

Files: lib/*
License: Expat or BSD-3-clause
 The text of it.

License: Some odd one
 Text.
"""


def _root(tmp_path: Path) -> Path:
    docs = tmp_path / "usr/share/doc"
    (docs / "asterisk").mkdir(parents=True)
    (docs / "asterisk/copyright").write_text(COPYRIGHT)
    (docs / "asterisk-modules").symlink_to("asterisk")
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: asterisk\nStatus: install ok installed\nVersion: 1:22.10.1-1\nArchitecture: amd64\n"
        "Description: a\n more: b\n\nPackage: asterisk-modules\nVersion: 1:22.10.1-1\nArchitecture: amd64\n"
    )
    beside = tmp_path / "var/lib/ramal-image/linux.control"
    beside.parent.mkdir(parents=True)
    beside.write_text("Package: linux-binary\nVersion: 7.2\nArchitecture: amd64\n")
    wheel = tmp_path / "opt/ramal/lib/python3.14/site-packages/flask-3.1.3.dist-info/METADATA"
    wheel.parent.mkdir(parents=True)
    wheel.write_text("Metadata-Version: 2.4\nName: Flask\nVersion: 3.1.3\nLicense-Expression: BSD-3-Clause\n\ntext\n")
    return tmp_path


def test_every_package_is_listed_with_version_and_licence(tmp_path: Path) -> None:
    parts = {part.name: part for part in sbom.of_root(_root(tmp_path))}
    assert sorted(parts) == ["Flask", "asterisk", "asterisk-modules", "linux-binary"]
    assert parts["asterisk"].version == "1:22.10.1-1"
    assert parts["asterisk-modules"].licences == parts["asterisk"].licences
    assert parts["Flask"].licences == ("BSD-3-Clause",)


def test_licences_are_read_from_a_copyright_file_and_named_as_spdx_does() -> None:
    names = sbom.licences(COPYRIGHT)
    assert names == ("BSD-3-clause", "Expat", "GPL-2+", "Some odd one")
    assert sbom.expression(names) == "BSD-3-Clause AND GPL-2.0-or-later AND LicenseRef-Some-odd-one AND MIT"
    assert sbom.expression(()) == "NOASSERTION"


def test_the_document_is_the_same_for_the_same_parts_and_every_reference_is_explained(tmp_path: Path) -> None:
    parts = sbom.of_root(_root(tmp_path))
    text = sbom.text(parts, "1.0", "amd64", "2026-11-22T17:00:00Z")
    assert text == sbom.text(reversed(parts), "1.0", "amd64", "2026-11-22T17:00:00Z")
    document = json.loads(text)
    assert document["spdxVersion"] == "SPDX-2.3"
    ids = [package["SPDXID"] for package in document["packages"]]
    assert len(ids) == len(set(ids)) == 4
    explained = {one["licenseId"] for one in document["hasExtractedLicensingInfos"]}
    used = {
        word for one in document["packages"] for word in one["licenseDeclared"].split() if word.startswith("LicenseRef")
    }
    assert used == explained
    assert all(one["versionInfo"] for one in document["packages"])


def test_no_part_names_where_it_was_downloaded(tmp_path: Path) -> None:
    document = sbom.document(sbom.of_root(_root(tmp_path)), "1.0", "amd64", "2026-11-22T17:00:00Z")
    packages = document["packages"]
    assert isinstance(packages, list)
    assert {one["downloadLocation"] for one in packages} == {"NOASSERTION"}


def test_a_package_url_escapes_what_a_version_may_hold() -> None:
    part = Part("deb", "asterisk", "1:22+x", "amd64", ())
    assert part.url == "pkg:deb/debian/asterisk@1%3A22%2Bx?arch=amd64"
