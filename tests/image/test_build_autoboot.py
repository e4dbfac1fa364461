"""autoboot.txt as the Raspberry Pi's loader reads it."""

import pytest

from ramal.core import slots
from ramal_image import ImageError, autoboot
from ramal_image.autoboot import Choice


def test_what_the_image_ships_is_one_sector_that_boots_a_and_tries_b() -> None:
    text = autoboot.text(Choice(usual=2, tried=3))
    assert len(text) == autoboot.SIZE
    assert autoboot.read(text) == Choice(usual=2, tried=3)


def test_the_image_ships_what_the_box_itself_would_write() -> None:
    assert autoboot.text(Choice(usual=2, tried=3)) == slots.render_autoboot("A")


def test_the_boxs_own_writer_is_read_as_it_was_meant() -> None:
    assert autoboot.read(slots.render_autoboot("A")) == Choice(usual=2, tried=3)
    assert autoboot.read(slots.render_autoboot("B")) == Choice(usual=3, tried=2)
    assert len(slots.render_autoboot("B")) == autoboot.SIZE


def test_without_a_tryboot_section_a_try_boots_what_is_usual() -> None:
    assert autoboot.read(b"[all]\nboot_partition=3\n") == Choice(usual=3, tried=3)


def test_lines_before_any_section_count_for_all_and_comments_for_nothing() -> None:
    assert autoboot.read(b"boot_partition=2\n#boot_partition=9\n[tryboot]\nboot_partition=3\n") == Choice(2, 3)


def test_the_last_value_of_a_section_counts() -> None:
    assert autoboot.read(b"[all]\nboot_partition=2\nboot_partition=3\n") == Choice(3, 3)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 512, b"#" * 512, b"[tryboot]\nboot_partition=3\n", b"[all]\nboot_partition=x\n"]
)
def test_a_file_that_names_no_partition_boots_nothing(data: bytes) -> None:
    with pytest.raises(ImageError):
        autoboot.read(data)


def test_a_sector_torn_between_two_texts_never_boots_a_partition_that_neither_named() -> None:
    old, new = autoboot.text(Choice(2, 3)), autoboot.text(Choice(3, 2))
    for at in range(autoboot.SIZE + 1):
        torn = autoboot.read(new[:at] + old[at:])
        assert {torn.usual, torn.tried} <= {2, 3}
