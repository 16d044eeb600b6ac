/**
 * The store's tables of who agents are, which all servers share: what is pinned to each id (`sluice_agent_pins`, a line
 * for each sight, word of an operator and other key, never changed), and which runs are connected where
 * (`sluice_agent_runs`, written again while they last, and thrown away after some hours). All times are the store's.
 */
import { defined } from '@sluice/base/defined';
import type { AgentId } from '@sluice/protocol/model';
import { Condition } from '@sluice/query/condition';
import { sqlString } from '@sluice/query/sql-text';
import { z } from 'zod';
import type { SharedPin } from '../identity/identity-book.ts';
import { COUNT_TIMEOUT_MS, MAX_PIN_ROWS, RUN_KEEP_HOURS, RUN_WINDOW_MS } from '../identity/limits.ts';
import type { SeenRun } from '../identity/twins.ts';
import { LogStatement, WHOLE_TABLE } from './log-table.ts';
import { AGENT_PINS_TABLE, AGENT_RUNS_TABLE } from './schema.ts';
import type { StoreClient, StoreRow } from './store-client.ts';

/** Rows in one statement: a text below 256 KiB, what an engine takes by default. */
const MAX_AGENT_ROWS_PER_STATEMENT = 300;
/** Each statement is small: a store that needs longer is asked again at the next look. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** Pins in one answer; a server that gets this many asks for more. */
export const MAX_PINS_READ = 20_000;
/** Runs of agents with several, read at once: beyond, there is more wrong than a list can show. */
const MAX_RUNS_READ = 2_000;
const KINDS: readonly SharedPin['kind'][] = ['first sight', 'accepted', 'other'];

/** A run as a server writes it. */
export interface NewRun {
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly identity: string;
  readonly hostName: string;
  readonly address: string;
  /** How long it has been connected. */
  readonly connectedMs: number;
  /** How long ago it proved to be alive. */
  readonly silentMs: number;
}

export interface AgentTables {
  /** Lines written after `afterMs`, in their order: the first MAX_PINS_READ of them. */
  readPins(afterMs: number): Promise<readonly SharedPin[]>;
  writePins(rows: readonly Omit<SharedPin, 'storedMs'>[]): Promise<void>;
  /** Whether there are fewer lines of pins than there may be. */
  hasRoomForPins(): Promise<boolean>;
  writeRuns(serverId: string, runs: readonly NewRun[]): Promise<void>;
  /** The runs of agents of which several were written within RUN_WINDOW_MS. */
  readSeveralRuns(): Promise<readonly SeenRun[]>;
  purgeRuns(): Promise<void>;
  /** How many records the store has of the agent's earlier runs from this sequence on. */
  countRecords(agentId: AgentId, fromSequence: number, exceptEpoch: number): Promise<number>;
}

const pinRow = z.object({
  AgentId: z.string(),
  Kind: z.coerce.number(),
  KeyIdentity: z.string(),
  CertificateIdentity: z.string(),
  ServerId: z.string(),
  HostName: z.string(),
  Address: z.string(),
  storedMs: z.coerce.number(),
});

const runRow = z.object({
  AgentId: z.string(),
  ServerId: z.string(),
  Epoch: z.coerce.number(),
  Identity: z.string(),
  hostName: z.string(),
  address: z.string(),
  sinceMs: z.coerce.number(),
  aliveMs: z.coerce.number(),
});

/**
 * The methods reject with the client's errors.
 * @param signal gives up what is under way: a server that stops does not wait for its store
 */
