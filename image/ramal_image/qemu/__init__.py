"""A box in QEMU: the machine, the Raspberry Pi's loader in front of it, and a disk that loses what was not flushed."""
