/**
 * How the uplink stands, for Prometheus: the lag of urgent records, and what the server gives and takes.
 *
 * Invariants: gauges are read when they are scraped; at most {@link MAX_AGENT_SERIES} series name an agent.
 */
import type { ServerMachineView } from '@sluice/protocol/server-view';
import { UPLINK_HAPPENING_KINDS, type UplinkHappeningKind } from '@sluice/protocol/uplink-history';
import { Counter, Gauge, type Registry } from 'prom-client';
import { loweredAgents, waitingAgents } from './admission-status.ts';
import type { HealthView } from './health/health.ts';

/**
 * Series that name an agent: as many as Prometheus takes from one target without a thought. Of more agents, those that are
 * furthest behind are told.
 */
export const MAX_AGENT_SERIES = 1_000;

type Totals = ReadonlyMap<UplinkHappeningKind, number>;

/** Where the figures come from. */
export interface UplinkFigures {
  readonly health: { view(): HealthView };
  readonly ingest: {
    view(): ServerMachineView;
    readonly agentEventTotals: Totals;
  };
}

/** Adds the figures to the registry. */
export function showUplink(registry: Registry, { health, ingest }: UplinkFigures): void {
  const registers = [registry];
  new Gauge({
    name: 'sluice_urgent_lag_seconds',
    help: 'Age of the oldest urgent record that a connected agent holds and no server has acknowledged; 0: there is none.',
    registers,
    collect() {
      this.set(health.view().urgentLag.oldestMs / 1000);
    },
  });
  new Gauge({
    name: 'sluice_agent_urgent_lag_seconds',
    help: `The same for each agent, also one that is gone, as it was heard last; of the ${MAX_AGENT_SERIES} that are furthest behind.`,
    labelNames: ['agent'],
    registers,
    collect() {
      this.reset();
      const furthestFirst = [...health.view().urgentLag.msByAgent].sort(
        ([oneId, oneMs], [otherId, otherMs]) => otherMs - oneMs || (oneId < otherId ? -1 : 1),
      );
      for (const [agent, ms] of furthestFirst.slice(0, MAX_AGENT_SERIES)) this.set({ agent }, ms / 1000);
    },
  });
  const counters: readonly (readonly [name: string, help: string, read: () => Totals])[] = [
    [
      'sluice_server_uplink_events_total',
      'What happened between this server and its agents.',
      () => ingest.view().historyTotals,
    ],
    [
      'sluice_agent_uplink_events_total',
      'What happened between agents and all their servers, as the agents told this server since it started.',
      () => ingest.agentEventTotals,
    ],
  ];
  for (const [name, help, read] of counters) {
    new Counter({
      ...{ name, help, registers },
      labelNames: ['kind'],
      collect() {
        this.reset();
        const totals = read();
        for (const kind of UPLINK_HAPPENING_KINDS) this.inc({ kind }, totals.get(kind) ?? 0);
      },
    });
  }
  const gauges: readonly (readonly [
    name: string,
    help: string,
    read: (view: ServerMachineView) => number,
  ])[] = [
    [
      'sluice_server_outstanding_quota_bytes',
      'Uncompressed bytes granted and not used.',
      ({ outstandingBytes }) => outstandingBytes,
    ],
    [
      'sluice_server_writing_raw_bytes',
      'Uncompressed bytes taken and not durable yet.',
      ({ writingBytes }) => writingBytes,
    ],
    [
      'sluice_server_drain_bytes_per_second',
      'Uncompressed bytes that leave the journal in a second, as admission measures it; 0: not known.',
      ({ drainBytesPerSecond }) => drainBytesPerSecond,
    ],
    ['sluice_server_waiting_agents', 'Agents of which a request waits for room.', waitingAgents],
    [
      'sluice_server_lowered_agents',
      'Agents for which channels are ranked lower than configured: for notices, load, region, or as a standby.',
      loweredAgents,
    ],
    ['sluice_server_loaded', '1: the journal is mostly full.', ({ loaded }) => Number(loaded)],
    [
      'sluice_server_draining',
      '1: the server leaves and grants nothing more.',
      ({ draining }) => Number(draining),
    ],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read(ingest.view()));
      },
    });
  }
}
