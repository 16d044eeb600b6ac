/**
 * U3, U4, U8, U11, U12, U17, U21 at the server: what it grants, takes, refuses and acknowledges, against books of its own.
 *
 * Invariants: outstanding quota, what is being written and what the journal holds are counted from events alone; every
 * request is answered in bounded time; every block that arrived is answered as the books say, at the place where it came.
 */
import {
  DEFER_TIMEOUT_MS,
  GRANT_GRACE_MS,
  MAX_GRANTS_RECALLED_AT_ONCE,
  MAX_URGENT_RESERVE_BYTES,
  RECALL_UNUSED_MS,
  URGENT_RESERVE_FRACTION,
} from '@sluice/protocol/limits';
import type { AgentId, Grant, GrantId } from '@sluice/protocol/model';
import { blockKey, MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import type { ServerEffect } from '@sluice/protocol/server-events';
import type { Observation } from '../world.ts';
import { AdmissionModel } from './admission.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';
import { ServerBooks } from './server-books.ts';

/** Timers may ring this late. */
const SLACK_MS = 5;

interface Watched {
  readonly books: ServerBooks;
  readonly admission: AdmissionModel;
}

export class GrantingChecker implements Checker {
  readonly #servers = new Map<string, Watched>();
  /** Raw bytes that each journal holds, over all lives of its server. */
  readonly #held = new Map<string, number>();

  observe(observation: Observation): void {
    switch (observation.type) {
      case 'server_started': {
        const books = new ServerBooks(observation.shape);
        this.#servers.set(observation.serverId, { books, admission: new AdmissionModel(books) });
        return;
      }
      case 'server_ended':
        this.#servers.delete(observation.serverId);
        return;
      case 'block_journaled':
      case 'block_unjournaled': {
        const sign = observation.type === 'block_journaled' ? 1 : -1;
        const held = this.#held.get(observation.serverId) ?? 0;
        this.#held.set(observation.serverId, held + sign * observation.header.rawBytes);
        return;
      }
      case 'server_step': {
        const server = this.#servers.get(observation.serverId);
        if (server !== undefined) this.#step(observation.serverId, server, observation);
        return;
      }
      default:
    }
  }

  #step(
    serverId: string,
    server: Watched,
    { event, effects }: Extract<Observation, { type: 'server_step' }>,
  ): void {
    const { books, admission } = server;
    const unusedBytes = books.passTime(event.atMs);
    admission.passTime();
    if (unusedBytes > 0) admission.charge(-unusedBytes);
    if (event.type === 'agent_connected' || event.type === 'agent_disconnected')
      admission.charge(-books.unusedOf(event.agentId));
    const { answers, usedOfIdleBytes, durableBytes, closedBytes } = books.take(event);
    if (closedBytes > 0) admission.charge(-closedBytes);
    if (usedOfIdleBytes > 0) admission.charge(usedOfIdleBytes);
    if (durableBytes > 0) admission.durable(durableBytes);
    if (event.type === 'journal_room_changed') admission.room(event.roomBytes);
    admission.judgeLoad();
    const given = effects.flatMap((effect) => answerOf(effect) ?? []).sort();
    if (answers.toSorted().join() !== given.join()) {
      fail(
        'answer',
        `${serverId} answered ${given.join() || 'nothing'} to ${event.type}, not ${answers.join() || 'nothing'}`,
      );
    }
    for (const effect of effects) {
      if (effect.type === 'send_grant') this.#grant(serverId, server, effect.agentId, effect.grant);
      if (effect.type === 'revoke' && effect.grantId !== undefined)
        recall(`${serverId} recalls ${effect.grantId} of ${effect.agentId}`, books, effect);
    }
    admission.left(serverId);
    if (event.type === 'woken' && books.isWaitedFor && books.recallingCount === 0) {
      const idle = books.unusedSince(books.nowMs - 2 * RECALL_UNUSED_MS - SLACK_MS);
      if (idle !== undefined) fail('recall', `${serverId} does not ask back ${idle}, while others wait`);
    }
    for (const [agentId, { request }] of books.agents) {
      if (request === undefined) continue;
      if (books.isDraining)
        fail('answer', `${serverId} drains and leaves the request of ${agentId} without an answer`);
      if (event.type === 'woken' && books.nowMs > request.sinceMs + DEFER_TIMEOUT_MS + SLACK_MS)
        fail('answer', `${serverId} did not answer the request of ${agentId} in ${DEFER_TIMEOUT_MS} ms`);
    }
  }

  #grant(serverId: string, { books, admission }: Watched, agentId: AgentId, grant: Grant): void {
    const agent = books.agents.get(agentId);
    const what = `${serverId} gave ${agentId} ${grant.grantId}`;
    if (agent === undefined || agent.request?.content.requestId !== grant.requestId)
      fail('grant', `${what} in answer to no request of its`);
    if (grant.channels.length === 0) {
      admission.refusal(what, agent, grant);
      agent.request = undefined;
      return;
    }
    if (books.isDraining) fail('grant', `${what} while it drains`);
    admission.grant(what, agent, grant);
    checkChannels(what, books, admission.isLoaded, agentId, grant);
    if (agent.grants.has(grant.grantId)) fail('grant', `${what} twice`);
    admission.charge(-books.gave(agent, grant, books.nowMs + grant.lifetimeMs + GRANT_GRACE_MS));
    const promisedBytes = (this.#held.get(serverId) ?? 0) + books.promisedBytes;
    if (promisedBytes > books.shape.journalBytes) {
      fail('room', `${what} and has promised ${promisedBytes} of ${books.shape.journalBytes} bytes`);
    }
  }
}

