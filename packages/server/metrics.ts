/**
 * What the server counts about itself, for Prometheus: one registry per server, served by the API at /metrics.
 *
 * Invariants: every metric of the server is declared here or, of the uplink, in uplink-metrics.ts, with its unit last: what it
 * counts as `sluice_server_*`, how it stands with the logs as `sluice_*`; labels have few values (class, priority, kind, code),
 * here never an agent or a block; gauges are read when they are scraped.
 */
import type { DiskFacts } from '@sluice/durable/disk-watch';
import type { AgentId, BlockHeader, BlockRefusal, UrgencyClass } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { HealthView } from './health/health.ts';
import { TROUBLE_CODES, TROUBLES } from './health/troubles.ts';
import type { JournalStatistics } from './journal/journal.ts';
import { SEARCH_OUTCOMES, type SearchStatistics } from './search/search-turns.ts';

/** Bounds in seconds: an urgent block should be loaded within 0.1, a bulk one within a few. */
const DELAY_BUCKETS_SECONDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

/** The figures of a batch's block that are counted. */
export interface LoadedBlockFigures {
  readonly header: { readonly recordCount: number; readonly rawBytes: number };
  readonly receivedMs: number;
}

export interface ServerMetricsOptions {
  readonly serverId: string;
  /** Where the gauges of the journal come from; left out, they are not shown. */
  readonly journal?: { readonly statistics: JournalStatistics };
  /** Where the figures of searches come from; left out, they are not shown. */
  readonly searches?: { readonly statistics: SearchStatistics };
  /** Process figures (memory, event loop lag, ...) too; default true. */
  readonly processMetrics?: boolean;
}

