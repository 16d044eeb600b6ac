/**
 * M1's end: what the agent holds. Blocks wait per class, for any server or bound to one (U14), are in flight, or gone.
 *
 * Invariants: each entry is in exactly one place; waiting bytes and records are those of `waiting` and `bound` blocks;
 * no operation but `unacknowledged` scans the blocks; what a block leaves behind in the places where it was is forgotten
 * with it (U19), however often servers come and go.
 */

import type { Handle } from '@sluice/base/collections/handle';
import { RemovalHeap } from '@sluice/base/collections/removal-heap';
import type { BlockEntry, Channel, Flight, Release } from './agent-state.ts';
import type { BlockHeap } from './block-heap.ts';
import { createBlockHeap } from './block-heap.ts';
import { MAX_SERVERS_REMEMBERED } from './limits.ts';
import type { PaceMark } from './link-pace.ts';
import type { BlockHeader, BlockId, ClassBacklog, ServerId, UrgencyClass } from './model.ts';
import { blockKey, URGENCY_CLASSES, urgencyRank } from './model.ts';
import { WaitingBlocks } from './waiting-blocks.ts';

interface Totals {
  recordCount: number;
  rawBytes: number;
}

export class Backlog {
  readonly #entries = new Map<string, BlockEntry>();
  readonly #waiting = URGENCY_CLASSES.map(() => new WaitingBlocks());
  /** Servers that blocks are bound to, with the blocks by rank. */
  readonly #bound = new Map<ServerId, BlockHeap[]>();
  /** Unsent blocks by rank. */
  readonly #unsent: Totals[] = URGENCY_CLASSES.map(() => ({ recordCount: 0, rawBytes: 0 }));
  /** Of the bound blocks, the next first. */
  readonly #releases = new RemovalHeap<Release>((a, b) => a.atMs < b.atMs);

