// SPDX-License-Identifier: GPL-2.0
/*
 * Tells the Raspberry Pi's firmware to start the other slot once (tryboot), which Debian's kernel has no call for.
 *
 * /sys/module/ramal_tryboot/parameters/once: writing 1 sets the flag that the loader takes at the next start and
 * forgets, writing 0 takes it back; reading gives what the firmware says it has. An error when the firmware knows no
 * such flag: then nothing may be restarted in the hope of it.
 *
 * Loaded by udev where there is such a firmware, and nowhere else. It holds no state and starts nothing.
 */
#include <linux/kstrtox.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/of.h>
#include <linux/sysfs.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

/* Not in mainline's header; the numbers are those of the firmware's mailbox interface. */
#define GET_REBOOT_FLAGS 0x00030064
#define SET_REBOOT_FLAGS 0x00038064
#define TRYBOOT 1u

static struct rpi_firmware *firmware;

static int once_set(const char *text, const struct kernel_param *parameter)
{
	bool once;
	u32 flags;
	int error = kstrtobool(text, &once);

	if (error)
		return error;
	if (!firmware)
		return -ENODEV;
	flags = once ? TRYBOOT : 0;
	return rpi_firmware_property(firmware, SET_REBOOT_FLAGS, &flags, sizeof(flags));
}

static int once_get(char *text, const struct kernel_param *parameter)
{
	u32 flags = 0;
	int error;

	if (!firmware)
		return -ENODEV;
	error = rpi_firmware_property(firmware, GET_REBOOT_FLAGS, &flags, sizeof(flags));
	if (error)
		return error;
	return sysfs_emit(text, "%u\n", flags & TRYBOOT);
}

static const struct kernel_param_ops once_ops = { .set = once_set, .get = once_get };
module_param_cb(once, &once_ops, NULL, 0600);
MODULE_PARM_DESC(once, "1: the loader takes autoboot.txt's [tryboot] at the next start, once");

static int __init ramal_tryboot_init(void)
{
	struct device_node *node = rpi_firmware_find_node();

	if (!node)
		return -ENODEV;
	firmware = rpi_firmware_get(node);
	of_node_put(node);
	return firmware ? 0 : -ENODEV;
}

static void __exit ramal_tryboot_exit(void)
{
	rpi_firmware_put(firmware);
}

module_init(ramal_tryboot_init);
module_exit(ramal_tryboot_exit);

/* No driver: only so that udev loads this on a board with that firmware. */
static const struct of_device_id boards[] = { { .compatible = "raspberrypi,bcm2835-firmware" }, {} };
MODULE_DEVICE_TABLE(of, boards);

MODULE_DESCRIPTION("Start the other slot of a Raspberry Pi once");
MODULE_AUTHOR("Ramal");
MODULE_LICENSE("GPL");
