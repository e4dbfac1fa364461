"""Where things lie in the image file."""

from pathlib import Path

from ramal_image import layout

INITRAMFS = Path(__file__).parents[2] / "image/initramfs"


def test_partitions_follow_each_other_without_overlap_and_end_before_the_second_table() -> None:
    end = layout.MIB
    for part in layout.PARTITIONS:
        assert part.start >= end, part.name
        end = part.start + part.size
    assert end + layout.MIB <= layout.IMAGE_BYTES


def test_the_sector_that_says_whether_data_was_made_lies_in_no_partition() -> None:
    for part in layout.PARTITIONS:
        assert not part.start <= layout.STATE_OFFSET < part.start + part.size, part.name


def test_the_initramfs_reads_and_writes_that_very_sector() -> None:
    script = (INITRAMFS / "data").read_text()
    assert f"STATE_MIB={layout.STATE_OFFSET // layout.MIB} " in script
    assert layout.STATE_OFFSET % layout.MIB == 0
    assert layout.STATE_NEW.decode() in script
    assert layout.STATE_MADE.decode() in script


def test_the_state_is_one_sector_and_its_first_word_is_the_state() -> None:
    sector = layout.state_sector(layout.STATE_NEW)
    assert len(sector) == layout.SECTOR
    assert sector.split(b" ")[0] == layout.STATE_NEW


def test_both_slots_are_equally_large() -> None:
    assert layout.BOOT_A.size == layout.BOOT_B.size
    assert layout.ROOT_A.size == layout.ROOT_B.size


def test_fat_partitions_have_enough_clusters_to_be_fat32_for_every_loader() -> None:
    fats = [part for part in layout.PARTITIONS if part.sectors_per_cluster]
    assert [part.number for part in fats] == [1, 2, 3]
    for part in fats:
        assert layout.clusters(part) >= layout.FAT32_LEAST_CLUSTERS, part.name


def test_sfdisk_gets_every_partition_at_its_place_with_a_number_of_the_release() -> None:
    script = layout.sfdisk_script("1.2.3", "arm64")
    for part in layout.PARTITIONS:
        line = next(line for line in script.splitlines() if line.endswith(f"name={part.name}"))
        assert f"start={part.start // 512}, size={part.size // 512}," in line
        assert layout.guid("1.2.3", "arm64", part.name) in line
    assert script == layout.sfdisk_script("1.2.3", "arm64")
    assert script != layout.sfdisk_script("1.2.4", "arm64")
    assert script != layout.sfdisk_script("1.2.3", "amd64")


def test_the_whole_image_fits_a_card_of_four_gigabytes() -> None:
    assert layout.IMAGE_BYTES < 4_000_000_000 // 2