  /** A new block; undefined when it is known already. */
  add(header: BlockHeader): BlockEntry | undefined {
    const key = blockKey(header.id);
    if (this.#entries.has(key)) return undefined;
    const entry: BlockEntry = {
      header,
      rank: urgencyRank(header.urgency),
      place: 'gone',
      boundTo: undefined,
      flights: [],
      doubts: [],
      doubtUntilMs: Number.NEGATIVE_INFINITY,
      foundInDoubtAt: undefined,
      handle: undefined,
      release: undefined,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  find(id: BlockId): BlockEntry | undefined {
    return this.#entries.get(blockKey(id));
  }

  /** The block may go to any server. */
  toWaiting(entry: BlockEntry): void {
    this.#leave(entry);
    entry.place = 'waiting';
    this.#count(entry, 1);
    entry.handle = this.#waiting[entry.rank]?.add(entry);
  }

  /** The server may have the block durable; another copy of it is on its way elsewhere. */
  doubt(entry: BlockEntry, serverId: ServerId): void {
    addDoubt(entry, serverId);
  }

  /** The block may be durable at the server: it waits for that server until `releaseAtMs` (U14). */
  toBound(entry: BlockEntry, serverId: ServerId, releaseAtMs: number): void {
    this.#leave(entry);
    entry.place = 'bound';
    entry.boundTo = serverId;
    addDoubt(entry, serverId);
    this.#count(entry, 1);
    let heaps = this.#bound.get(serverId);
    if (heaps === undefined) {
      heaps = URGENCY_CLASSES.map(createBlockHeap);
      this.#bound.set(serverId, heaps);
    }
    entry.handle = heaps[entry.rank]?.add(entry);
    entry.doubtUntilMs = releaseAtMs;
    entry.release = this.#releases.add({ entry, atMs: releaseAtMs });
  }

  /** A copy of the block is sent on the channel: the first, or a second one beside it. */
  toInFlight(entry: BlockEntry, channel: Channel, mark: PaceMark, isHedge: boolean): void {
    if (entry.place !== 'in_flight') this.#leave(entry);
    entry.place = 'in_flight';
    const flight: Flight = { entry, channel, mark, isHedge };
    entry.flights.push(flight);
    channel.inFlight.add(flight);
    channel.server.inFlightCount += 1;
    channel.server.inFlightBytes += entry.header.rawBytes;
    if (entry.rank === 0) channel.server.urgentInFlightBytes += entry.header.rawBytes;
    if (entry.rank === 0 && !isHedge) channel.server.urgentFlights.add(flight);
  }

  /** A copy is not awaited any more. Its block is in no place until the caller says where, if this was the only one. */
  land(flight: Flight): void {
    const { entry, channel } = flight;
    if (!channel.inFlight.delete(flight)) return;
    channel.server.inFlightCount -= 1;
    channel.server.inFlightBytes -= entry.header.rawBytes;
    if (entry.rank === 0) channel.server.urgentInFlightBytes -= entry.header.rawBytes;
    channel.server.urgentFlights.delete(flight);
    entry.flights.splice(entry.flights.indexOf(flight), 1);
  }

  /** Acknowledged or set aside. */
  forget(entry: BlockEntry): void {
    this.#leave(entry);
    entry.place = 'gone';
    this.#entries.delete(blockKey(entry.header.id));
  }

  /** Lets blocks go to any server whose time in doubt is over. */
  release(nowMs: number): void {
    const isDue = (next: Release | undefined): next is Release => next !== undefined && next.atMs <= nowMs;
    for (let next = this.#releases.first; isDue(next); next = this.#releases.first)
      this.toWaiting(next.entry);
  }

  /** When the next block's time in doubt is over; Infinity when none is. */
  get nextReleaseMs(): number {
    return this.#releases.first?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** The oldest block of a class that may go to any server. */
  firstWaiting(rank: number): BlockEntry | undefined {
    return this.#waiting[rank]?.first;
  }

  /** The same of each of a few sizes. */
  firstWaitingOfSizes(rank: number): BlockEntry[] {
    return this.#waiting[rank]?.firstOfSizes ?? [];
  }

  /** The oldest block of a class that must go to this server. */
  firstBound(serverId: ServerId, rank: number): BlockEntry | undefined {
    return this.#bound.get(serverId)?.[rank]?.first;
  }

  /** The blocks of a class that are next at this server: the oldest for any server, and the oldest bound to this one. */
  firstsAt(serverId: ServerId, rank: number): BlockEntry[] {
    return [this.firstWaiting(rank), this.firstBound(serverId, rank)].filter((entry) => entry !== undefined);
  }

  /** Ranks of the classes with unsent blocks, most urgent first. */
  get waitingRanks(): number[] {
    return [...URGENCY_CLASSES.keys()].filter((rank) => this.waits(rank));
  }

  /** Whether the class has unsent blocks. */
  waits(rank: number): boolean {
    return (this.#unsent[rank]?.rawBytes ?? 0) > 0;
  }

  /** Raw bytes that are not sent, over all classes. */
  get unsentBytes(): number {
    return this.#unsent.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  }

  /** What is not sent, per class that waits, with the block of each class that is next (U2). */
  unsent(nowMs: number): ClassBacklog[] {
    // Also of servers that were never connected in this life: blocks found in doubt wait for them.
    const ids = [...this.#bound.keys()];
    const backlog: ClassBacklog[] = [];
    for (const [rank, urgency] of URGENCY_CLASSES.entries()) {
      const totals = this.#unsent[rank];
      if (totals === undefined || totals.rawBytes === 0) continue;
      const first = [this.firstWaiting(rank), ...ids.map((serverId) => this.firstBound(serverId, rank))];
      let oldestMs = nowMs;
      let nextBlockRawBytes = 0;
      for (const entry of first) {
        if (entry === undefined) continue;
        oldestMs = Math.min(oldestMs, entry.header.oldestObservedMs);
        nextBlockRawBytes = Math.max(nextBlockRawBytes, entry.header.rawBytes);
      }
      backlog.push({ urgency, ...totals, oldestAgeMs: nowMs - oldestMs, nextBlockRawBytes });
    }
    return backlog;
  }

  /** What no server has acknowledged, per class that has any. Scans: for people to look at. */
  unacknowledged(nowMs: number): ClassBacklog[] {
    const sums = new Map<UrgencyClass, ClassBacklog>();
    for (const { header } of this.#entries.values()) {
      const before = sums.get(header.urgency);
      sums.set(header.urgency, {
        urgency: header.urgency,
        recordCount: (before?.recordCount ?? 0) + header.recordCount,
        rawBytes: (before?.rawBytes ?? 0) + header.rawBytes,
        oldestAgeMs: Math.max(before?.oldestAgeMs ?? 0, nowMs - header.oldestObservedMs),
      });
    }
    return URGENCY_CLASSES.flatMap((urgency) => sums.get(urgency) ?? []);
  }

  #leave(entry: BlockEntry): void {
    if (entry.place === 'waiting' || entry.place === 'bound') this.#count(entry, -1);
    if (entry.handle !== undefined) this.#leaveHeap(entry, entry.handle);
    if (entry.release !== undefined) this.#releases.remove(entry.release);
    entry.handle = undefined;
    entry.release = undefined;
    for (const flight of [...entry.flights]) this.land(flight);
    entry.boundTo = undefined;
  }

  #leaveHeap(entry: BlockEntry, handle: Handle<BlockEntry>): void {
    const { boundTo, rank } = entry;
    if (boundTo === undefined) {
      this.#waiting[rank]?.remove(entry, handle);
      return;
    }
    const heaps = this.#bound.get(boundTo);
    heaps?.[rank]?.remove(handle);
    if (heaps?.every(({ size }) => size === 0) === true) this.#bound.delete(boundTo);
  }

  #count(entry: BlockEntry, sign: 1 | -1): void {
    const totals = this.#unsent[entry.rank];
    if (totals === undefined) return;
    totals.recordCount += sign * entry.header.recordCount;
    totals.rawBytes += sign * entry.header.rawBytes;
  }
}

function addDoubt(entry: BlockEntry, serverId: ServerId): void {
  if (entry.doubts.at(-1) === serverId) return;
  const others = entry.doubts.filter((other) => other !== serverId);
  entry.doubts = [...others.slice(-(MAX_SERVERS_REMEMBERED - 1)), serverId];
}