export function createAgentTables(
  store: Pick<StoreClient, 'command' | 'query'>,
  signal?: AbortSignal,
): AgentTables {
  const limits = { timeoutMs: STATEMENT_TIMEOUT_MS, ...defined({ signal }) };
  const client = {
    query: (sql: string, timeoutMs: number = STATEMENT_TIMEOUT_MS): Promise<StoreRow[]> =>
      store.query(sql, {}, { ...limits, timeoutMs }),
    command: (sql: string): Promise<void> => store.command(sql, {}, limits),
  };
  const recent = `SeenAt > now64(3) - INTERVAL ${RUN_WINDOW_MS / 1000} SECOND`;
  return {
    readPins: async (afterMs) => {
      const rows = await client.query(
        `SELECT AgentId, Kind, KeyIdentity, CertificateIdentity, ServerId, HostName, Address,
  toUnixTimestamp64Milli(Changed) AS storedMs
FROM ${AGENT_PINS_TABLE} WHERE toUnixTimestamp64Milli(Changed) > ${Math.trunc(afterMs)}
ORDER BY Changed LIMIT ${MAX_PINS_READ}`,
      );
      return rows.map(readPin).filter((pin) => pin !== undefined);
    },
    writePins: async (rows) => {
      for (const some of slices(rows)) {
        const values = some.map(
          ({ agentId, kind, key, certificate, serverId, hostName, address }) =>
            `(${sqlString(agentId)}, ${KINDS.indexOf(kind) + 1}, ${sqlString(key ?? '')}, ${sqlString(certificate ?? '')}, ` +
            `${sqlString(serverId)}, ${sqlString(hostName)}, ${sqlString(address)})`,
        );
        await client.command(
          `INSERT INTO ${AGENT_PINS_TABLE} (AgentId, Kind, KeyIdentity, CertificateIdentity, ServerId, HostName, Address) VALUES ${values.join(', ')}`,
        );
      }
    },
    hasRoomForPins: async () => {
      const [found] = await client.query(`SELECT count() AS count FROM ${AGENT_PINS_TABLE}`);
      return Number(found?.count ?? 0) < MAX_PIN_ROWS;
    },
    writeRuns: async (serverId, runs) => {
      for (const some of slices(runs)) {
        const values = some.map(
          ({ agentId, epoch, identity, hostName, address, connectedMs, silentMs }) =>
            `(${sqlString(agentId)}, ${sqlString(serverId)}, ${epoch}, ${sqlString(identity)}, ${sqlString(hostName)}, ` +
            `${sqlString(address)}, ${Math.trunc(connectedMs)}, ${Math.trunc(silentMs)})`,
        );
        await client.command(
          `INSERT INTO ${AGENT_RUNS_TABLE} (AgentId, ServerId, Epoch, Identity, HostName, Address, ConnectedMs, SilentMs) VALUES ${values.join(', ')}`,
        );
      }
    },
    readSeveralRuns: async () => {
      const rows = await client.query(
        `SELECT AgentId, ServerId, Epoch, Identity, any(HostName) AS hostName, any(Address) AS address,
  min(toUnixTimestamp64Milli(SeenAt) - ConnectedMs) AS sinceMs, max(toUnixTimestamp64Milli(SeenAt) - SilentMs) AS aliveMs
FROM ${AGENT_RUNS_TABLE} WHERE ${recent} AND AgentId IN
  (SELECT AgentId FROM ${AGENT_RUNS_TABLE} WHERE ${recent} GROUP BY AgentId HAVING uniqExact(Epoch) > 1)
GROUP BY AgentId, ServerId, Epoch, Identity ORDER BY AgentId, ServerId, Epoch LIMIT ${MAX_RUNS_READ}`,
      );
      return rows.map(readRun);
    },
    purgeRuns: async () => {
      const old = `SeenAt < now64(3) - INTERVAL ${RUN_KEEP_HOURS} HOUR`;
      const [found] = await client.query(`SELECT count() AS count FROM ${AGENT_RUNS_TABLE} WHERE ${old}`);
      if (Number(found?.count ?? 0) > 0) await client.command(`DELETE FROM ${AGENT_RUNS_TABLE} WHERE ${old}`);
    },
    countRecords: async (agentId, fromSequence, exceptEpoch) => {
      const where = Condition.all([
        Condition.equals('AgentId', agentId),
        Condition.ofSql(`BlockSequence >= ${fromSequence} AND BlockEpoch != ${exceptEpoch}`),
      ]);
      const counting = new LogStatement(WHOLE_TABLE, where, (from) => `SELECT count() AS count ${from}`);
      const [found] = await client.query(counting.sql, COUNT_TIMEOUT_MS);
      return Number(found?.count ?? 0);
    },
  };
}

function readPin(found: unknown): SharedPin | undefined {
  const row = pinRow.parse(found);
  // A kind of a newer program says nothing to this one.
  const kind = KINDS[row.Kind - 1];
  if (kind === undefined) return undefined;
  return {
    // The id was branded when the row was written: this is where it comes back from the store.
    agentId: row.AgentId as AgentId,
    kind,
    key: row.KeyIdentity === '' ? undefined : row.KeyIdentity,
    certificate: row.CertificateIdentity === '' ? undefined : row.CertificateIdentity,
    ...{ serverId: row.ServerId, hostName: row.HostName, address: row.Address, storedMs: row.storedMs },
  };
}

function readRun(found: unknown): SeenRun {
  const {
    AgentId: agentId,
    ServerId: serverId,
    Epoch: epoch,
    Identity: identity,
    ...rest
  } = runRow.parse(found);
  // Branded when the row was written, as above.
  return { agentId: agentId as AgentId, serverId, epoch, identity, ...rest };
}

function* slices<T>(all: readonly T[]): Generator<readonly T[], void, void> {
  for (let start = 0; start < all.length; start += MAX_AGENT_ROWS_PER_STATEMENT) {
    yield all.slice(start, start + MAX_AGENT_ROWS_PER_STATEMENT);
  }
}
