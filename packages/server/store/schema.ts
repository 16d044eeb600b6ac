/**
 * The tables in the store: names, columns, and the statements that create them, on one engine or on a cluster.
 *
 * `otel_logs` has the columns of the OpenTelemetry Collector's ClickHouse exporter, so that tools for those read it as it
 * is, and ours beside them. Blocks carry the columns of packages/block/format.md.
 *
 * Invariants: statements are idempotent (IF NOT EXISTS), so that two servers may run them at once; a column is never
 * renamed or given another type, only added by a later migration.
 */

export const LOG_TABLE = 'otel_logs';
/** On a cluster: the replicated table on each shard, behind the distributed LOG_TABLE. */
const LOCAL_LOG_TABLE = 'otel_logs_local';
export const MIGRATION_TABLE = 'sluice_migrations';
/** Copies of blocks that may be in the store twice (moved-copies.ts). Empty but after a server went silent. */
export const MOVED_TABLE = 'sluice_moved_blocks';
/** What is pinned to the ids of agents, and which of their runs are connected where (agent-tables.ts). */
export const AGENT_PINS_TABLE = 'sluice_agent_pins';
export const AGENT_RUNS_TABLE = 'sluice_agent_runs';

/**
 * How many insert tokens are remembered. A batch is tried again until it is acknowledged, so the window must outlast
 * everything that other servers insert meanwhile: 10,000 inserts are more than half an hour at 4 lanes a second from
 * each of several servers, and one line each in a file that is read once, at the start.
 */
const DEDUPLICATION_WINDOW = 10_000;
/** The same for a replicated table, where tokens also age: a server may be away for a weekend with a batch in doubt. */
const DEDUPLICATION_WINDOW_SECONDS: number = 7 * 24 * 3600;

