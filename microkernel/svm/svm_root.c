// SPDX-License-Identifier: MIT
/*
 * Exits of the root VM that end in ring 0: devices that aren't mapped yet, and writes to
 * the hypervisor's memory, which must have no effect. Such an instruction runs alone, on
 * tables where a scratch page lies there: single-stepped, with interrupts held off.
 */
#include <asm/svm.h>
#include <errno.h>

#include "log.h"
#include "svm.h"

#define DB_VECTOR 1
#define LOG_INTERVAL (1ULL << 31) /* TSC ticks: about a second */

static void step_begin(struct vs *vs, spa_t tables)
{
	struct vmcb *v = vmcb_of(vs);

	vs->stepping = true;
	vs->step_flags = v->rflags & (RFLAGS_TF | RFLAGS_IF);
	v->rflags = (v->rflags | RFLAGS_TF) & ~RFLAGS_IF;
	v->exceptions |= BIT(DB_VECTOR);
	v->nested_cr3 = tables.v;
}

static void step_end(struct cpu *cpu, struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);

	vs->stepping = false;
	v->rflags = (v->rflags & ~(RFLAGS_TF | RFLAGS_IF)) | vs->step_flags;
	v->dr6 &= ~BIT(14); /* BS: the step was ours */
	v->exceptions &= ~BIT(DB_VECTOR);
	v->nested_cr3 = vs->space->npt.root.v;
	cpu_flush_vms(cpu);
	space_scratch_put();
}

static void log_write_attempt(const struct vmcb *v)
{
	static u64 last;
	u64 now = hw_rdtsc();

	if (last && now - last < LOG_INTERVAL)
		return;
	last = now;
	log_line("root wrote to the hypervisor's memory at 0x%x, rip 0x%x: ignored", v->exit_info2,
		 v->rip);
}

static bool hidden_write(struct cpu *cpu, struct vs *vs, gpa_t gpa)
{
	spa_t tables;
	s64 rc;

	if (vs->stepping && space_scratch_add(gpa)) {
		cpu_flush_vms(cpu);
		return true;
	}
	if (vs->stepping) {
		step_end(cpu, vs);
		return false;
	}
	rc = space_scratch_get(gpa, &tables);
	if (rc == -EBUSY)
		return true; /* another CPU steps: fault again until it is done */
	log_write_attempt(vmcb_of(vs));
	step_begin(vs, tables);
	cpu_flush_vms(cpu);
	return true;
}

bool svm_root_exit(struct cpu *cpu, struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);
	gpa_t gpa = GPA(align_down(v->exit_info2, PAGE_4K));
	bool step = v->exit_code == SVM_EXIT_EXCP_BASE + DB_VECTOR && vs->stepping;

	if (!step && v->exit_code != SVM_EXIT_NPF)
		return false;
	v->clean = 0;
	if (step) {
		step_end(cpu, vs);
		return true;
	}
	if (frame_is_hv(SPA(gpa.v)))
		return hidden_write(cpu, vs, gpa);
	return space_map_device(gpa);
}
