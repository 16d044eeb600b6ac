/**
 * What the journal's file is to the room in which all durable files are opened (packages/durable/open-durable.ts), and what the
 * ledger beside it says.
 *
 * Invariant: a journal that lost anything gets a new name, so that no token of a batch is ever used again for other content.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { type Consequences, claimOf, type Fault, missing } from '@sluice/durable/loss';
import { type DurableFileKind, type OpenedDurable, openDurable } from '@sluice/durable/open-durable';
import { z } from 'zod';
import { JOURNAL_DATABASES, type JournalDatabases, openJournalDatabases } from './journal-databases.ts';
import { JOURNAL_FORMAT } from './journal-records.ts';
import { JOURNAL_UPGRADES } from './journal-upgrade.ts';

/** The file inside of the data directory. */
export const JOURNAL_FILE_NAME = 'journal.lmdb';
/**
 * Address space, not disk: the file grows as it is used. The overfill, as much again for what a commit replaces while
 * the old pages are still there, and room for the known blocks.
 */
const MAP_SIZE_FACTOR = 4;
const MAP_SIZE_BASE_BYTES = 1024 * 1024 * 1024;

const ASKS_STORE = 'what was taken before is forgotten, so the store is asked for what agents send again';

/** Which journal it is. */
export interface JournalIdentity {
  readonly instanceId: string;
  readonly nextBatch: number;
}

export interface JournalLedgerState {
  /** Blocks that were accepted and not yet in the store. */
  readonly blocks: number;
}

const stateSchema: z.ZodType<JournalLedgerState> = z.object({ blocks: z.int().min(0) });

const JOURNAL_FILE: DurableFileKind<JournalLedgerState, JournalIdentity> = {
  ...{ fileName: JOURNAL_FILE_NAME, ledgerName: 'journal.ledger', formerLedgerName: 'journal.mark' },
  ...{ what: 'the journal', program: 'server', promised: 'that were acknowledged and not yet in the store' },
  ...{ databases: JOURNAL_DATABASES, format: JOURNAL_FORMAT, upgrades: JOURNAL_UPGRADES },
  parseState: (value) => stateSchema.safeParse(value).data,
  // LMDB's own lock file stays: a journal of an earlier version has no ledger, but that.
  wasUsed: (directory) => existsSync(join(directory, `${JOURNAL_FILE_NAME}-lock`)),
  identify,
  settle: (environment, fault, state) => settle(openJournalDatabases(environment), fault, state),
};

/**
 * The caller holds the directory's lock.
 *
 * @throws SluiceError `state_newer`, `state_corrupt`, `config_invalid`, `disk_full`
 */
export async function openJournalFile(
  directory: string,
  maxRawBytes: number,
): Promise<OpenedDurable<JournalLedgerState, JournalIdentity>> {
  return await openDurable(JOURNAL_FILE, directory, maxRawBytes * MAP_SIZE_FACTOR + MAP_SIZE_BASE_BYTES);
}

function identify({ meta }: DurableEnvironment): JournalIdentity | undefined {
  const instanceId = meta.get('instance');
  const nextBatch = meta.get('next_batch');
  const isWhole =
    meta.get('format') === JOURNAL_FORMAT && typeof instanceId === 'string' && typeof nextBatch === 'number';
  return isWhole ? { instanceId, nextBatch } : undefined;
}

async function settle(
  databases: JournalDatabases,
  fault: Fault | undefined,
  state: JournalLedgerState | undefined,
): Promise<Consequences> {
  await beginAnew(databases.environment);
  if (fault === undefined) return { blocks: 0, saved: 0, further: [] };
  if (fault.kind === 'lost') return { blocks: state?.blocks ?? 0, saved: 0, further: [ASKS_STORE] };
  const { salvage } = fault;
  const [waiting, aside] = [claimOf(salvage, 'headers'), claimOf(salvage, 'set_aside')];
  const claimed = waiting === undefined || aside === undefined ? undefined : waiting + aside;
  const saved = databases.headers.count;
  const blocks = missing(saved + databases.setAside.count, [
    claimed,
    claimOf(salvage, 'payloads'),
    state?.blocks,
  ]);
  const hasForgotten = ['agents', 'known'].some((name) => {
    const { found, expected } = salvage.entries.get(name) ?? { found: 0, expected: undefined };
    return expected === undefined || found < expected;
  });
  // A part of it would say of what is missing that it never came; without any of it the store is asked.
  if (hasForgotten) await forgetKnown(databases);
  return { blocks, saved, further: hasForgotten ? [ASKS_STORE] : [] };
}

async function forgetKnown({ environment, agents, known }: JournalDatabases): Promise<void> {
  const agentKeys = [...agents.keys()].map((key) => Buffer.from(key));
  const knownKeys = [...known.getKeys()].map((key) => Buffer.from(key));
  await environment.commit((write) => {
    for (const key of agentKeys) write.remove(agents, key);
    for (const key of knownKeys) write.remove(known, key);
  });
}

/** With a name of its own, none of its tokens was ever used. */
async function beginAnew(environment: DurableEnvironment): Promise<void> {
  const { meta } = environment;
  await environment.commit((write) => {
    write.put(meta, 'format', JOURNAL_FORMAT);
    write.put(meta, 'instance', randomUUID());
    write.put(meta, 'next_batch', 1);
  });
}