/** Name and definition of each column, in the order of the table. */
const COLUMNS: readonly (readonly [name: string, definition: string])[] = [
  ['Timestamp', 'DateTime64(9) CODEC(Delta(8), ZSTD(1))'],
  ['TraceId', 'String CODEC(ZSTD(1))'],
  ['SpanId', 'String CODEC(ZSTD(1))'],
  ['TraceFlags', 'UInt8'],
  ['SeverityText', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['SeverityNumber', 'UInt8'],
  ['ServiceName', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['Body', 'String CODEC(ZSTD(1))'],
  ['ResourceSchemaUrl', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['ResourceAttributes', 'Map(LowCardinality(String), String) CODEC(ZSTD(1))'],
  ['ScopeSchemaUrl', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['ScopeName', 'String CODEC(ZSTD(1))'],
  ['ScopeVersion', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['ScopeAttributes', 'Map(LowCardinality(String), String) CODEC(ZSTD(1))'],
  ['LogAttributes', 'Map(LowCardinality(String), String) CODEC(ZSTD(1))'],
  ['EventName', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['ObservedTimestamp', 'DateTime64(9) CODEC(Delta(8), ZSTD(1))'],
  // 1 urgent .. 4 bulk.
  ['UrgencyClass', 'UInt8'],
  // The next four are the permanent id of a record.
  ['AgentId', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['BlockEpoch', 'UInt64 CODEC(ZSTD(1))'],
  ['BlockSequence', 'UInt64 CODEC(Delta(8), ZSTD(1))'],
  ['RecordNumber', 'UInt32 CODEC(Delta(4), ZSTD(1))'],
  ['ServerId', 'LowCardinality(String) CODEC(ZSTD(1))'],
  ['ChannelPriority', 'UInt32 CODEC(ZSTD(1))'],
  // Derived by the store, because people filter by them most.
  ['HostName', derived('host.name')],
  ['Environment', derived('deployment.environment.name')],
  ['KubernetesNamespace', derived('k8s.namespace.name')],
  ['KubernetesPod', derived('k8s.pod.name')],
  ['KubernetesContainer', derived('k8s.container.name')],
];

/**
 * Words of the body: runs of letters and digits (every character outside of ASCII counts as a letter), without regard
 * to the case of ASCII. `hasAllTokens(lower(Body), ['word'])`, `hasAnyTokens`, `hasPhrase` and `hasToken` on exactly this
 * expression are answered from it, and mean the same where it is not used (docs/decisions/0002-text-index.md).
 * Attributes: `LogAttributes['key'] = 'value'` is answered from the indexes of keys and values together.
 */
const INDEXES: readonly string[] = [
  "INDEX body_words lower(Body) TYPE text(tokenizer = 'splitByNonAlpha')",
  "INDEX log_attribute_keys mapKeys(LogAttributes) TYPE text(tokenizer = 'array')",
  "INDEX log_attribute_values mapValues(LogAttributes) TYPE text(tokenizer = 'array')",
  "INDEX resource_attribute_keys mapKeys(ResourceAttributes) TYPE text(tokenizer = 'array')",
  "INDEX resource_attribute_values mapValues(ResourceAttributes) TYPE text(tokenizer = 'array')",
  'INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1',
  'INDEX timestamp_range Timestamp TYPE minmax GRANULARITY 1',
  'INDEX severity_set SeverityNumber TYPE set(32) GRANULARITY 4',
];

/**
 * Smaller parts keep all columns in one file. A part with a file for each column has some 150 files, which cost an insert of
 * 30,000 records 15 % of its CPU and a quarter of its time; from about 100 MiB on, scans of one column gain by them
 * (docs/decisions/0002-text-index.md). In bytes before compression.
 */
const WIDE_PART_BYTES: number = 32 * 1024 * 1024;

/** An acknowledged insert is on the disk itself: the journal forgets what the store has. */
const DURABILITY = 'fsync_after_insert = 1, fsync_part_directory = 1';

/** A cluster as the engine knows it. */
export interface ClusterOptions {
  /** Name in the engine's `remote_servers`; macros `{shard}` and `{replica}` come from each node's configuration. */
  readonly cluster: string;
}

/** A step from one version of the tables to the next. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** Idempotent statements, run in order. */
  statements(cluster: ClusterOptions | undefined): readonly string[];
}

/** All steps, oldest first. A step that was released is never changed; what is missing comes as a new one. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'create the log table', statements: createLogTable },
  { version: 2, name: 'create the table of moved blocks', statements: createMovedTable },
  { version: 3, name: 'tell blocks at one position apart by their digests', statements: addDigests },
  { version: 4, name: 'create the tables of who agents are', statements: createAgentTables },
  { version: 5, name: 'say where records come from', statements: addOrigins },
];

/** @returns the statements that create the table of applied migrations */
export function createMigrationTable(cluster: ClusterOptions | undefined): string {
  const columns = '(Version UInt32, Name String, AppliedAt DateTime64(3) DEFAULT now64(3))';
  const engine =
    cluster === undefined
      ? 'ReplacingMergeTree'
      : `ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/${MIGRATION_TABLE}', '{replica}-{shard}')`;
  const durable = 'SETTINGS fsync_after_insert = 1, fsync_part_directory = 1';
  return `CREATE TABLE IF NOT EXISTS ${MIGRATION_TABLE}${onCluster(cluster)} ${columns}
ENGINE = ${engine} ORDER BY Version ${durable}`;
}

function createLogTable(cluster: ClusterOptions | undefined): readonly string[] {
  const table = cluster === undefined ? LOG_TABLE : LOCAL_LOG_TABLE;
  const engine =
    cluster === undefined
      ? 'MergeTree'
      : `ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/${LOCAL_LOG_TABLE}', '{replica}')`;
  const deduplication =
    cluster === undefined
      ? `non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`
      : `replicated_deduplication_window = ${DEDUPLICATION_WINDOW}, replicated_deduplication_window_seconds = ${DEDUPLICATION_WINDOW_SECONDS}`;
  const body = [...COLUMNS.map(([name, definition]) => `${name} ${definition}`), ...INDEXES];
  // Observation is now, so a mis-dated or back-filled line opens no partition of its own. Event time sorts: in coarse
  // buckets, so that lines of one service lie together and compress.
  const local = `CREATE TABLE IF NOT EXISTS ${table}${onCluster(cluster)}
(
  ${body.join(',\n  ')}
)
ENGINE = ${engine}
PARTITION BY toDate(ObservedTimestamp, 'UTC')
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS ${deduplication}, ${DURABILITY}, min_bytes_for_wide_part = ${WIDE_PART_BYTES}`;
  if (cluster === undefined) return [local];
  // By block: the same batch goes to the same shards in every attempt, where its token is known.
  const distributed = `CREATE TABLE IF NOT EXISTS ${LOG_TABLE}${onCluster(cluster)} AS ${LOCAL_LOG_TABLE}
ENGINE = Distributed('${escapeName(cluster.cluster)}', currentDatabase(), ${LOCAL_LOG_TABLE}, cityHash64(AgentId, BlockEpoch, BlockSequence))`;
  return [local, distributed];
}

/** States only grow, so that servers that write the same row at once need not know each other. On each node of a cluster, whole. */
function createMovedTable(cluster: ClusterOptions | undefined): readonly string[] {
  const engine =
    cluster === undefined
      ? 'ReplacingMergeTree(State)'
      : `ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/${MOVED_TABLE}', '{replica}-{shard}', State)`;
  return [
    `CREATE TABLE IF NOT EXISTS ${MOVED_TABLE}${onCluster(cluster)}
(
  AgentId String,
  BlockEpoch UInt64,
  BlockSequence UInt64,
  ServerId String,
  RecordCount UInt32,
  ObservedDay Date,
  State UInt8,
  Changed DateTime64(3) DEFAULT now64(3)
)
ENGINE = ${engine}
ORDER BY (AgentId, BlockEpoch, BlockSequence, ServerId)
SETTINGS ${DURABILITY}`,
  ];
}

/** Adds a column to the log table, at its end. */
function addLogColumn(
  cluster: ClusterOptions | undefined,
  name: string,
  type: string,
  codec: string,
): string[] {
  const add = (table: string, definition: string): string =>
    `ALTER TABLE ${table}${onCluster(cluster)} ADD COLUMN IF NOT EXISTS ${name} ${definition}`;
  if (cluster === undefined) return [add(LOG_TABLE, `${type} ${codec}`)];
  // A distributed table keeps nothing itself, so its columns have no codecs.
  return [add(LOCAL_LOG_TABLE, `${type} ${codec}`), add(LOG_TABLE, type)];
}

/** Rows from before have an empty digest: nobody knows it. */
function addDigests(cluster: ClusterOptions | undefined): readonly string[] {
  return [
    ...addLogColumn(cluster, 'BlockDigest', 'LowCardinality(String)', 'CODEC(ZSTD(1))'),
    // Two contents at one position are two rows.
    `ALTER TABLE ${MOVED_TABLE}${onCluster(cluster)} ADD COLUMN IF NOT EXISTS BlockDigest String,
  MODIFY ORDER BY (AgentId, BlockEpoch, BlockSequence, ServerId, BlockDigest)`,
  ];
}

/** Rows from before have 0, `unknown` (packages/protocol/timestamp-origin.ts) and the empty tenant, which is the only one. */
function addOrigins(cluster: ClusterOptions | undefined): readonly string[] {
  return [
    ...addLogColumn(cluster, 'RecordOffset', 'UInt64', 'CODEC(Delta(8), ZSTD(1))'),
    ...addLogColumn(cluster, 'TimestampOrigin', 'UInt8', 'CODEC(ZSTD(1))'),
    ...addLogColumn(cluster, 'Tenant', 'LowCardinality(String)', 'CODEC(ZSTD(1))'),
  ];
}

/** Lines that are only ever added, and runs that are thrown away after hours. On each node of a cluster, whole. */
function createAgentTables(cluster: ClusterOptions | undefined): readonly string[] {
  const engine = (table: string): string =>
    cluster === undefined
      ? 'MergeTree'
      : `ReplicatedMergeTree('/clickhouse/tables/{database}/${table}', '{replica}-{shard}')`;
  return [
    `CREATE TABLE IF NOT EXISTS ${AGENT_PINS_TABLE}${onCluster(cluster)}
(
  AgentId String,
  Kind UInt8,
  KeyIdentity String,
  CertificateIdentity String,
  ServerId String,
  HostName String,
  Address String,
  Changed DateTime64(3) DEFAULT now64(3)
)
ENGINE = ${engine(AGENT_PINS_TABLE)}
ORDER BY (AgentId, Changed)
SETTINGS ${DURABILITY}`,
    `CREATE TABLE IF NOT EXISTS ${AGENT_RUNS_TABLE}${onCluster(cluster)}
(
  AgentId String,
  ServerId String,
  Epoch UInt64,
  Identity String,
  HostName String,
  Address String,
  ConnectedMs UInt64,
  SilentMs UInt64,
  SeenAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ${engine(AGENT_RUNS_TABLE)}
ORDER BY (SeenAt, AgentId)`,
  ];
}

function derived(attribute: string): string {
  return `LowCardinality(String) MATERIALIZED ResourceAttributes['${attribute}'] CODEC(ZSTD(1))`;
}

function onCluster(cluster: ClusterOptions | undefined): string {
  return cluster === undefined ? '' : ` ON CLUSTER '${escapeName(cluster.cluster)}'`;
}

function escapeName(name: string): string {
  return name.replaceAll(/[\\']/g, '\\$&');
}
