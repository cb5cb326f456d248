// SPDX-License-Identifier: GPL-2.0
/*
 * faultinject.ko - faults for tests of firmware (PSCI, SDEI) under an unmodified Linux
 *
 * /proc/rig commands (write one line):
 *   arm <pre|post> <bug|panic|spin|spinmasked|wfi|bugdelay:USEC> <cpu>   fault in CPU STARTING callback
 *   disarm
 *   wedge <cpu> <irq|all|wfi|wfe>   async IPI: cpu masks interrupts and never returns
 *   panic <cpu>              panic() on that cpu from an IPI (async)
 *   smc <a0> [a1..a6]        raw SMC on this cpu, result in dmesg
 *   smcon <cpu> <a0> ...     same on that cpu
 *   rawon <cpu> [spin|wfi|off|brk]   PSCI CPU_ON of an OFFLINE cpu to a raw loop outside Linux (MMU off)
 *   aff <cpu>                AFFINITY_INFO
 *   sysrestart <cpu>         emergency_restart() from that cpu's IPI
 */
#include <linux/module.h>
#include <linux/cpuhotplug.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/reboot.h>
#include <linux/panic.h>
#include <linux/arm-smccc.h>
#include <linux/version.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <asm/smp_plat.h>
#include <asm/cputype.h>
#include <asm/cacheflush.h>

/* before the GIC CPU interface is up; Linux 6.1 has no better one, and uses this for OS-initiated suspends only */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define PRE_STATE  CPUHP_AP_CPU_PM_STARTING
#else
#define PRE_STATE  CPUHP_AP_CACHECTRL_STARTING
#endif
#define POST_STATE CPUHP_AP_IRQ_HIP04_STARTING   /* after the GIC CPU interface is up  */

static int armed_cpu = -1, armed_pre;
static char armed_how[32];
static bool pre_set, post_set;

static noinline void stuck_all_masked(int how)
{
	asm volatile("msr daifset, #0xf" ::: "memory");
	for (;;) {
		if (how == 1)
			asm volatile("wfi" ::: "memory");
		else if (how == 2)
			asm volatile("wfe" ::: "memory");
		else
			asm volatile("yield" ::: "memory");
	}
}

static int rig_starting(unsigned int cpu, int pre)
{
	unsigned long us;

	if (armed_cpu != (int)cpu || armed_pre != pre)
		return 0;
	pr_emerg("rig: CPU%u fault '%s' in %s-GIC STARTING callback, online=%d irqs_disabled=%d\n",
		 cpu, armed_how, pre ? "pre" : "post", cpu_online(cpu), irqs_disabled());
	if (!strncmp(armed_how, "bugdelay:", 9)) {
		if (!kstrtoul(armed_how + 9, 0, &us)) {
			while (us > 1000) { udelay(1000); us -= 1000; }
			udelay(us);
		}
		BUG();
	}
	if (!strcmp(armed_how, "bug"))
		BUG();
	if (!strcmp(armed_how, "panic"))
		panic("rig: panic on starting CPU%u", cpu);
	if (!strcmp(armed_how, "wfi"))
		stuck_all_masked(1);
	if (!strcmp(armed_how, "spinmasked"))
		stuck_all_masked(0);
	for (;;)
		cpu_relax();
}
static int pre_cb(unsigned int cpu)  { return rig_starting(cpu, 1); }
static int post_cb(unsigned int cpu) { return rig_starting(cpu, 0); }

static void wedge_irq(void *x)  { local_irq_disable(); for (;;) cpu_relax(); }
static void wedge_all(void *x)  { stuck_all_masked(0); }
static void wedge_wfi(void *x)  { stuck_all_masked(1); }
static void wedge_wfe(void *x)  { stuck_all_masked(2); }
static void do_panic(void *x)   { panic("rig: panic on CPU%d", smp_processor_id()); }
static void do_restart(void *x) { emergency_restart(); }
static call_single_data_t rig_csd[NR_CPUS];

