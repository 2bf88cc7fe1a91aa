// SPDX-License-Identifier: MIT
/*
 * Guests that make a hostile MicroV attack ring 0 while it serves them (microv/attack.h). All of
 * it faults in ring 3 or is refused, nothing else suffers.
 */
#include "attack.h"
#include "kvmtest.h"
#include "layout.h"
#include "mv_loader.h"
#include "neighbour.h"

#define RAM_END (6UL << 30) /* of the lab, with its hole */
#define PAGES_2M 512UL
#define AT_ONCE 2000UL /* attacks of one kind in one exit: root must get its interrupts */

static const uint8_t code[] = { 0x0F, 0xA2, 0xF4 }; /* cpuid; hlt */

static uint64_t tried;

static struct kt_guest asking(void)
{
	return kt_guest(KT_LONG64, (struct kt_code){ code, code + sizeof(code) });
}

static const char *name_of(enum attack_kind kind, uint64_t i)
{
	static const char *const insns[] = {
#define NAME(name, text) #name,
		ATTACK_INSN_LIST(NAME)
	};

	return kind == ATTACK_INSNS && i < KT_LEN(insns) ? insns[i] : "";
}

/* One exit's worth of attacks; false: something got through, or the VM is lost. */
static bool ask(struct kt_guest *g, enum attack_kind kind, uint64_t from, uint64_t n, uint64_t step)
{
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rsp = 0x8000 };

	regs.rax = ATTACK_MAGIC | kind;
	regs.rbx = from;
	regs.rsi = n;
	regs.rdi = step;
	kt_set_regs(&g->vcpu, &regs);
	RUN(&g->vcpu, KVM_EXIT_HLT);
	regs = kt_regs(&g->vcpu);
	tried += regs.r8;
	CHECK(regs.r8 > 0);
	if (regs.r9)
		kt_fail(__FILE__, __LINE__, "%llu of %llu got through, the first: 0x%llx %s",
			(unsigned long long)regs.r9, (unsigned long long)regs.r8,
			(unsigned long long)regs.r10, name_of(kind, regs.r10));
	return !regs.r9;
}

static void ask_many(struct kt_guest *g, enum attack_kind kind, uint64_t from, uint64_t n,
		     uint64_t step)
{
	for (uint64_t i = 0; i < n; i += AT_ONCE)
		if (!ask(g, kind, from + i * step, n - i < AT_ONCE ? n - i : AT_ONCE, step))
			return;
}

static void done(struct kt_guest *g)
{
	kt_note("%llu attacks", (unsigned long long)tried);
	kt_guest_close(g);
}

/* The n-th piece of the hypervisor's memory. */
static bool piece(uint64_t n, uint64_t *spa, uint64_t *bytes)
{
	struct mv_loader_status st = { .hidden_nr = n };
	int fd = open("/dev/" MV_LOADER_DEVICE, O_RDWR | O_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(ioctl(fd, MV_LOADER_STATUS, &st) == 0);
	close(fd);
	*spa = st.hidden_spa;
	*bytes = st.hidden_bytes;
	return *bytes;
}

static void instructions(void)
{
	struct kt_guest g = asking();

	ask(&g, ATTACK_INSNS, 0, 0, 0);
	done(&g);
}

static void selectors(void)
{
	struct kt_guest g = asking();

	ask(&g, ATTACK_SELECTORS, 0, 0x100, 1);
	ask(&g, ATTACK_SELECTORS, 0xFF00, 0x100, 1);
	done(&g);
}

static void ports(void)
{
	struct kt_guest g = asking();

	ask_many(&g, ATTACK_PORTS, 0, 0x10000, 1);
	done(&g);
}

static void image(void)
{
	struct kt_guest g = asking();

	ask_many(&g, ATTACK_MEMORY, MK_IMAGE, PAGES_2M, KT_PAGE);
	done(&g);
}

static void hypervisor(void)
{
	struct kt_guest g = asking();
	uint64_t spa, bytes, n;

	for (n = 0; piece(n, &spa, &bytes); n++)
		ask_many(&g, ATTACK_MEMORY, MK_DIRECT + spa, bytes / KT_PAGE, KT_PAGE);
	CHECK(n > 2);
	done(&g);
}

static void all_ram(void)
{
	struct kt_guest g = asking();

	ask_many(&g, ATTACK_MEMORY, MK_DIRECT, RAM_END / (2 * KT_MIB), 2 * KT_MIB);
	done(&g);
}

/* Of each 512 GiB of addresses the last GiB is nobody's; so is what lies below MicroV's image. */
static void everywhere(void)
{
	struct kt_guest g = asking();

	ask_many(&g, ATTACK_MEMORY, 511UL << 30, 256, 512UL << 30);
	ask_many(&g, ATTACK_MEMORY, 0xFFFF800000000000 + (511UL << 30), 255, 512UL << 30);
	ask_many(&g, ATTACK_MEMORY, 0x800000000000, 512, 0xFFFF000000000);
	ask_many(&g, ATTACK_MEMORY, 0, 0x400, KT_PAGE);
	done(&g);
}

static void own(void)
{
	struct kt_guest g = asking();

	ask(&g, ATTACK_OWN, 0, 0, 0);
	done(&g);
}

static void harmless(void)
{
	struct kt_guest g = asking();

	ask(&g, ATTACK_HARMLESS, 0, 0, 0);
	done(&g);
}

static void syscalls(void)
{
	struct kt_guest g = asking();
	uint64_t spa, bytes, n;

	for (n = 0; piece(n, &spa, &bytes); n++)
		for (uint64_t at = 0; at < bytes; at += 64 * KT_PAGE)
			ask(&g, ATTACK_SYSCALLS, spa + at, 0, 0);
	done(&g);
}

/* What asks for nothing in particular is served as it should be, on whatever CPU. */
static void others_go_on(void)
{
	struct kt_guest g = asking();
	struct neighbour other;

	neighbour_begin(&other, KT_LONG64, (struct kt_code){ code, code + sizeof(code) });
	for (unsigned int i = 0; i < 20; i++) {
		ask(&g, ATTACK_INSNS, 0, 0, 0);
		ask(&g, ATTACK_HARMLESS, 0, 0, 0);
		neighbour_comes_on(&other);
	}
	neighbour_end(&other);
	kt_note("the other VM: %lu rounds", other.rounds);
	done(&g);
}

static const struct kt_test tests[] = {
	{ "privileged instructions", instructions },
	{ "selectors of ring 0", selectors },
	{ "every port", ports },
	{ "each page of the microkernel's image", image },
	{ "each page of the hypervisor's memory", hypervisor },
	{ "root's memory", all_ram },
	{ "addresses everywhere", everywhere },
	{ "its own pages, against their rights", own },
	{ "segments, flags and stacks do no harm", harmless },
	{ "system calls on memory that isn't its own", syscalls },
	{ "another VM goes on meanwhile", others_go_on },
};

KT_MAIN(tests)
