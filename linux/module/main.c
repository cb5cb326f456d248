// SPDX-License-Identifier: GPL-2.0
/*
 * Standstill: a firmware that turns every core off before the next kernel runs.
 *
 * On a panic this module has the firmware stop all other cores, those that no
 * interrupt of the kernel reaches included. It also shows where each core was
 * when it was stopped by force: see core.c.
 */
#define pr_fmt(fmt) "standstill: " fmt

#include <linux/device.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/panic_notifier.h>
#include <linux/platform_device.h>

#include "standstill.h"

static int standstill_panic(struct notifier_block *nb, unsigned long event, void *message)
{
	unsigned long count = 0;
	long status;

	status = stop_others(STOP_KIND_CRASH, STOP_PATIENCE, &count);
	if (status == STOP_SUCCESS)
		pr_emerg("every other core is off; %lu stopped by force\n", count);
	else if (status == STOP_TIMEOUT)
		pr_emerg("%lu cores could not be stopped in time\n", count);
	else
		pr_emerg("the firmware refuses to stop the other cores: %ld\n", status);
	return NOTIFY_DONE;
}

static struct notifier_block panic_notifier = {
	.notifier_call = standstill_panic,
	/* What runs after this should find the machine quiet. */
	.priority = INT_MAX,
};

static void standstill_undo(void *unused)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_notifier);
	cores_destroy();
}

static int standstill_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	const char *method;
	int err;

	err = of_property_read_string(dev->of_node, "method", &method);
	if (err || strcmp(method, "smc"))
		return dev_err_probe(dev, -EINVAL, "no method \"smc\" in the device tree\n");
	err = stop_probe();
	if (err)
		return dev_err_probe(dev, err, "the firmware is not the one in the device tree\n");

	err = cores_create();
	if (err)
		return err;
	atomic_notifier_chain_register(&panic_notifier_list, &panic_notifier);
	return devm_add_action_or_reset(dev, standstill_undo, NULL);
}

static const struct of_device_id standstill_of_match[] = {
	{ .compatible = "standstill,stop-1.0" },
	{ }
};
MODULE_DEVICE_TABLE(of, standstill_of_match);

static struct platform_driver standstill_driver = {
	.driver = {
		.name = "standstill",
		.of_match_table = standstill_of_match,
		.suppress_bind_attrs = true,
	},
	.probe = standstill_probe,
};
module_platform_driver(standstill_driver);

MODULE_DESCRIPTION("Standstill: stops every core on a panic, and tells where it was");
MODULE_LICENSE("GPL");
