/** The agent machine against a model of its own in this file, over arbitrary sequences of events. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentEffect } from './agent-events.ts';
import { timeMs } from './brand.ts';
import { placeOf } from './channel-order.ts';
import { block, server, TestAgent } from './machine-fixture.ts';
import type { BlockHeader, Grant } from './model.ts';
import { URGENCY_CLASSES, urgencyRank } from './model.ts';

const NAMES = ['S1', 'S2', 'S3'];
interface ModelChannel {
  readonly key: string;
  readonly server: string;
  readonly grant: string;
  readonly priority: number;
  readonly arrival: number;
  readonly number: number;
  readonly quotaBytes: number;
  readonly reserveBytes: number;
  readonly expiresAtMs: number;
  usedBytes: number;
  isTold: boolean;
}
const left = (channel: ModelChannel): number => channel.quotaBytes - channel.usedBytes;

/** Live channels and unsent blocks, kept from events and effects alone. Blocks are bound for ever: no time in doubt ends. */
class Model {
  channels: ModelChannel[] = [];
  readonly waiting = new Map<number, BlockHeader>();
  readonly inFlight = new Map<number, { header: BlockHeader; server: string }>();
  readonly held = new Set<number>();
  #arrivals = 0;

  grant(name: string, grant: Grant, nowMs: number): void {
    this.#arrivals += 1;
    for (const granted of grant.channels) {
      this.channels.push({
        ...{ key: `${name}/${grant.grantId}/${granted.channel}`, server: name, grant: grant.grantId },
        ...{ priority: granted.priority, arrival: this.#arrivals, number: granted.channel },
        ...{ quotaBytes: granted.quotaBytes, reserveBytes: granted.reservedForUrgentBytes },
        ...{ expiresAtMs: nowMs + grant.lifetimeMs, usedBytes: 0, isTold: false },
      });
    }
  }

  lose(name: string): void {
    this.channels = this.channels.filter((channel) => channel.server !== name);
    for (const [sequence, { header, server: at }] of this.inFlight) {
      if (at !== name) continue;
      this.inFlight.delete(sequence);
      this.waiting.set(sequence, header);
    }
  }

  sorted(nowMs: number): ModelChannel[] {
    this.channels = this.channels.filter((channel) => channel.expiresAtMs > nowMs);
    return this.channels.toSorted(
      (a, b) =>
        a.priority - b.priority ||
        placeOf('', server(a.server)) - placeOf('', server(b.server)) ||
        a.arrival - b.arrival ||
        a.number - b.number,
    );
  }

  fits(channel: ModelChannel, header: BlockHeader): boolean {
    const reserve = header.urgency === 'urgent' ? 0 : channel.reserveBytes;
    return left(channel) - reserve >= header.rawBytes;
  }

  /** The oldest of each class, for any server and for each that it is bound to. */
  firsts(boundTo: ReadonlyMap<number, string>): BlockHeader[] {
    const firsts = new Map<string, BlockHeader>();
    for (const other of this.waiting.values()) {
      const line = `${other.urgency}/${boundTo.get(other.id.sequence) ?? ''}`;
      const first = firsts.get(line);
      if (first === undefined || other.id.sequence < first.id.sequence) firsts.set(line, other);
    }
    return [...firsts.values()];
  }

  /** U9 and U24 in their own words: a channel counts that has room for a block that is next, the one that is sent included. */
  outranking(used: ModelChannel, sent: BlockHeader, boundTo: ReadonlyMap<number, string>): string[] {
    const next = [...this.firsts(boundTo), sent];
    const holds = (c: ModelChannel): boolean =>
      next.some((other) => (boundTo.get(other.id.sequence) ?? c.server) === c.server && this.fits(c, other));
    const highest = (name: string): number => {
      const grants = new Set(this.channels.filter((c) => c.server === name && holds(c)).map((c) => c.grant));
      return Math.min(
        ...this.channels
          .filter((c) => c.server === name && grants.has(c.grant) && c.quotaBytes > 0)
          .map((c) => c.priority),
      );
    };
    return NAMES.filter(
      (name) =>
        name !== used.server &&
        highest(name) < highest(used.server) &&
        this.channels.some((c) => c.server === name && holds(c) && c.priority > used.priority),
    );
  }

  /** A channel that is closed is one of this server, with what was sent on it. */
  #close({ serverId, request }: Extract<AgentEffect, { type: 'send_request' }>): void {
    for (const { grantId, channel, usedBytes } of request.closedChannels ?? []) {
      const key = `${serverId}/${grantId}/${channel}`;
      const closed = this.channels.find((other) => other.key === key);
      // One that expired is told afterwards.
      if (closed !== undefined) expect(usedBytes).toBe(closed.usedBytes);
      this.channels = this.channels.filter((other) => other !== closed);
    }
  }

