/**
 * The store's table of moved blocks: which copies of a block a search must not show (U14, SPEC.md).
 *
 * A row is one server's copy of one block, and its state:
 *   held     the server may insert its copy; nobody sees it yet
 *   kept     the copy is in the store as a whole; it is the one that is shown
 *   settled  nothing is left to hide: the row means nothing any more
 *
 * Invariants, on which "visible exactly once" rests:
 * - States only grow, and the larger one wins, in whatever order they are written: no write needs to know another.
 * - Only a server itself writes `held` for its copies, and before it inserts them by at least HOLD_SETTLE_MS.
 * - `kept` is written when a complete copy of a `held` row was seen in the store.
 * - With a `kept` copy, the one of the smallest server id is shown and no other; with none, all but the `held` ones.
 */
import { isoDay } from '@sluice/host/iso-time';
import type { AgentId, BlockDigest, BlockId } from '@sluice/protocol/model';
import { Condition, type Value } from '@sluice/query/condition';
import { sqlString } from '@sluice/query/sql-text';
import { z } from 'zod';
import { deleteSql } from './log-table.ts';
import { MOVED_TABLE } from './schema.ts';
import type { StoreClient } from './store-client.ts';

/**
 * From the moment at which `held` is in the store to the first insert of the copy. A search that learned which copies are
 * hidden less than this ago cannot meet a copy that it should have hidden. Short, because moved records wait for it; and
 * longer than most searches take, because a longer one has to look again.
 */
export const HOLD_SETTLE_MS = 2_000;
/**
 * Copies that are not settled, at most: each search carries them all in its text. Beyond, moved blocks wait in the
 * journal. A thousand agents with a window of full blocks each stay below.
 */
export const MAX_MOVED_COPIES = 20_000;
/** Copies in one statement: a text below 256 KiB, what an engine takes by default, with the longest ids. */
export const MAX_COPIES_PER_STATEMENT = 500;
/** A delete rewrites a small part of each part of the table; on a large one that takes its time. */
const DELETE_TIMEOUT_MS = 300_000;

/** The columns that name a block, in the table of moved blocks and in the log table. */
export const ID_COLUMNS: readonly string[] = ['AgentId', 'BlockEpoch', 'BlockSequence', 'BlockDigest'];

export type CopyState = 'held' | 'kept' | 'settled';
const STATES: readonly CopyState[] = ['held', 'kept', 'settled'];

/** One server's copy of a block. */
export interface Copy {
  readonly id: BlockId;
  readonly serverId: string;
}

/** A copy as a row of the table needs it. */
export interface NewCopy extends Copy {
  readonly recordCount: number;
  /** Of the oldest record's observation, ms since 1970: where to look for the block. */
  readonly oldestObservedMs: number;
}

export interface MovedCopy extends NewCopy {
  readonly state: CopyState;
  /** Since its state was written last, by the store's clock. */
  readonly ageMs: number;
}

export interface MovedCopies {
  /** All copies that are not settled. */
  read(): Promise<readonly MovedCopy[]>;
  /** What is known of the server's own copies of the blocks, settled ones too. */
  readOwn(serverId: string, blocks: readonly BlockId[]): Promise<readonly MovedCopy[]>;
  /** Resolves when the states are durable. */
  write(copies: readonly NewCopy[], state: CopyState): Promise<void>;
  /** Takes copies out of the log table. */
  deleteCopies(copies: readonly Copy[]): Promise<void>;
  /** Removes rows that have been settled for longer than `ageMs`. */
  purge(ageMs: number): Promise<void>;
}

const row = z.object({
  AgentId: z.string(),
  BlockEpoch: z.coerce.number(),
  BlockSequence: z.coerce.number(),
  BlockDigest: z.string(),
  ServerId: z.string(),
  RecordCount: z.coerce.number(),
  observedMs: z.coerce.number(),
  state: z.coerce.number(),
  ageMs: z.coerce.number(),
});

