// SPDX-License-Identifier: GPL-2.0
/*
 * The firmware's calls.
 */
#include <linux/arm-smccc.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "standstill.h"

/* Vendor-specific EL3 monitor */
#define STOP_OWNER	7
#define STOP_CALL(bits, nr)						\
	ARM_SMCCC_CALL_VAL(ARM_SMCCC_FAST_CALL, ARM_SMCCC_SMC_##bits,	\
			   STOP_OWNER, nr)

#define STOP_VERSION	STOP_CALL(64, 0)
#define STOP_OTHERS	STOP_CALL(64, 2)
#define STOP_ONE	STOP_CALL(64, 3)
#define STOP_STATUS	STOP_CALL(64, 4)
#define STOP_RECORD	STOP_CALL(64, 5)
#define STOP_UID	STOP_CALL(32, 0xff01)

#define STATUS_STATE		GENMASK(7, 0)
#define STATUS_CONDEMNED	BIT(8)

/* Words that STOP_RECORD returns at a time, in x2 to x17 */
#define RECORD_WORDS	16

static long stop_call(u32 id, u64 a1, u64 a2, struct arm_smccc_1_2_regs *res)
{
	const struct arm_smccc_1_2_regs args = { .a0 = id, .a1 = a1, .a2 = a2 };

	arm_smccc_1_2_smc(&args, res);
	return (long)res->a0;
}

static int stop_errno(long status)
{
	switch (status) {
	case STOP_SUCCESS:
		return 0;
	case STOP_DENIED:
		return -EBUSY;
	case STOP_NOT_PRESENT:
		return -ENODATA;
	case STOP_TIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EINVAL;
	}
}

/* Asks whether the firmware is the one that the device tree promised. */
int stop_probe(void)
{
	static const u32 uid[] = { 0x6e7db58a, 0x0c4f3c4d, 0x5d5a1e9b, 0xf153776c };
	struct arm_smccc_1_2_regs res;
	long version;

	stop_call(STOP_UID, 0, 0, &res);
	if ((u32)res.a0 != uid[0] || (u32)res.a1 != uid[1] ||
	    (u32)res.a2 != uid[2] || (u32)res.a3 != uid[3])
		return -ENODEV;

	version = stop_call(STOP_VERSION, 0, 0, &res);
	if (version < 0 || version >> 16 != STOP_VERSION_MAJOR)
		return -ENODEV;
	return 0;
}

/*
 * Turns every other core off. Returns the firmware's answer; *@count is how
 * many were stopped, or on a timeout how many are left. Does not return if
 * another core's stop is first, or more urgent.
 */
long stop_others(enum stop_kind kind, u32 usecs, unsigned long *count)
{
	struct arm_smccc_1_2_regs res;
	long status;

	status = stop_call(STOP_OTHERS, kind, usecs, &res);
	*count = res.a1;
	return status;
}

int stop_one(u64 mpidr, u32 usecs)
{
	struct arm_smccc_1_2_regs res;

	return stop_errno(stop_call(STOP_ONE, mpidr, usecs, &res));
}

int stop_read_status(u64 mpidr, struct stop_status *status)
{
	struct arm_smccc_1_2_regs res;
	int err;

	err = stop_errno(stop_call(STOP_STATUS, mpidr, 0, &res));
	if (err)
		return err;
	status->state = res.a1 & STATUS_STATE;
	status->condemned = res.a1 & STATUS_CONDEMNED;
	status->reason = res.a2;
	status->epoch = res.a3;
	return 0;
}

static int read_record_once(u64 mpidr, struct stop_record *record)
{
	u64 *words = (u64 *)record;
	size_t total = sizeof(*record) / sizeof(u64);
	struct arm_smccc_1_2_regs res;
	size_t done, count;
	int err;

	for (done = 0; done < total; done += count) {
		err = stop_errno(stop_call(STOP_RECORD, mpidr, done, &res));
		if (err)
			return err;
		count = min3((size_t)res.a1, (size_t)RECORD_WORDS, total - done);
		if (!count)
			return -EPROTO;
		memcpy(words + done, &res.a2, count * sizeof(u64));
	}
	if (record->magic != STOP_RECORD_MAGIC || record->version != STOP_RECORD_VERSION)
		return -EPROTO;
	return 0;
}

/* -ENODATA if the core was never stopped by force. */
int stop_read_record(u64 mpidr, struct stop_record *record)
{
	struct stop_status after;
	int attempt, err;

	/* Another stop may write the record while it is read. */
	for (attempt = 0; attempt < 3; attempt++) {
		err = read_record_once(mpidr, record);
		if (!err)
			err = stop_read_status(mpidr, &after);
		if (err || record->epoch == after.epoch)
			return err;
	}
	return -EAGAIN;
}