  /** Checks sends and notices of one step; `bound` blocks only go to the server they were lost at. */
  check(effects: AgentEffect[], nowMs: number, boundTo: Map<number, string>): void {
    let notice: { readonly key: string; readonly named: string[] } | undefined;
    for (const effect of effects) {
      if (effect.type === 'send_notice') {
        const { grantId, channel, outrankedBy } = effect.notice;
        const named = outrankedBy.map((outranking) => String(outranking.serverId)).toSorted();
        notice = { key: `${effect.serverId}/${grantId}/${channel}`, named };
      }
      if (effect.type === 'send_request') this.#close(effect);
      if (effect.type !== 'send_block') continue;
      const order = this.sorted(nowMs);
      const header = effect.block;
      const key = `${effect.serverId}/${effect.grantId}/${effect.channel}`;
      const usable = (other: BlockHeader): ModelChannel[] => {
        const bound = boundTo.get(other.id.sequence);
        return order.filter((c) => (bound === undefined || bound === c.server) && this.fits(c, other));
      };
      // The channel lives, has quota, and is the highest that fits.
      expect(usable(header)[0]?.key).toBe(key);
      expect(this.waiting.has(header.id.sequence)).toBe(true);
      // No block of a more urgent class, first in its line, would have fitted anywhere.
      for (const other of this.firsts(boundTo)) {
        const rank = urgencyRank(other.urgency) - urgencyRank(header.urgency);
        if (rank < 0 || (rank === 0 && other.id.sequence < header.id.sequence))
          expect(usable(other)).toEqual([]);
      }
      const channel = order.find((other) => other.key === key);
      if (channel === undefined) continue;
      // At the first use that violates the priorities, and at no other.
      const outranking = channel.isTold ? [] : this.outranking(channel, header, boundTo);
      expect(notice?.named ?? []).toEqual(outranking);
      if (notice !== undefined) expect(notice.key).toBe(key);
      if (outranking.length > 0) channel.isTold = true;
      notice = undefined;
      channel.usedBytes += header.rawBytes;
      expect(channel.usedBytes).toBeLessThanOrEqual(channel.quotaBytes);
      this.waiting.delete(header.id.sequence);
      this.inFlight.set(header.id.sequence, { header, server: effect.serverId });
    }
    // Work conserving: nothing that is first in its line still fits.
    const order = this.sorted(nowMs);
    const lines = new Set<string>();
    for (const other of [...this.waiting.values()].toSorted((a, b) => a.id.sequence - b.id.sequence)) {
      const bound = boundTo.get(other.id.sequence);
      const line = `${other.urgency}/${bound ?? ''}`;
      if (lines.has(line)) continue;
      lines.add(line);
      expect(order.filter((c) => (bound ?? c.server) === c.server && this.fits(c, other))).toEqual([]);
    }
  }
}

const name = fc.constantFrom(...NAMES);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('seal' as const),
      urgency: fc.constantFrom(...URGENCY_CLASSES),
      rawBytes: fc.integer({ min: 1, max: 200 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('grant' as const),
      name,
      priorities: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
      quotaBytes: fc.integer({ min: 0, max: 400 }),
      reservedForUrgentBytes: fc.integer({ min: 0, max: 100 }),
      lifetimeMs: fc.integer({ min: 1, max: 120_000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), name }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  },
);

test('M6 M7 M8 M10 U4 U6 U7 U8 U9 U10 U12 property: any events keep the rules', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const agent = new TestAgent({
        ...{ minimumShares: { urgent: 0, elevated: 0, normal: 0, bulk: 0 } },
        ...{ stallTimeoutMs: 1e9, leastStallMs: 1e9, inDoubtTimeoutMs: 1e9, hedgeCreditBytes: 0 },
      });
      const model = new Model();
      const boundTo = new Map<number, string>();
      agent.connect(...NAMES);
      let sequence = 0;
      for (const one of actions) {
        const before = agent.effects.length;
        if (one.kind === 'seal') {
          sequence += 1;
          const header = block(sequence, one.urgency, one.rawBytes);
          model.waiting.set(sequence, header);
          model.held.add(sequence);
          agent.seal(header);
        } else if (one.kind === 'grant') {
          // A quiet time, so that there is a request to answer; what it sends is checked as any other.
          agent.nowMs += 20_000;
          agent.step({ type: 'woken' });
          model.check(agent.effects.slice(before), agent.nowMs, boundTo);
          const start = agent.effects.length;
          const { priorities, kind: _, name: at, ...rest } = one;
          model.grant(at, agent.grant(at, priorities, rest), agent.nowMs);
          model.check(agent.effects.slice(start), agent.nowMs, boundTo);
          continue;
        } else if (one.kind === 'acknowledge') {
          const flying = [...model.inFlight];
          const picked = flying[one.pick % Math.max(1, flying.length)];
          if (picked === undefined) continue;
          model.inFlight.delete(picked[0]);
          model.held.delete(picked[0]);
          const effects = agent.acknowledge(picked[1].server, picked[0]);
          expect(effects[0]).toEqual({ type: 'forget_block', blockId: picked[1].header.id });
        } else if (one.kind === 'lose') {
          for (const [lost, { server: at }] of model.inFlight) if (at === one.name) boundTo.set(lost, at);
          model.lose(one.name);
          agent.step({ type: 'server_disconnected', serverId: server(one.name) });
          agent.connect(one.name);
        } else if (one.kind === 'revoke') {
          model.channels = model.channels.filter((channel) => channel.server !== one.name);
          agent.step({ type: 'revoked', serverId: server(one.name) });
        } else agent.after(one.ms);
        model.check(agent.effects.slice(before), agent.nowMs, boundTo);
      }
      // Nothing lost, nothing forgotten without an acknowledgement.
      const backlog = agent.machine.view(timeMs(agent.nowMs)).backlog;
      expect(backlog.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(model.held.size);
      expect(agent.effects.filter(({ type }) => type === 'forget_block').length).toBe(
        sequence - model.held.size,
      );
    }),
    { numRuns: 500 },
  );
});
