// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/firmware/standstill/cpu@MPIDR/: each core's state and stop record.
 *
 * The cores are those of the device tree, not those that this kernel may use: a
 * crash kernel often runs with nr_cpus=1, and wants to know about all of them.
 * Their names are the device tree's as well, since two kernels may number the
 * cores differently.
 */
#define pr_fmt(fmt) "standstill: " fmt

#include <asm/cputype.h>
#include <linux/cpu.h>
#include <linux/elfcore.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/of.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/version.h>

#include "standstill.h"

struct core {
	struct kobject kobj;
	struct list_head list;
	u64 mpidr;
	int cpu;		/* this kernel's number, negative if it does not use the core */
};

#define to_core(k) container_of(k, struct core, kobj)

static struct kobject *root;
static LIST_HEAD(cores);

/* ---- a word or two */

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[STOP_STATE_ON] = "on",
		[STOP_STATE_OFF] = "off",
		[STOP_STATE_ON_PENDING] = "on-pending",
	};
	struct stop_status status;
	int err;

	err = stop_read_status(to_core(kobj)->mpidr, &status);
	if (err)
		return err;
	if (status.state >= ARRAY_SIZE(names))
		return -EPROTO;
	return sysfs_emit(buf, "%s%s\n", names[status.state], status.condemned ? " condemned" : "");
}

static ssize_t last_stop_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[0] = "none",
		[STOP_KIND_STOP] = "stop",
		[STOP_KIND_RESET] = "reset",
		[STOP_KIND_OFF] = "off",
		[STOP_KIND_CRASH] = "crash",
		[STOP_KIND_LATE] = "late",
	};
	struct stop_status status;
	int err;

	err = stop_read_status(to_core(kobj)->mpidr, &status);
	if (err)
		return err;
	if (!status.reason)
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%s %llu\n",
			  status.reason < ARRAY_SIZE(names) ? names[status.reason] : "unknown",
			  status.epoch);
}

static ssize_t cpu_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_core(kobj)->cpu);
}

/* ---- stop */

static bool is_online(const struct core *core)
{
	return core->cpu >= 0 && cpu_online(core->cpu);
}

static int stop_under_kernel(const struct core *core)
{
	pr_warn("CPU%d is turned off by hand under this kernel, which will miss it\n", core->cpu);
	return stop_one(core->mpidr, STOP_PATIENCE);
}

static ssize_t stop_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			  size_t len)
{
	struct core *core = to_core(kobj);
	bool force = sysfs_streq(buf, "force");
	int err;

	if (!force && !sysfs_streq(buf, "1"))
		return -EINVAL;

	/* No waiting: hotplug may be stuck on the very core that is to be stopped. */
	if (!cpus_read_trylock())
		return -EBUSY;
	get_cpu();
	if (core->mpidr == (read_cpuid_mpidr() & MPIDR_HWID_BITMASK))
		err = -EINVAL;
	else if (!is_online(core))
		err = stop_one(core->mpidr, STOP_PATIENCE);
	else if (!force)
		err = -EBUSY;
	else
		err = stop_under_kernel(core);
	put_cpu();
	cpus_read_unlock();
	return err ?: len;
}

/* ---- the record, to read */

static int emit(char *buf, int at, const char *name, u64 value)
{
	return at + sysfs_emit_at(buf, at, "%s 0x%016llx\n", name, value);
}

static int emit_bank(char *buf, int at, const struct stop_bank *bank, int el)
{
	/* In the order of struct stop_bank. */
	static const char * const names[] = {
		"esr", "far", "elr", "spsr", "vbar", "sctlr", "tcr", "ttbr0", "ttbr1",
		"contextidr", "tpidr",
	};
	const u64 *value = (const u64 *)bank;
	char name[16];
	size_t i;

	static_assert(ARRAY_SIZE(names) * sizeof(u64) == sizeof(*bank));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "%s_el%d", names[i], el);
		at = emit(buf, at, name, value[i]);
	}
	return at;
}

static ssize_t registers_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct stop_record record;
	char name[8];
	int at = 0;
	int err, i;

	err = stop_read_record(to_core(kobj)->mpidr, &record);
	if (err)
		return err;
	at += sysfs_emit_at(buf, at, "from EL%u %s\n", (u32)record.origin & 3,
			    record.origin & STOP_ORIGIN_AARCH32 ? "AArch32" : "AArch64");
	at = emit(buf, at, "pc", record.pc);
	at = emit(buf, at, "pstate", record.pstate);
	for (i = 0; i < ARRAY_SIZE(record.x); i++) {
		snprintf(name, sizeof(name), "x%d", i);
		at = emit(buf, at, name, record.x[i]);
	}
	at = emit(buf, at, "sp_el0", record.sp_el0);
	at = emit(buf, at, "sp_el1", record.sp_el1);
	at = emit(buf, at, "sp_el2", record.sp_el2);
	at = emit_bank(buf, at, &record.el1, 1);
	at = emit_bank(buf, at, &record.el2, 2);
	at = emit(buf, at, "hcr_el2", record.hcr_el2);
	at = emit(buf, at, "vttbr_el2", record.vttbr_el2);
	at = emit(buf, at, "cntpct_el0", record.timestamp);
	return at;
}

