/**
 * Who the queue is: the agent id that names it, drawn once when it is created, and the epoch that names one run of the
 * agent.
 *
 * Invariant: no block is sealed before its epoch is on disk, and no two runs have the same, also when the directory was
 * copied or put back to an earlier state between them.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { SluiceError } from '@sluice/base/error';
import type { StateName } from '@sluice/durable/corrupt-state';
import type { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { type AgentId, MAX_ID_BYTES } from '@sluice/protocol/model';
import { asAgentId, metaSchema, QUEUE_FORMAT } from './stored.ts';

/** Room for the random part in a generated agent id. */
const MAX_HOST_PART_BYTES: number = MAX_ID_BYTES - 16;
/** `randomInt` allows ranges up to this; far more than enough that two runs of one agent id never share an epoch. */
const MAX_EPOCH: number = 2 ** 48 - 1;

export interface QueueIdentity {
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly nextSequence: number;
}

/** What the queue says that it is; undefined when it is new, or has lost a part of it. Throws SluiceError `state_corrupt`. */
export function readIdentity({ meta }: DurableEnvironment): QueueIdentity | undefined {
  const parsed = metaSchema.safeParse({
    format: meta.get('format'),
    agentId: meta.get('agentId'),
    epoch: meta.get('epoch'),
    nextSequence: meta.get('nextSequence'),
  });
  if (!parsed.success || parsed.data.format !== QUEUE_FORMAT) return undefined;
  const { agentId, epoch, nextSequence } = parsed.data;
  return { agentId: asAgentId(agentId), epoch, nextSequence };
}

/** Draws the identity of a new queue and makes it durable. Throws SluiceError `config_invalid`, `disk_full`. */
export async function createIdentity(
  environment: DurableEnvironment,
  wantedAgentId: string | undefined,
): Promise<QueueIdentity> {
  const agentId = wantedAgentId ?? drawAgentId();
  if (agentId.length === 0 || Buffer.byteLength(agentId) > MAX_ID_BYTES) {
    throw new SluiceError('config_invalid', `the agent id must have 1 to ${MAX_ID_BYTES} bytes`, {
      hint: 'Give a shorter agent id, or none to have one drawn from the host name.',
    });
  }
  return await writeIdentity(environment, { agentId, epoch: drawEpoch(), nextSequence: 1 });
}

/**
 * The identity of a queue whose file is gone or lost it: the agent's name stays. Its sequences go on far behind those that
 * may have been used.
 *
 * @throws SluiceError `config_invalid` (it belongs to another agent id), `disk_full`
 */
export async function restoreIdentity(
  environment: DurableEnvironment,
  noted: { readonly agentId: string; readonly epoch: number; readonly nextSequence: number },
  wantedAgentId: string | undefined,
): Promise<QueueIdentity> {
  checkWanted(environment.name, noted.agentId, wantedAgentId);
  return await writeIdentity(environment, {
    agentId: noted.agentId,
    // What was sent under the old one and is read again now has other blocks.
    epoch: drawEpoch(),
    nextSequence: noted.nextSequence,
  });
}

async function writeIdentity(
  environment: DurableEnvironment,
  identity: { readonly agentId: string; readonly epoch: number; readonly nextSequence: number },
): Promise<QueueIdentity> {
  const { agentId, epoch, nextSequence } = identity;
  await environment.commitAgain((write) => {
    write.put(environment.meta, 'agentId', agentId);
    write.put(environment.meta, 'epoch', epoch);
    write.put(environment.meta, 'nextSequence', nextSequence);
    write.put(environment.meta, 'format', QUEUE_FORMAT);
  });
  return { agentId: asAgentId(agentId), epoch, nextSequence };
}

/** @throws SluiceError `config_invalid` when the queue belongs to another agent than the configuration names */
export function checkWanted({ what }: StateName, agentId: string, wantedAgentId: string | undefined): void {
  if (wantedAgentId === undefined || wantedAgentId === agentId) return;
  throw new SluiceError(
    'config_invalid',
    `${what} belongs to agent "${agentId}", the configuration names "${wantedAgentId}"`,
    { hint: `Name the agent "${agentId}", or give "${wantedAgentId}" a data directory of its own.` },
  );
}

/** Draws the epoch of a new run and makes it durable. Throws SluiceError `disk_full`. */
export async function beginRun(
  environment: DurableEnvironment,
  known: QueueIdentity,
): Promise<QueueIdentity> {
  const epoch = drawEpoch();
  await environment.commitAgain((write) => {
    write.put(environment.meta, 'epoch', epoch);
  });
  return { ...known, epoch };
}

function drawEpoch(): number {
  return randomInt(1, MAX_EPOCH);
}

function drawAgentId(): string {
  const host = Buffer.from(hostname())
    .subarray(0, MAX_HOST_PART_BYTES)
    .toString('latin1')
    .replaceAll(/[^\w.-]/g, '-');
  return `${host === '' ? 'agent' : host}-${randomBytes(4).toString('hex')}`;
}
