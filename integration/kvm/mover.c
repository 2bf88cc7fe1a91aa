// SPDX-License-Identifier: MIT
/*
 * thread-mover THREAD MS: sends a thread of another program to the next of the CPUs that it
 * has itself every MS milliseconds, as taskset would, until SIGTERM or until the thread is no more.
 * Then it prints how often.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* To the next CPU of these behind this one; returns that. -1: the thread is no more. */
static int move(pid_t thread, const cpu_set_t *cpus, int cpu)
{
	cpu_set_t set;

	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, cpus));
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(thread, sizeof(set), &set) ? -1 : cpu;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct timespec pause = { 0 };
	unsigned long moves = 0;
	cpu_set_t cpus;
	pid_t thread;
	int cpu = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: thread-mover THREAD MS\n");
		return 2;
	}
	thread = atoi(argv[1]);
	pause.tv_nsec = atoi(argv[2]) % 1000 * 1000000L;
	sigaction(SIGTERM, &action, NULL);
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return 2;
	while (!stop && (cpu = move(thread, &cpus, cpu)) >= 0) {
		moves++;
		nanosleep(&pause, NULL);
	}
	printf("%lu\n", moves);
	return 0;
}