export class ServerMetrics {
  /** `await registry.metrics()` is the text to serve, `registry.contentType` its type. */
  readonly registry: Registry = new Registry();
  readonly #blocksReceived: Counter<'urgency' | 'repetition'>;
  readonly #blocksRefused: Counter<'kind'>;
  readonly #acknowledgedRawBytes: Counter<'priority'>;
  readonly #receivedRecords: Counter<'urgency'>;
  readonly #receivedRawBytes: Counter<'urgency'>;
  readonly #receivedPayloadBytes: Counter<'urgency'>;
  readonly #durableSeconds: Histogram<'urgency'>;
  readonly #notices: Counter;
  readonly #agents: Gauge;
  readonly #loadedRecords: Counter<'urgency'>;
  readonly #loadedBlocks: Counter<'urgency'>;
  readonly #loadedRawBytes: Counter<'urgency'>;
  readonly #insertSeconds: Histogram<'urgency'>;
  readonly #loadDelaySeconds: Histogram<'urgency'>;
  readonly #failedAttempts: Counter<'urgency'>;
  readonly #setAside: Counter<'urgency'>;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of declarations, without a decision
  constructor(options: ServerMetricsOptions) {
    const registers = [this.registry];
    this.registry.setDefaultLabels({ server: options.serverId });
    if (options.processMetrics ?? true)
      collectDefaultMetrics({ register: this.registry, prefix: 'sluice_server_' });

    this.#blocksReceived = new Counter({
      name: 'sluice_server_blocks_received_total',
      help: 'Valid blocks that arrived, by urgency class; a repetition was taken before and is only acknowledged again.',
      labelNames: ['urgency', 'repetition'],
      registers,
    });
    this.#blocksRefused = new Counter({
      name: 'sluice_server_blocks_refused_total',
      help: 'Blocks that were refused: malformed, or retryable (not taken now).',
      labelNames: ['kind'],
      registers,
    });
    this.#acknowledgedRawBytes = new Counter({
      name: 'sluice_server_acknowledged_raw_bytes_total',
      help: 'Uncompressed bytes that became durable, by priority of the channel on which they came.',
      labelNames: ['priority'],
      registers,
    });
    this.#receivedRecords = new Counter({
      name: 'sluice_server_received_records_total',
      help: 'Records in blocks that arrived, without repetitions.',
      labelNames: ['urgency'],
      registers,
    });
    this.#receivedRawBytes = new Counter({
      name: 'sluice_server_received_raw_bytes_total',
      help: 'Uncompressed bytes of blocks that arrived, without repetitions.',
      labelNames: ['urgency'],
      registers,
    });
    this.#receivedPayloadBytes = new Counter({
      name: 'sluice_server_received_payload_bytes_total',
      help: 'Compressed bytes of blocks that arrived, without repetitions.',
      labelNames: ['urgency'],
      registers,
    });
    this.#durableSeconds = new Histogram({
      name: 'sluice_server_block_durable_delay_seconds',
      help: 'From the arrival of a block until it was durable.',
      labelNames: ['urgency'],
      buckets: [...DELAY_BUCKETS_SECONDS],
      registers,
    });
    this.#notices = new Counter({
      name: 'sluice_server_priority_violation_notices_total',
      help: 'Priority violation notices received from agents.',
      registers,
    });
    this.#agents = new Gauge({
      name: 'sluice_server_connected_agents',
      help: 'Agents with an open control stream.',
      registers,
    });
    this.#loadedRecords = new Counter({
      name: 'sluice_server_loaded_records_total',
      help: 'Records that the store has confirmed.',
      labelNames: ['urgency'],
      registers,
    });
    this.#loadedBlocks = new Counter({
      name: 'sluice_server_loaded_blocks_total',
      help: 'Blocks that the store has confirmed.',
      labelNames: ['urgency'],
      registers,
    });
    this.#loadedRawBytes = new Counter({
      name: 'sluice_server_loaded_raw_bytes_total',
      help: 'Uncompressed bytes that the store has confirmed.',
      labelNames: ['urgency'],
      registers,
    });
    this.#insertSeconds = new Histogram({
      name: 'sluice_server_insert_duration_seconds',
      help: 'Time from the first attempt to insert a batch until the store confirmed it; its count is that of batches.',
      labelNames: ['urgency'],
      buckets: [...DELAY_BUCKETS_SECONDS],
      registers,
    });
    this.#loadDelaySeconds = new Histogram({
      name: 'sluice_server_load_delay_seconds',
      help: 'From the arrival of a block until the store confirmed it: when it can be found.',
      labelNames: ['urgency'],
      buckets: [...DELAY_BUCKETS_SECONDS],
      registers,
    });
    this.#failedAttempts = new Counter({
      name: 'sluice_server_load_failed_attempts_total',
      help: 'Attempts to load that failed and are made again.',
      labelNames: ['urgency'],
      registers,
    });
    this.#setAside = new Counter({
      name: 'sluice_server_set_aside_blocks_total',
      help: 'Blocks that the store refused for good.',
      labelNames: ['urgency'],
      registers,
    });
    if (options.journal !== undefined) this.#addJournal(options.journal);
    if (options.searches !== undefined) this.#addSearches(options.searches);
  }

  /** A valid block arrived; `known` when it was taken before. */
  blockReceived(header: BlockHeader, payloadBytes: number, known: boolean): void {
    const { urgency, recordCount, rawBytes } = header;
    this.#blocksReceived.inc({ urgency, repetition: String(known) });
    if (known) return;
    this.#receivedRecords.inc({ urgency }, recordCount);
    this.#receivedRawBytes.inc({ urgency }, rawBytes);
    this.#receivedPayloadBytes.inc({ urgency }, payloadBytes);
  }

  /** A block became durable `waitedMs` after it arrived. */
  blockAcknowledged(header: BlockHeader, priority: number, waitedMs: number): void {
    this.#acknowledgedRawBytes.inc({ priority }, header.rawBytes);
    this.#durableSeconds.observe({ urgency: header.urgency }, waitedMs / 1000);
  }

  blockRefused(_agentId: AgentId, refusal: BlockRefusal): void {
    this.#blocksRefused.inc({ kind: refusal.kind });
  }

  noticeReceived(_agentId: AgentId): void {
    this.#notices.inc();
  }

  agentConnected(_agentId: AgentId): void {
    this.#agents.inc();
  }

  agentDisconnected(_agentId: AgentId): void {
    this.#agents.dec();
  }

  /** The store confirmed a batch of these blocks. */
  batchLoaded(urgency: UrgencyClass, blocks: readonly LoadedBlockFigures[], insertMs: number): void {
    const nowMs = Date.now();
    this.#insertSeconds.observe({ urgency }, insertMs / 1000);
    this.#loadedBlocks.inc({ urgency }, blocks.length);
    for (const { header, receivedMs } of blocks) {
      this.#loadedRecords.inc({ urgency }, header.recordCount);
      this.#loadedRawBytes.inc({ urgency }, header.rawBytes);
      this.#loadDelaySeconds.observe({ urgency }, Math.max(0, nowMs - receivedMs) / 1000);
    }
  }

  loadAttemptFailed(urgency: UrgencyClass): void {
    this.#failedAttempts.inc({ urgency });
  }

  blockSetAside(urgency: UrgencyClass): void {
    this.#setAside.inc({ urgency });
  }

  /** Shows what is wrong, and how late logs can be found. */
  showHealth(health: { view(): HealthView; readonly disk: DiskFacts | undefined }): void {
    const registers = [this.registry];
    new Gauge({
      name: 'sluice_health_problems',
      help: 'Problems now, by code; docs/problems.md says what each means and what to do.',
      labelNames: ['code', 'severity'],
      registers,
      collect() {
        const { counts } = health.view();
        for (const code of TROUBLE_CODES) {
          this.set({ code, severity: TROUBLES[code].severity }, counts.get(code) ?? 0);
        }
      },
    });
    this.#classGauge(
      'sluice_oldest_unsearchable_seconds',
      'Age of the oldest record that is known of, in the journal or at a connected agent, and not searchable yet.',
      () =>
        new Map(
          health.view().unsearchable.classes.map(({ urgency, oldestMs }) => [urgency, oldestMs / 1000]),
        ),
    );
    this.#classGauge(
      'sluice_loading_stalled_seconds',
      'How long the store has confirmed nothing although blocks wait in the journal; 0 when none waits.',
      () => new Map([...health.view().stillForMs].map(([urgency, ms]) => [urgency, ms / 1000])),
    );
    this.#gauge('sluice_journal_disk_free_bytes', 'Free bytes of the disk under the journal.', () => {
      return health.disk?.freeBytes ?? Number.NaN;
    });
    this.#gauge('sluice_journal_disk_size_bytes', 'Size of the disk under the journal.', () => {
      return health.disk?.sizeBytes ?? Number.NaN;
    });
  }

  #addJournal(journal: { readonly statistics: JournalStatistics }): void {
    this.#gauge(
      'sluice_server_journal_room_bytes',
      'Uncompressed bytes that the journal can still take.',
      () => {
        return journal.statistics.roomBytes;
      },
    );
    this.#gauge('sluice_server_journal_set_aside_blocks', 'Refused blocks that are kept.', () => {
      return journal.statistics.setAsideBlocks;
    });
    this.#gauge('sluice_server_journal_known_agents', 'Agents whose blocks are remembered.', () => {
      return journal.statistics.knownAgents;
    });
    this.#laneGauge(
      'sluice_server_journal_held_blocks',
      'Blocks in the journal that are not in the store yet.',
      () => journal.statistics.lanes.map((lane) => lane.blockCount),
    );
    this.#laneGauge(
      'sluice_server_journal_held_raw_bytes',
      'Uncompressed bytes that are not in the store yet.',
      () => journal.statistics.lanes.map((lane) => lane.rawBytes),
    );
    this.#total('sluice_server_journal_commits_total', 'Synced commits of the journal.', () => {
      return journal.statistics.commits;
    });
    this.#total(
      'sluice_server_journal_commit_seconds_total',
      'Time that the commits of the journal took.',
      () => {
        return journal.statistics.commitMs / 1000;
      },
    );
  }

  #addSearches(searches: { readonly statistics: SearchStatistics }): void {
    this.#gauge('sluice_server_searches_running', 'Searches that run now.', () => {
      return searches.statistics.runningCount;
    });
    this.#gauge('sluice_server_searches_waiting', 'Searches that wait for their turn.', () => {
      return searches.statistics.waitingCount;
    });
    const registers = [this.registry];
    new Counter({
      name: 'sluice_server_search_requests_total',
      help: 'Requests of searches by how they ended; busy: told to come again later, timeout: its turn was too short.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset();
        const { outcomes } = searches.statistics;
        for (const outcome of SEARCH_OUTCOMES) this.inc({ outcome }, outcomes[outcome]);
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const registers = [this.registry];
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  /** A class that is not named stands at 0. */
  #classGauge(name: string, help: string, read: () => ReadonlyMap<UrgencyClass, number>): void {
    this.#laneGauge(name, help, () => {
      const values = read();
      return URGENCY_CLASSES.map((urgency) => values.get(urgency) ?? 0);
    });
  }

  #laneGauge(name: string, help: string, read: () => readonly number[]): void {
    const registers = [this.registry];
    new Gauge({
      name,
      help,
      registers,
      labelNames: ['urgency'],
      collect() {
        for (const [lane, value] of read().entries())
          this.set({ urgency: URGENCY_CLASSES[lane] ?? '' }, value);
      },
    });
  }

  /** A counter that somebody else counts. */
  #total(name: string, help: string, read: () => number): void {
    const registers = [this.registry];
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}
