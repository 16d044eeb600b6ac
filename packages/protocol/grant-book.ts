/**
 * The server's book of its live grants: what is outstanding, what was used, when each grant ends, and which may be asked back
 * (U2, U4, U17, U19).
 *
 * Invariants: quota is outstanding from the moment it is granted until it is used, closed, or its grant ends, and is counted
 * once; an agent has at most {@link MAX_GRANTS_PER_AGENT} grants.
 */
import { Fifo } from '@sluice/base/collections/fifo';
import type { Admission } from './admission.ts';
import { FIRST_HELD_BYTES, MAX_GRANTS_PER_AGENT, MAX_HELD_BYTES } from './limits.ts';
import type { ClosedChannel } from './model.ts';
import { Recall } from './recall.ts';
import type { Agent, GivenChannel, GivenGrant, Holding } from './server-state.ts';
import { leftBytes } from './server-state.ts';

export class GrantBook {
  readonly #admission: Admission;
  /** Grants in the order of their end (all live equally long). */
  readonly #ends = new Fifo<Holding>();
  readonly #recall = new Recall();
  #outstandingBytes = 0;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** Granted to all agents and not used, in raw bytes. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /** When the next grant ends here, its grace included, or is taken back; Infinity when there is none. */
  get nextEndMs(): number {
    return Math.min(
      this.#ends.first?.grant.takenUntilMs ?? Number.POSITIVE_INFINITY,
      this.#recall.takenBackAtMs,
    );
  }

  /** When there may be more to ask back than before; Infinity when time alone does not tell. */
  get recallDueMs(): number {
    return this.#recall.dueMs;
  }

  /** Enters a new grant. That of an agent with nothing waiting counts against the operator's limit only as it is used. */
  give(agent: Agent, grant: GivenGrant, nowMs: number): void {
    const bytes = leftBytes(grant);
    if (!grant.isIdle) this.#admission.charge(bytes);
    agent.grants.set(grant.grantId, grant);
    if (agent.grants.size > MAX_GRANTS_PER_AGENT) this.#endOne(agent);
    agent.outstandingBytes += bytes;
    this.#outstandingBytes += bytes;
    grant.end = this.#ends.add({ agent, grant });
    this.#recall.given(agent, grant, nowMs);
  }

  /** A block came on the channel, within its quota. */
  use(agent: Agent, grant: GivenGrant, channel: GivenChannel, rawBytes: number, nowMs: number): void {
    channel.usedBytes += rawBytes;
    agent.heldMostBytes = Math.min(MAX_HELD_BYTES, agent.heldMostBytes + rawBytes);
    grant.lastUsedMs = nowMs;
    this.#release(agent, grant, rawBytes);
    if (grant.isIdle) this.#admission.charge(rawBytes);
  }

  /** U2: the agent sends no more on the channel than it says; what is on its way is still taken. */
  close(agent: Agent, closed: ClosedChannel): void {
    const grant = agent.grants.get(closed.grantId);
    const channel = grant?.channels.find(({ granted }) => granted.channel === closed.channel);
    if (grant === undefined || channel === undefined) return;
    const finalBytes = Math.max(channel.usedBytes, Math.min(closed.usedBytes, channel.quotaBytes));
    this.#cut(agent, grant, channel, finalBytes);
  }

  /** Ends the grants whose lifetime and grace are over, and those that were asked back and not given back (U17). */
  expire(nowMs: number): void {
    for (let end = this.#ends.first; end !== undefined; end = this.#ends.first) {
      if (end.grant.takenUntilMs > nowMs) break;
      this.#wasted(end);
      this.#end(end.agent, end.grant);
    }
    for (
      let late = this.#recall.unanswered(nowMs);
      late !== undefined;
      late = this.#recall.unanswered(nowMs)
    ) {
      this.#wasted(late);
      this.#end(late.agent, late.grant);
    }
  }

  /** The agent's connection is gone: nothing more comes on its grants. */
  endAll(agent: Agent): void {
    for (const grant of agent.grants.values()) this.#end(agent, grant);
  }

  /** U17: unused grants, so that `wantedBytes` are on their way back. Each is returned once. */
  askBack(wantedBytes: number, nowMs: number): readonly Holding[] {
    return this.#recall.next(wantedBytes, nowMs);
  }

  /** A grant that ends mostly unused says that its agent sends less than it asks for. */
  #wasted({ agent, grant }: Holding): void {
    const givenBytes = grant.channels.reduce((sum, { granted }) => sum + granted.quotaBytes, 0);
    if (grant.isIdle || leftBytes(grant) * 2 <= givenBytes) return;
    agent.heldMostBytes = Math.max(FIRST_HELD_BYTES, agent.heldMostBytes / 2);
  }

  /** The oldest grant that is used up, or else the oldest: its agent keeps fewer than there are now. */
  #endOne(agent: Agent): void {
    const [oldest] = agent.grants.values();
    const usedUp = agent.grants.values().find((grant) => leftBytes(grant) === 0);
    const ending = usedUp ?? oldest;
    if (ending !== undefined) this.#end(agent, ending);
  }

  /** No more comes on the grant: what is left of it is room for others. */
  #end(agent: Agent, grant: GivenGrant): void {
    agent.grants.delete(grant.grantId);
    if (grant.end !== undefined) this.#ends.remove(grant.end);
    for (const channel of grant.channels) this.#cut(agent, grant, channel, channel.usedBytes);
    this.#recall.ended(grant);
  }

  /** Quota of a channel that is never used: room for others, and the limit gets it back. */
  #cut(agent: Agent, grant: GivenGrant, channel: GivenChannel, finalBytes: number): void {
    const unusedBytes = channel.quotaBytes - finalBytes;
    channel.quotaBytes = finalBytes;
    this.#release(agent, grant, unusedBytes);
    if (!grant.isIdle) this.#admission.charge(-unusedBytes);
  }

  /** Quota that is used, or will never be, is not outstanding any more. */
  #release(agent: Agent, grant: GivenGrant, bytes: number): void {
    agent.outstandingBytes -= bytes;
    this.#outstandingBytes -= bytes;
    this.#recall.released(grant, bytes);
  }
}
