/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Standstill's vendor calls, as this module uses them (docs/abi.md).
 */
#ifndef STANDSTILL_H
#define STANDSTILL_H

#include <linux/build_bug.h>
#include <linux/types.h>

struct device_node;

/* STOP_VERSION's major version in bits 31:16 */
#define STOP_VERSION_MAJOR	1

/* PSCI's numbers, and one more */
#define STOP_SUCCESS		0
#define STOP_DENIED		(-3)
#define STOP_NOT_PRESENT	(-7)
#define STOP_TIMEOUT		(-16)

/* How long a stop may take, in microseconds: as long as the kernel's own stop waits for its IPIs */
#define STOP_PATIENCE		1000000

enum stop_kind {
	STOP_KIND_STOP = 1,
	STOP_KIND_RESET,
	STOP_KIND_OFF,
	STOP_KIND_CRASH,
	STOP_KIND_LATE,		/* in a record only: the core came after its stop had timed out */
};

enum stop_state {
	STOP_STATE_ON,
	STOP_STATE_OFF,
	STOP_STATE_ON_PENDING,
};

struct stop_status {
	enum stop_state state;
	bool condemned;		/* a stop is under way, or timed out */
	u64 reason;		/* enum stop_kind, 0: never stopped by force */
	u64 epoch;		/* of that stop */
};

struct stop_bank {
	u64 esr, far, elr, spsr, vbar, sctlr, tcr, ttbr0, ttbr1, contextidr, tpidr;
};

/* A stop record, version 1: where a core was when it was stopped by force */
struct stop_record {
	u64 magic;
	u32 version;
	u32 size;
	u64 reason;
	u64 epoch;
	u64 mpidr;
	u64 timestamp;
	u64 origin;		/* exception level in bits 1:0 */
#define STOP_ORIGIN_AARCH32	BIT(8)
	u64 x[31];
	u64 sp_el0, sp_el1, sp_el2;
	u64 pc;
	u64 pstate;
	struct stop_bank el1, el2;
	u64 hcr_el2, vttbr_el2;
};

static_assert(sizeof(struct stop_record) == 67 * sizeof(u64));

#define STOP_RECORD_MAGIC	0x31434552504f5453ULL	/* "STOPREC1" */
#define STOP_RECORD_VERSION	1

/* firmware.c: 0 or a negative errno, unless said otherwise */
int stop_probe(void);
long stop_others(enum stop_kind kind, u32 usecs, unsigned long *count);
int stop_one(u64 mpidr, u32 usecs);
int stop_read_status(u64 mpidr, struct stop_status *status);
int stop_read_record(u64 mpidr, struct stop_record *record);

/* core.c */
int cores_create(void);
void cores_destroy(void);

#endif
