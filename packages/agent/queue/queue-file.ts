/**
 * What the queue's file is to the room in which all durable files are opened (packages/durable/open-durable.ts).
 *
 * Invariants: the agent keeps its name as long as file or ledger can be read; positions that are gone are taken from the ledger, so that
 * lines are read again rather than left out.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { BALLAST_FILE_NAME } from '@sluice/durable/ballast';
import type { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { type Consequences, claimOf, type Fault, missing } from '@sluice/durable/loss';
import { type DurableFileKind, type OpenedDurable, openDurable } from '@sluice/durable/open-durable';
import { isoTime } from '@sluice/host/iso-time';
import {
  beginRun,
  checkWanted,
  createIdentity,
  type QueueIdentity,
  readIdentity,
  restoreIdentity,
} from './identity.ts';
import { openQueueDatabases, QUEUE_DATABASES, type QueueDatabases } from './queue-databases.ts';
import { parseQueueState, type QueueLedgerState } from './queue-ledger.ts';
import { QUEUE_UPGRADES } from './queue-upgrade.ts';
import { QUEUE_FORMAT } from './stored.ts';

export const QUEUE_FILE_NAME = 'queue.mdb';
export const QUEUE_LEDGER_NAME = 'queue.ledger';

/** In place of a server whose name is lost; none may be named so, since names of servers have no spaces. */
const LOST_SERVER = '(lost by damage)';

/** @param agentId that the configuration names; left out, whatever the queue says */
export function queueFileKind(agentId?: string): DurableFileKind<QueueLedgerState, QueueIdentity> {
  return {
    ...{ fileName: QUEUE_FILE_NAME, ledgerName: QUEUE_LEDGER_NAME, formerLedgerName: 'queue.mark' },
    ...{ what: 'the queue', program: 'agent', promised: 'that no server had acknowledged' },
    ...{ databases: QUEUE_DATABASES, format: QUEUE_FORMAT, upgrades: QUEUE_UPGRADES },
    parseState: parseQueueState,
    // A queue of an earlier version has no ledger, but each has a ballast.
    wasUsed: (directory) => existsSync(path.join(directory, BALLAST_FILE_NAME)),
    identify: (environment, state) => identify(environment, state, agentId),
    settle: (environment, fault, state) => settle(openQueueDatabases(environment), fault, state, agentId),
  };
}

/**
 * Opens the queue's file, and begins a run of the agent. The caller holds the directory's lock.
 *
 * @throws SluiceError `state_newer`, `config_invalid`, `disk_full`, `state_corrupt`
 */
export async function openQueueFile(
  directory: string,
  agentId: string | undefined,
): Promise<OpenedDurable<QueueLedgerState, QueueIdentity>> {
  const opened = await openDurable(queueFileKind(agentId), directory);
  try {
    return { ...opened, identity: await beginRun(opened.environment, opened.identity) };
  } catch (error) {
    await opened.environment.close();
    throw error;
  }
}

/** Who the queue is, and the sequence that it goes on with: none that a block has, which would take its place. */
function identify(
  environment: DurableEnvironment,
  state: QueueLedgerState | undefined,
  wantedAgentId: string | undefined,
): QueueIdentity | undefined {
  const identity = readIdentity(environment);
  if (identity === undefined || (state !== undefined && identity.agentId !== state.agentId)) return undefined;
  checkWanted(environment.name, identity.agentId, wantedAgentId);
  const { headers, asideHeaders } = openQueueDatabases(environment);
  const nextSequence = Math.max(
    identity.nextSequence,
    state?.nextSequence ?? 1,
    (headers.lastKey ?? 0) + 1,
    (asideHeaders.lastKey ?? 0) + 1,
  );
  return { ...identity, nextSequence };
}

async function settle(
  databases: QueueDatabases,
  fault: Fault | undefined,
  state: QueueLedgerState | undefined,
  agentId: string | undefined,
): Promise<Consequences> {
  const { environment } = databases;
  const isNamed = identify(environment, state, agentId) !== undefined;
  if (!isNamed) {
    if (state === undefined) await createIdentity(environment, agentId);
    else await restoreIdentity(environment, state, agentId);
  }
  if (fault === undefined) return { blocks: 0, saved: 0, further: [] };
  if (fault.kind === 'damaged') return await settleDamaged(databases, fault, state, isNamed);
  await restorePositions(databases, state);
  if (state === undefined)
    return { blocks: 0, saved: 0, further: ['files are read from where a new agent begins'] };
  const { blocks, setAsideBlocks, positionsMs } = state;
  return {
    ...{ blocks: blocks + setAsideBlocks, saved: 0 },
    further: [
      ...(setAsideBlocks === 0 ? [] : [`${setAsideBlocks} of these were set aside`]),
      `files are read again from where they were read to at ${isoTime(positionsMs)}, so lines that were sent since then come twice`,
    ],
  };
}

async function settleDamaged(
  databases: QueueDatabases,
  { salvage }: Extract<Fault, { readonly kind: 'damaged' }>,
  state: QueueLedgerState | undefined,
  isNamed: boolean,
): Promise<Consequences> {
  const { headers, asideHeaders, checkpoints, inDoubt } = databases;
  const claim = (name: string): number | undefined => claimOf(salvage, name);
  const waiting = missing(headers.count, [claim('headers'), claim('payloads'), state?.blocks]);
  const setAside = missing(asideHeaders.count, [
    claim('aside-headers'),
    claim('aside-payloads'),
    state?.setAsideBlocks,
  ]);
  const positions = missing(checkpoints.count, [claim('checkpoints') ?? state?.positions.length]);
  // What cannot be counted may have been some.
  const doubts = missing(inDoubt.count, [claim('in-doubt') ?? inDoubt.count + 1]);
  if (positions > 0) await restorePositions(databases, state);
  if (doubts > 0) await doubtAllBlocks(databases);
  const further = [
    ...(setAside === 0 ? [] : [`${setAside} of these were set aside`]),
    ...(positions === 0
      ? []
      : [`${positions} read positions were lost, so lines of these files may come twice`]),
    ...(doubts === 0
      ? []
      : [
          'which servers may have some of the saved ones already is lost, so each is compared with the store first',
        ]),
    ...(isNamed ? [] : ['it does not say whose it is, that is taken from its ledger']),
  ];
  return { blocks: waiting + setAside, saved: headers.count, further };
}

/** Puts read positions back that are not there. Those of the ledger are older: lines are read again, none is left out. */
async function restorePositions(
  { environment, checkpoints }: QueueDatabases,
  state: QueueLedgerState | undefined,
): Promise<void> {
  const gone = (state?.positions ?? []).filter(({ key }) => checkpoints.get(key) === undefined);
  if (gone.length === 0) return;
  await environment.commitAgain((write) => {
    for (const { key, value } of gone) write.put(checkpoints, key, value);
  });
}

/**
 * Notes that name the server which may already have a block were lost. Each block gets one, so that the store is asked before it
 * is shown: sent without one, a block that such a server has would be stored twice.
 */
async function doubtAllBlocks({ environment, headers, inDoubt }: QueueDatabases): Promise<void> {
  const undoubted = [...headers.keys()].filter((sequence) => inDoubt.get(sequence) === undefined);
  await environment.commitAgain((write) => {
    for (const sequence of undoubted) write.put(inDoubt, sequence, LOST_SERVER);
  });
}