static int async_on(int cpu, smp_call_func_t fn)
{
	if (cpu < 0 || cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	INIT_CSD(&rig_csd[cpu], fn, NULL);
	return smp_call_function_single_async(cpu, &rig_csd[cpu]);
}

static bool use_hvc;
static void fwcall(unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
		   unsigned long a5, unsigned long a6, struct arm_smccc_res *r)
{
	if (use_hvc)
		arm_smccc_hvc(a0, a1, a2, a3, a4, a5, a6, 0, r);
	else
		arm_smccc_smc(a0, a1, a2, a3, a4, a5, a6, 0, r);
}

struct smcargs { unsigned long a[7]; };
static void do_smc(void *p)
{
	struct smcargs *s = p;
	struct arm_smccc_res r;

	fwcall(s->a[0], s->a[1], s->a[2], s->a[3], s->a[4], s->a[5], s->a[6], &r);
	pr_info("rig: smc cpu%d %lx(%lx,%lx,%lx,%lx,%lx,%lx) = %ld (%lx) %lx %lx %lx\n", smp_processor_id(),
		s->a[0], s->a[1], s->a[2], s->a[3], s->a[4], s->a[5], s->a[6], (long)r.a0, r.a0, r.a1, r.a2, r.a3);
}

static u64 rig_mpidr(int cpu)
{
	struct device_node *np = of_get_cpu_node(cpu, NULL);
	const __be32 *p = np ? of_get_property(np, "reg", NULL) : NULL;
	return p ? of_read_number(p, of_n_addr_cells(np)) & 0xff00ffffffULL : ~0ULL;
}

static u32 *raw;
static int raw_on(int cpu, const char *how)
{
	struct arm_smccc_res r;
	u32 insn = 0x14000000;				/* b . */

	if (!raw)
		raw = (u32 *)get_zeroed_page(GFP_KERNEL);
	if (!raw)
		return -ENOMEM;
	if (!strcmp(how, "wfi"))
		insn = 0xd503207f;
	if (!strcmp(how, "brk"))
		insn = 0xd4200000;
	raw[0] = 0xd50347df;				/* msr daifset, #7... replaced below */
	raw[0] = 0xd5034fdf;				/* msr daifset, #0xf */
	if (!strcmp(how, "off")) {
		raw[1] = 0x52800040;			/* mov w0, #2          */
		raw[2] = 0x72b08000;			/* movk w0,#0x8400,lsl16 */
		raw[3] = 0xd4000003;			/* smc #0 */
		raw[4] = 0x14000000;
	} else if (insn == 0xd503207f) {
		raw[1] = insn;
		raw[2] = 0x17ffffff;			/* b .-4 */
	} else
		raw[1] = insn;
	{	/* clean to PoC for an MMU-off reader */
		unsigned long a;
		for (a = (unsigned long)raw; a < (unsigned long)raw + 64; a += 16)
			asm volatile("dc civac, %0" :: "r"(a) : "memory");
		asm volatile("dsb sy" ::: "memory");
	}
	fwcall(0xC4000003UL, rig_mpidr(cpu), virt_to_phys(raw), 0, 0, 0, 0, &r);
	pr_info("rig: rawon cpu%d mpidr %llx entry %llx = %ld\n", cpu, (u64)rig_mpidr(cpu),
		(u64)virt_to_phys(raw), (long)r.a0);
	return 0;
}

/* Linux SDEI API through addresses given by the user (not exported): handler of event 0 */
static char sdei_how[16];
static int rig_sdei_handler(u32 event, struct pt_regs *regs, void *arg)
{
	pr_emerg("rig: SDEI event %u on CPU%d how=%s pc=%lx pstate=%llx\n", event, smp_processor_id(), sdei_how,
		 (unsigned long)regs->pc, (u64)regs->pstate);
	if (!strcmp(sdei_how, "panic"))
		panic("rig: panic in SDEI handler");
	if (!strcmp(sdei_how, "bug"))
		BUG();
	if (!strcmp(sdei_how, "spin"))
		for (;;)
			cpu_relax();
	if (!strcmp(sdei_how, "off")) {		/* CPU_OFF from inside the handler */
		struct arm_smccc_res r;
		fwcall(0x84000002UL, 0x10000, 0, 0, 0, 0, 0, &r);
		pr_emerg("rig: CPU_OFF in handler returned %ld\n", (long)r.a0);
	}
	return 0;
}
static int rig_sdei(unsigned long reg, unsigned long en, const char *how)
{
	int (*sdei_register)(u32, int (*)(u32, struct pt_regs *, void *), void *) = (void *)reg;
	int (*sdei_enable)(u32) = (void *)en;
	static bool done;
	int r = 0;

	strscpy(sdei_how, how, sizeof(sdei_how));
	if (!done) {
		r = sdei_register(0, rig_sdei_handler, NULL);
		if (!r)
			r = sdei_enable(0);
		done = !r;
	}
	pr_info("rig: sdei event 0 register+enable = %d how=%s\n", r, how);
	return r;
}

static ssize_t rig_write(struct file *f, const char __user *ub, size_t n, loff_t *pos)
{
	char b[160], w[32] = "", x[32] = "";
	int cpu = -1, r = 0, i;
	struct smcargs s = {};

	if (n >= sizeof(b))
		return -EINVAL;
	if (copy_from_user(b, ub, n))
		return -EFAULT;
	b[n] = 0;
	if (sscanf(b, "arm %7s %31s %d", w, x, &cpu) == 3) {
		int pre = !strcmp(w, "pre");
		armed_pre = pre;
		strscpy(armed_how, x, sizeof(armed_how));
		if (pre && !pre_set) {
			r = cpuhp_setup_state_nocalls(PRE_STATE, "rig:pre", pre_cb, NULL);
			pre_set = r >= 0;
		} else if (!pre && !post_set) {
			r = cpuhp_setup_state_nocalls(POST_STATE, "rig:post", post_cb, NULL);
			post_set = r >= 0;
		}
		armed_cpu = cpu;
		pr_info("rig: armed cpu%d %s %s: %d\n", cpu, w, x, r);
	} else if (!strncmp(b, "disarm", 6)) {
		armed_cpu = -1;
	} else if (sscanf(b, "wedge %d %31s", &cpu, w) == 2) {
		pr_info("rig: wedging cpu%d (%s)\n", cpu, w);
		r = async_on(cpu, !strcmp(w, "irq") ? wedge_irq : !strcmp(w, "wfi") ? wedge_wfi :
			     !strcmp(w, "wfe") ? wedge_wfe : wedge_all);
	} else if (sscanf(b, "panic %d", &cpu) == 1) {
		r = async_on(cpu, do_panic);
	} else if (sscanf(b, "sysrestart %d", &cpu) == 1) {
		r = async_on(cpu, do_restart);
	} else if ((i = sscanf(b, "smcon %d %lx %lx %lx %lx %lx %lx %lx", &cpu, &s.a[0], &s.a[1], &s.a[2],
			  &s.a[3], &s.a[4], &s.a[5], &s.a[6])) >= 2) {
		r = smp_call_function_single(cpu, do_smc, &s, 1);
	} else if (sscanf(b, "smc %lx %lx %lx %lx %lx %lx %lx", &s.a[0], &s.a[1], &s.a[2],
			  &s.a[3], &s.a[4], &s.a[5], &s.a[6]) >= 1) {
		preempt_disable();
		do_smc(&s);
		preempt_enable();
	} else if ((i = sscanf(b, "rawon %d %31s", &cpu, w)) >= 1) {
		r = raw_on(cpu, w);
	} else if (sscanf(b, "sdei %lx %lx %15s", &s.a[0], &s.a[1], w) == 3) {
		r = rig_sdei(s.a[0], s.a[1], w);
	} else if (sscanf(b, "signal %d", &cpu) == 1) {
		s.a[0] = 0xC400002FUL;
		s.a[2] = rig_mpidr(cpu);
		preempt_disable();
		do_smc(&s);
		preempt_enable();
	} else if (sscanf(b, "pin %d", &cpu) == 1) {
		r = set_cpus_allowed_ptr(current, cpumask_of(cpu));
	} else if (sscanf(b, "aff %d", &cpu) == 1) {
		s.a[0] = 0xC4000004UL;
		s.a[1] = rig_mpidr(cpu);
		preempt_disable();
		do_smc(&s);
		preempt_enable();
	} else
		r = -EINVAL;
	return r < 0 ? r : n;
}

static const struct proc_ops rig_ops = { .proc_write = rig_write, .proc_lseek = noop_llseek };

static int __init rig_init(void)
{
	struct device_node *np = of_find_node_by_path("/psci");
	const char *m = NULL;

	if (np && !of_property_read_string(np, "method", &m))
		use_hvc = !strcmp(m, "hvc");
	return proc_create("rig", 0200, NULL, &rig_ops) ? 0 : -ENOMEM;
}
static void __exit rig_exit(void)
{
	remove_proc_entry("rig", NULL);
	if (pre_set)
		cpuhp_remove_state_nocalls(PRE_STATE);
	if (post_set)
		cpuhp_remove_state_nocalls(POST_STATE);
}
module_init(rig_init);
module_exit(rig_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("fault injection for PSCI/SDEI firmware tests");
