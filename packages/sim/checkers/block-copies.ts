/**
 * What a search shows of the store: each server's copies of a block, and what is known of them.
 */
import type { ServerId } from '@sluice/protocol/model';
import type { CopyState } from '../world.ts';

export class BlockCopies {
  readonly #stored = new Map<string, ServerId[]>();
  readonly #states = new Map<string, Map<ServerId, CopyState>>();

  stored(key: string, serverId: ServerId): void {
    this.#stored.set(key, [...(this.#stored.get(key) ?? []), serverId]);
  }

  deleted(key: string, serverId: ServerId): void {
    this.#stored.set(
      key,
      (this.#stored.get(key) ?? []).filter((other) => other !== serverId),
    );
  }

  /** States only grow. */
  marked(key: string, serverId: ServerId, state: CopyState): void {
    const states = this.#states.get(key) ?? new Map<ServerId, CopyState>();
    const before = states.get(serverId);
    if (before === undefined || before === 'held' || state === 'settled') states.set(serverId, state);
    this.#states.set(key, states);
  }

  /** Shown or not. */
  isStored(key: string): boolean {
    return (this.#stored.get(key)?.length ?? 0) > 0;
  }

  isVisible(key: string): boolean {
    return this.visibleCount(key) > 0;
  }

  visibleCount(key: string): number {
    const copies = this.#stored.get(key) ?? [];
    const states = this.#states.get(key);
    if (states === undefined) return copies.length;
    const kept = [...states].filter(([, state]) => state === 'kept').map(([serverId]) => serverId);
    const shown = kept.sort()[0];
    if (shown !== undefined) return copies.filter((serverId) => serverId === shown).length;
    return copies.filter((serverId) => states.get(serverId) !== 'held').length;
  }
}
