// Metrics of the gateway for Prometheus, and of the machine for clients of the sandbox daemon.

import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import type { SessionState } from '@binnacle/protocol';
import type { Registry } from 'prom-client';
import { VERSION } from '../../base/version.ts';

const STATES: readonly SessionState[] = ['starting', 'running', 'exited', 'closed', 'lost'];
/** Minimum interval for a CPU share. Shares of shorter intervals jump: the kernel counts in ticks of 10 ms. */
const MIN_CPU_MS = 250;
const MIB = 1024 * 1024;
/** Metrics of the library that are removed: sums of gauges that exist by type, under names of counters. */
const SUMS = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export interface MetricsSources {
  sessions(): Readonly<Partial<Record<SessionState, number>>>;
  viewers(): number;
  runners(): number;
  /** Counts all conversations, and those with a running agent. */
  conversations(): { readonly all: number; readonly working: number };
  /** Counts agent events that arrived after the end of their run. */
  lateEvents(): number;
  index(): IndexNumbers;
  emitted(): EmittedNumbers;
  /** Counts notifications by transport and result. */
  notifications(): Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Events from emitters since the start. */
export interface EmittedNumbers {
  readonly stored: number;
  readonly duplicates: number;
  readonly refused: number;
  /** Bytes of stored output. */
  readonly bytes: number;
}

/** Metrics of search and stored traffic. */
export interface IndexNumbers {
  readonly events: number;
  readonly documents: number;
  readonly behindBytes: number;
  readonly removed: number;
  readonly indexBytes: number;
}

/** Metrics in the format of the sandbox daemon. */
export interface MachineMetrics {
  readonly cpu_count: number;
  /** Usage of all CPUs since the previous request. */
  readonly cpu_used_pct: number;
  readonly mem_total_mib: number;
  readonly mem_used_mib: number;
  /** Ms since 1970. */
  readonly timestamp: number;
}

export class Metrics {
  readonly #sources: MetricsSources;
  #registry: Promise<Registry> | undefined;
  #cpu: { readonly ticks: CpuTicks; readonly at: number; readonly pct: number };

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    this.#cpu = { ticks: readTicks(), at: performance.now(), pct: 0 };
  }

  /** Returns the text format and its Content-Type. */
  async prometheus(): Promise<{ readonly text: string; readonly type: string }> {
    this.#registry ??= this.#start();
    const registry = await this.#registry;
    return { text: await registry.metrics(), type: registry.contentType };
  }

  machine(): MachineMetrics {
    const now = performance.now();
    if (now - this.#cpu.at >= MIN_CPU_MS) {
      const ticks = readTicks();
      this.#cpu = { ticks, at: now, pct: busyShare(this.#cpu.ticks, ticks) };
    }
    return {
      cpu_count: availableParallelism(),
      cpu_used_pct: this.#cpu.pct,
      mem_total_mib: totalmem() / MIB,
      mem_used_mib: (totalmem() - freemem()) / MIB,
      timestamp: Date.now(),
    };
  }

  close(): void {
    void this.#registry?.then((registry) => registry.clear());
  }

  /**
   * Loads the library at the first scrape: it takes 10 MiB and its observers some time, and most gateways are never
   * scraped.
   */
  async #start(): Promise<Registry> {
    const { collectDefaultMetrics, Counter, Gauge, Registry } = await import('prom-client');
    const registry = new Registry();
    const registers = [registry];
    const sources = this.#sources;
    collectDefaultMetrics({ register: registry });
    for (const name of SUMS) registry.removeSingleMetric(name);
    new Gauge({
      name: 'binnacle_sessions',
      help: 'Sessions that are kept, by state.',
      labelNames: ['state'],
      registers,
      collect() {
        const counts = sources.sessions();
        for (const state of STATES) this.set({ state }, counts[state] ?? 0);
      },
    });
    new Gauge({
      name: 'binnacle_viewers',
      help: 'Connections and answers that follow sessions.',
      registers,
      collect() {
        this.set(sources.viewers());
      },
    });
    new Gauge({
      name: 'binnacle_runners',
      help: 'Processes that own programs, the spare one included.',
      registers,
      collect() {
        this.set(sources.runners());
      },
    });
    new Gauge({
      name: 'binnacle_conversations',
      help: 'Conversations that are kept, and those with a run under way.',
      labelNames: ['state'],
      registers,
      collect() {
        const { all, working } = sources.conversations();
        this.set({ state: 'working' }, working);
        this.set({ state: 'idle' }, all - working);
      },
    });
    new Counter({
      name: 'binnacle_late_events_total',
      help: 'What agents told of runs that were over; shown to nobody.',
      registers,
      collect() {
        this.reset();
        this.inc(sources.lateEvents());
      },
    });
    new Counter({
      name: 'binnacle_emitted_events_total',
      help: 'Events that emitters sent, by what became of them.',
      labelNames: ['result'],
      registers,
      collect() {
        const { stored, duplicates, refused } = sources.emitted();
        this.reset();
        this.inc({ result: 'stored' }, stored);
        this.inc({ result: 'duplicate' }, duplicates);
        this.inc({ result: 'refused' }, refused);
      },
    });
    new Counter({
      name: 'binnacle_emitted_bytes_total',
      help: 'Output of programs that run elsewhere, stored.',
      registers,
      collect() {
        this.reset();
        this.inc(sources.emitted().bytes);
      },
    });
    new Counter({
      name: 'binnacle_notifications_total',
      help: 'Notifications of people who did not look, by way and by what became of them.',
      labelNames: ['way', 'result'],
      registers,
      collect() {
        this.reset();
        for (const [way, results] of Object.entries(sources.notifications())) {
          for (const [result, count] of Object.entries(results)) this.inc({ way, result }, count);
        }
      },
    });
    const gauges = [
      ['binnacle_traffic_events', 'Events of foreign sessions that can be listed.', 'events'],
      ['binnacle_index_documents', 'Documents of the full-text index, some 4 KiB of output each.', 'documents'],
      ['binnacle_index_behind_bytes', 'Output that is not in the index yet.', 'behindBytes'],
      ['binnacle_index_bytes', 'Size of the index.', 'indexBytes'],
    ] as const;
    for (const [name, help, field] of gauges) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(sources.index()[field]);
        },
      });
    }
    new Counter({
      name: 'binnacle_index_removed_total',
      help: 'Events and documents that retention took out of the index.',
      registers,
      collect() {
        this.reset();
        this.inc(sources.index().removed);
      },
    });
    const info = { version: VERSION, node: process.version };
    new Gauge({ name: 'binnacle_build_info', help: 'Always 1.', labelNames: Object.keys(info), registers }).set(
      info,
      1,
    );
    return registry;
  }
}

interface CpuTicks {
  readonly all: number;
  readonly idle: number;
}

function readTicks(): CpuTicks {
  let all = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { all, idle };
}

function busyShare(before: CpuTicks, now: CpuTicks): number {
  const all = now.all - before.all;
  return all <= 0 ? 0 : Math.max(0, Math.min(100, (1 - (now.idle - before.idle) / all) * 100));
}
