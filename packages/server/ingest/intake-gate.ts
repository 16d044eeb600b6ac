/**
 * Bounds the payload bytes between arrival and durability, per agent and in all. A stream that must wait reads
 * nothing meanwhile, and HTTP/2 flow control holds its sender.
 *
 * Invariants: neither bound is passed, but for one block of an agent that holds nothing (so that no block can wait for
 * ever); a waiting agent does not hold up another; within one agent, first come first served.
 */
import type { AgentId } from '@sluice/protocol/model';

interface Waiter {
  readonly agentId: AgentId;
  readonly bytes: number;
  readonly enter: (leave: () => void) => void;
}

export class IntakeGate {
  readonly #perAgentBytes: number;
  readonly #totalBytes: number;
  readonly #held = new Map<AgentId, number>();
  #heldTotal = 0;
  #waiters: Waiter[] = [];

  /** Both bounds in bytes. */
  constructor(perAgentBytes: number, totalBytes: number) {
    this.#perAgentBytes = perAgentBytes;
    this.#totalBytes = totalBytes;
  }

  /** Bytes inside now. */
  get heldBytes(): number {
    return this.#heldTotal;
  }

  /** Waits for room; the returned function gives it back (calling it again does nothing). */
  enter(agentId: AgentId, bytes: number): (() => void) | Promise<() => void> {
    if (this.#waiters.length === 0 && this.#hasRoom(agentId, bytes)) return this.#take(agentId, bytes);
    const { promise, resolve } = Promise.withResolvers<() => void>();
    this.#waiters.push({ agentId, bytes, enter: resolve });
    this.#admit();
    return promise;
  }

  #hasRoom(agentId: AgentId, bytes: number): boolean {
    const held = this.#held.get(agentId) ?? 0;
    if (this.#heldTotal === 0) return true;
    return (held === 0 || held + bytes <= this.#perAgentBytes) && this.#heldTotal + bytes <= this.#totalBytes;
  }

  #take(agentId: AgentId, bytes: number): () => void {
    this.#held.set(agentId, (this.#held.get(agentId) ?? 0) + bytes);
    this.#heldTotal += bytes;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#heldTotal -= bytes;
      const held = (this.#held.get(agentId) ?? 0) - bytes;
      if (held > 0) this.#held.set(agentId, held);
      else this.#held.delete(agentId);
      if (this.#waiters.length > 0) this.#admit();
    };
  }

  #admit(): void {
    const passed = new Set<AgentId>();
    this.#waiters = this.#waiters.filter((waiter) => {
      // An agent whose earlier block waits keeps its order.
      if (passed.has(waiter.agentId) || !this.#hasRoom(waiter.agentId, waiter.bytes)) {
        passed.add(waiter.agentId);
        return true;
      }
      waiter.enter(this.#take(waiter.agentId, waiter.bytes));
      return false;
    });
  }
}