/** The methods reject with the client's errors. */
export function createMovedCopies(client: Pick<StoreClient, 'command' | 'query'>): MovedCopies {
  const read = async (where: string, having: string): Promise<readonly MovedCopy[]> => {
    const rows = await client.query(
      `SELECT AgentId, BlockEpoch, BlockSequence, BlockDigest, ServerId, any(RecordCount) AS RecordCount,
  1000 * toUnixTimestamp(toDateTime(any(ObservedDay), 'UTC')) AS observedMs, max(State) AS state,
  greatest(0, dateDiff('millisecond', max(Changed), now64(3))) AS ageMs
FROM ${MOVED_TABLE} WHERE ${where}
GROUP BY AgentId, BlockEpoch, BlockSequence, BlockDigest, ServerId HAVING ${having}`,
      {},
      { settings: { max_query_size: '16000000' } },
    );
    return rows.map(readRow);
  };
  return {
    read: () => read('true', `state < ${numberOf('settled')}`),
    readOwn: async (serverId, blocks) => {
      const found: MovedCopy[] = [];
      for (const some of slices(blocks)) {
        found.push(
          ...(await read(
            Condition.all([
              Condition.equals('ServerId', serverId),
              Condition.isIn(ID_COLUMNS, some.map(idValues)),
            ]).sql,
            'true',
          )),
        );
      }
      return found;
    },
    write: async (copies, state) => {
      for (const some of slices(copies)) {
        const values = some.map(
          ({ id, serverId, recordCount, oldestObservedMs }) =>
            `(${idSql(id)}, ${sqlString(serverId)}, ${recordCount}, ` +
            `'${isoDay(oldestObservedMs)}', ${numberOf(state)})`,
        );
        await client.command(
          `INSERT INTO ${MOVED_TABLE} (${ID_COLUMNS.join(', ')}, ServerId, RecordCount, ObservedDay, State) VALUES ${values.join(', ')}`,
        );
      }
    },
    deleteCopies: async (unwanted) => {
      for (const some of slices(unwanted)) {
        const copies = some.map(({ id, serverId }) => [...idValues(id), serverId]);
        // Servers and numbers first: they rule out most rows before any tuple is put together.
        await client.command(
          deleteSql(
            Condition.all([
              Condition.isIn(
                ['ServerId'],
                [...new Set(some.map(({ serverId }) => serverId))].map((serverId) => [serverId]),
              ),
              Condition.isIn(
                ['BlockSequence'],
                some.map(({ id }) => [id.sequence]),
              ),
              Condition.isIn([...ID_COLUMNS, 'ServerId'], copies),
            ]),
          ),
          {},
          { timeoutMs: DELETE_TIMEOUT_MS },
        );
      }
    },
    purge: async (ageMs) => {
      const old = `State = ${numberOf('settled')} AND Changed < now64(3) - INTERVAL ${Math.ceil(ageMs / 1000)} SECOND`;
      const [found] = await client.query(`SELECT count() AS count FROM ${MOVED_TABLE} WHERE ${old}`);
      if (Number(found?.count ?? 0) === 0) return;
      // One row for each copy: an older state in another part must not come back when the newest row goes.
      await client.command(
        `OPTIMIZE TABLE ${MOVED_TABLE} FINAL`,
        {},
        { settings: { optimize_throw_if_noop: 1 } },
      );
      await client.command(`DELETE FROM ${MOVED_TABLE} WHERE ${old}`);
    },
  };
}

/** Text that names a copy. */
export function copyKey({ id, serverId }: Copy): string {
  return `${id.epoch}/${id.sequence}/${id.digest}/${serverId.length}/${serverId}/${id.agentId}`;
}

/** The values of {@link ID_COLUMNS}. */
export function idValues({ agentId, epoch, sequence, digest }: BlockId): readonly Value[] {
  return [agentId, epoch, sequence, digest];
}

/** SQL of a block's id, without parentheses; the same for no other block. */
function idSql(id: BlockId): string {
  return `${sqlString(id.agentId)}, ${id.epoch}, ${id.sequence}, ${sqlString(id.digest)}`;
}

function readRow(found: unknown): MovedCopy {
  const value = row.parse(found);
  return {
    // The id was branded when the row was written: this is where it comes back from the store.
    id: {
      agentId: value.AgentId as AgentId,
      epoch: value.BlockEpoch,
      sequence: value.BlockSequence,
      digest: value.BlockDigest as BlockDigest,
    },
    serverId: value.ServerId,
    recordCount: value.RecordCount,
    oldestObservedMs: value.observedMs,
    // A state of a newer program hides nothing that this one knows of.
    state: STATES[value.state - 1] ?? 'settled',
    ageMs: value.ageMs,
  };
}

function numberOf(state: CopyState): number {
  return STATES.indexOf(state) + 1;
}

function* slices<T>(all: readonly T[]): Generator<readonly T[], void, void> {
  for (let start = 0; start < all.length; start += MAX_COPIES_PER_STATEMENT) {
    yield all.slice(start, start + MAX_COPIES_PER_STATEMENT);
  }
}
