/**
 * Asks the store which blocks it has, and from which servers. With it the loader leaves out what another server has loaded
 * (U14), and recognizes a batch of an earlier life whose token the store may have forgotten.
 *
 * Invariants: a copy counts as stored only when all of its records are, and when it has the same digest. Blocks from before
 * there were digests have none in the store; their position must do.
 */
import { isoDay } from '@sluice/host/iso-time';
import { blockKey, positionKey } from '@sluice/protocol/model';
import { Condition } from '@sluice/query/condition';
import { z } from 'zod';
import { LogStatement, WHOLE_TABLE } from '../store/log-table.ts';
import type { StoreClient } from '../store/store-client.ts';
import type { FindStoredBlocks, WantedBlock } from './batch-store.ts';

/** Blocks in one question: keeps the query's text far below the engine's limit of 256 KiB. */
const MAX_BLOCKS_PER_QUERY = 500;

const storedRow = z.object({
  position: z.string(),
  digest: z.string(),
  server: z.string(),
  records: z.coerce.number(),
});

/** Days and numbers first: they skip most of the table before any key is put together. */
const WANTED: Condition = Condition.ofSql(
  "toDate(ObservedTimestamp, 'UTC') >= {day:Date} AND BlockSequence IN {sequences:Array(UInt64)} AND AgentId IN {agents:Array(String)}",
);

/** The returned function rejects with the client's errors. */
export function findStoredBlocks(client: Pick<StoreClient, 'query'>): FindStoredBlocks {
  return async (blocks) => {
    const stored = new Map<string, string[]>();
    for (let start = 0; start < blocks.length; start += MAX_BLOCKS_PER_QUERY) {
      await findSome(client, blocks.slice(start, start + MAX_BLOCKS_PER_QUERY), stored);
    }
    return stored;
  };
}

async function findSome(
  client: Pick<StoreClient, 'query'>,
  blocks: readonly WantedBlock[],
  stored: Map<string, string[]>,
): Promise<void> {
  const wanted = new Map<string, WantedBlock[]>();
  for (const block of blocks) {
    const position = positionKey(block.id);
    wanted.set(position, [...(wanted.get(position) ?? []), block]);
  }
  const oldestMs = Math.min(...blocks.map((block) => block.oldestObservedMs));
  const parameters = {
    agents: [...new Set(blocks.map((block) => block.id.agentId))],
    sequences: [...new Set(blocks.map((block) => block.id.sequence))],
    positions: [...wanted.keys()],
    day: isoDay(oldestMs),
  };
  const finding = new LogStatement(
    WHOLE_TABLE,
    WANTED,
    (from) => `SELECT concat(AgentId, '/', toString(BlockEpoch), '/', toString(BlockSequence)) AS position,
  toString(BlockDigest) AS digest, toString(ServerId) AS server, count() AS records
${from}
GROUP BY position, digest, server HAVING position IN {positions:Array(String)}`,
  );
  const rows = await client.query(finding.sql, parameters);
  for (const row of rows) {
    const { position, digest, server, records } = storedRow.parse(row);
    for (const { id, recordCount } of wanted.get(position) ?? []) {
      if (records < recordCount || (digest !== '' && digest !== id.digest)) continue;
      const servers = stored.get(blockKey(id)) ?? [];
      if (!servers.includes(server)) stored.set(blockKey(id), [...servers, server]);
    }
  }
}