/* ---- the record, as the note that a dump has for each core */

struct prstatus_note {
	struct elf_note head;
	char name[8];		/* "CORE", padded to a multiple of four bytes */
	struct elf_prstatus prstatus;
} __packed;	/* a note's parts are aligned to four bytes, not to eight */

static u64 stack_pointer(const struct stop_record *record)
{
	if (!(record->pstate & 1))	/* SPSel, and EL0 */
		return record->sp_el0;
	return (record->origin & 3) == 2 ? record->sp_el2 : record->sp_el1;
}

static void fill_note(struct prstatus_note *note, const struct stop_record *record)
{
	struct user_pt_regs regs = {
		.sp = stack_pointer(record),
		.pc = record->pc,
		.pstate = record->pstate,
	};

	BUILD_BUG_ON(sizeof(regs) != sizeof(note->prstatus.pr_reg));
	memcpy(regs.regs, record->x, sizeof(regs.regs));
	memset(note, 0, sizeof(*note));
	note->head.n_namesz = sizeof("CORE");
	note->head.n_descsz = sizeof(note->prstatus);
	note->head.n_type = NT_PRSTATUS;
	strscpy(note->name, "CORE", sizeof(note->name));
	memcpy(&note->prstatus.pr_reg, &regs, sizeof(regs));
}

#if KERNEL_VERSION(6, 16, 0) > LINUX_VERSION_CODE
#define const_attr
#else
#define const_attr const
#endif

static ssize_t note_read(struct file *file, struct kobject *kobj,
			 const_attr struct bin_attribute *attr, char *buf, loff_t pos, size_t count)
{
	struct core *core = to_core(kobj);
	struct prstatus_note note;
	struct stop_record record;
	int err;

	err = stop_read_record(core->mpidr, &record);
	if (err)
		return err;
	fill_note(&note, &record);
	return memory_read_from_buffer(buf, count, &pos, &note, sizeof(note));
}

/* ---- the directories */

static struct kobj_attribute state_attr = __ATTR_RO_MODE(state, 0444);
static struct kobj_attribute last_stop_attr = __ATTR_RO_MODE(last_stop, 0444);
static struct kobj_attribute cpu_attr = __ATTR_RO_MODE(cpu, 0444);
static struct kobj_attribute registers_attr = __ATTR_RO_MODE(registers, 0400);
static struct kobj_attribute stop_attr = __ATTR_WO(stop);

static struct attribute *core_attrs[] = {
	&state_attr.attr,
	&last_stop_attr.attr,
	&cpu_attr.attr,
	&registers_attr.attr,
	&stop_attr.attr,
	NULL
};

static const struct bin_attribute note_attr = {
	.attr = { .name = "note", .mode = 0400 },
	.size = sizeof(struct prstatus_note),
	.read = note_read,
};

ATTRIBUTE_GROUPS(core);

static void core_release(struct kobject *kobj)
{
	kfree(to_core(kobj));
}

static const struct kobj_type core_type = {
	.release = core_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = core_groups,
};

static int core_create(struct device_node *node)
{
	const __be32 *reg = of_get_property(node, "reg", NULL);
	struct core *core;
	int err;

	if (!reg)
		return -EINVAL;
	core = kzalloc(sizeof(*core), GFP_KERNEL);
	if (!core)
		return -ENOMEM;
	core->mpidr = of_read_number(reg, of_n_addr_cells(node));
	core->cpu = of_cpu_node_to_id(node);

	err = kobject_init_and_add(&core->kobj, &core_type, root, "cpu@%llx", core->mpidr);
	if (!err)
		err = sysfs_create_bin_file(&core->kobj, &note_attr);
	if (err) {
		kobject_put(&core->kobj);
		return err;
	}
	list_add_tail(&core->list, &cores);
	return 0;
}

void cores_destroy(void)
{
	struct core *core, *next;

	list_for_each_entry_safe(core, next, &cores, list)
		kobject_put(&core->kobj);
	INIT_LIST_HEAD(&cores);
	kobject_put(root);
}

int cores_create(void)
{
	struct device_node *node;
	int err;

	root = kobject_create_and_add("standstill", firmware_kobj);
	if (!root)
		return -ENOMEM;
	for_each_of_cpu_node(node) {
		err = core_create(node);
		if (err) {
			of_node_put(node);
			cores_destroy();
			return err;
		}
	}
	return 0;
}