/** U17: quota is asked back once, when it lies unused and somebody waits for room; never from an agent with nothing waiting. */
function recall(
  what: string,
  books: ServerBooks,
  { agentId, grantId }: { readonly agentId: AgentId; readonly grantId?: GrantId },
): void {
  const grant = grantId === undefined ? undefined : books.agents.get(agentId)?.grants.get(grantId);
  if (!books.isWaitedFor) fail('recall', `${what}, and nobody waits`);
  if (grant === undefined || grant.isIdle || grant.isRecalled)
    fail('recall', `${what}, which is not to be recalled`);
  if (books.nowMs < grant.lastUsedMs + RECALL_UNUSED_MS) fail('recall', `${what}, which is in use`);
  books.recalled(grant);
  if (books.recallingCount > MAX_GRANTS_RECALLED_AT_ONCE) fail('recall', `${what}, and too many others`);
}

/** Priorities (U11, U17), quotas within what is configured, and the reserve for the urgent (U8). */
function checkChannels(
  what: string,
  books: ServerBooks,
  isLoaded: boolean,
  agentId: AgentId,
  grant: Grant,
): void {
  const { shape } = books;
  const configured = shape.channels.toSorted((a, b) => a.priority - b.priority);
  const distance = books.agents.get(agentId)?.isRemote === true ? shape.remoteOffset : 0;
  const offset = shape.priorityOffset + (isLoaded ? shape.loadedOffset : 0) + distance;
  const shift = Math.max(books.yieldOf(agentId), offset);
  // U24: a lower channel holds the largest of the blocks that are next, or is not there.
  const backlog = books.agents.get(agentId)?.request?.content.backlog ?? [];
  const nextBytes = backlog.map(({ rawBytes, nextBlockRawBytes }) => nextBlockRawBytes ?? rawBytes);
  const laneBytes = Math.min(MAX_BLOCK_RAW_BYTES, Math.max(0, ...nextBytes));
  for (const [index, { priority, quotaBytes, reservedForUrgentBytes }] of grant.channels.entries()) {
    const channel = configured[index];
    if (channel === undefined || priority !== channel.priority + shift)
      fail('rank', `${what} with priority ${priority}, not ${channel?.priority} moved by ${shift}`);
    if (index > 0 && quotaBytes < laneBytes)
      fail('grant', `${what} with ${quotaBytes} bytes on a channel, where no block of ${laneBytes} fits`);
    if (quotaBytes > channel.quotaBytes) fail('grant', `${what} with more than its configured quota`);
    const mostReserved =
      index > 0 ? 0 : Math.min(quotaBytes * URGENT_RESERVE_FRACTION, MAX_URGENT_RESERVE_BYTES);
    if (reservedForUrgentBytes > mostReserved)
      fail('grant', `${what} with a reserve of ${reservedForUrgentBytes}`);
    const spareBytes = quotaBytes - MAX_BLOCK_RAW_BYTES;
    if (spareBytes >= 0 && spareBytes < reservedForUrgentBytes)
      fail('grant', `${what} with a reserve that leaves no room for a full block`);
    if (index === 0 && reservedForUrgentBytes < Math.min(Math.floor(mostReserved), spareBytes))
      fail('grant', `${what} with a reserve of only ${reservedForUrgentBytes} of ${quotaBytes}`);
  }
}

function answerOf(effect: ServerEffect): string | undefined {
  switch (effect.type) {
    case 'acknowledge_block':
    case 'refuse_block': {
      const { agentId, blockId, grantId, channel } = effect;
      const verb = effect.type === 'refuse_block' ? 'refuse' : 'acknowledge';
      return `${verb} ${blockKey(blockId)} ${agentId}/${grantId}/${channel}`;
    }
    case 'journal_block':
      return `journal ${blockKey(effect.blockId)} ${effect.priority}`;
    case 'revoke':
      return effect.grantId === undefined ? `revoke ${effect.agentId}` : undefined;
    case 'record_notice':
      return 'noticed';
    case 'send_grant':
    case 'wake_at':
      return undefined;
    default:
      return effect satisfies never;
  }
}

function fail(checker: string, message: string): never {
  throw new CheckFailure(checker, message);
}
