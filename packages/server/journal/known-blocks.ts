/**
 * Remembers the digests of the blocks that were accepted, also after they are loaded and deleted: the reason why a block
 * that is sent again, after whatever crash, is acknowledged again and stored no second time, and why nothing is acknowledged
 * that only has the position of a block that was.
 *
 * Per (agent, epoch) there is a mark (below it digests may have been forgotten) and one list of digests for each range of
 * POSITIONS_PER_CHUNK sequences that has a block. A position may have several digests: each content that came for it. A
 * list is small, so the durable write of one block is bounded, whatever the pattern is (with several servers each sees a
 * sieve of the sequences).
 *
 * Invariants: memory is a mirror of what the journal writes; this module does no I/O; everything is bounded by the
 * constants below; what was forgotten is `unsure`, never `known` and never `new`.
 */

import { DIGEST_BYTES, digestBytes } from '@sluice/block/digest';
import type { AgentId, BlockDigest, BlockId } from '@sluice/protocol/model';

/** Sequences in one list: about 1 KiB when it is full, small enough to be rewritten with every commit. */
export const POSITIONS_PER_CHUNK = 64;
/** An entry of a list: the place of the position in its range, and the digest. */
export const KNOWN_ENTRY_BYTES: number = 1 + DIGEST_BYTES;
/**
 * Digests in one list: four contents for each position. Only somebody who takes an agent's name gets here; the list is then
 * forgotten, and what it said becomes a question to the store.
 */
export const MAX_ENTRIES_PER_CHUNK: number = 4 * POSITIONS_PER_CHUNK;
/**
 * Lists in memory over all agents: 64 MiB and a little more. An agent in order needs a few, so this is room for more agents
 * than one server can serve. Beyond it, the run that has been silent for longest is forgotten first.
 */
const MAX_KNOWN_CHUNKS = 65_536;
/**
 * Runs that are remembered, also those whose lists are all settled: each start of an agent is one. As many as lists, since a run
 * in order has one at least; about 20 MiB. Beyond it, the one that has been silent for longest is forgotten.
 */
const MAX_KNOWN_RUNS = 65_536;
/**
 * Lists of one run of an agent: 262,144 unsettled blocks, what a full queue of 1 GiB holds in the smallest blocks. So a digest
 * is remembered for as long as an agent can hold the block. One that numbers its blocks wildly loses its own oldest memory,
 * nobody else's.
 */
export const MAX_KNOWN_CHUNKS_PER_AGENT = 4096;

/**
 * What is known of a block that arrives: `known`, this very content was accepted; `conflict`, another content was accepted at
 * its position, and this one never; `unsure`, this very content may have been accepted and forgotten; `new`, nothing was.
 */
export type Recognition = 'known' | 'conflict' | 'unsure' | 'new';

/** What is known of one run of an agent. */
export interface KnownAgent {
  readonly agentId: AgentId;
  readonly epoch: number;
  /** Digests at lower sequences may have been forgotten. */
  rememberedFrom: number;
  /** When something last arrived from it, ms since 1970. */
  touchedMs: number;
  /** By range: entries one behind the other. Never changed in place. */
  readonly chunks: Map<number, Uint8Array>;
}

/** What a change asks the durable copy to drop. */
export interface Forgotten {
  readonly agent: KnownAgent;
  /** The chunks to drop. */
  readonly chunks: readonly number[];
  /** The whole agent is forgotten, its mark too. */
  readonly whole: boolean;
}

export class KnownBlocks {
  /** In order of the last touch, the longest silent first (a Map keeps the order of insertion). */
  readonly #agents = new Map<string, KnownAgent>();
  readonly #maxChunks: number;
  readonly #maxRuns: number;
  #chunkCount = 0;

  constructor(options: { readonly maxChunks?: number; readonly maxRuns?: number } = {}) {
    this.#maxChunks = options.maxChunks ?? MAX_KNOWN_CHUNKS;
    this.#maxRuns = options.maxRuns ?? MAX_KNOWN_RUNS;
  }

  get agentCount(): number {
    return this.#agents.size;
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  /**
   * What is known of the block.
   *
   * @param sealedBefore the agent had sealed all lower sequences before this server could know of them: of a run that is not
   *   known yet, they are `unsure`
   */
  recognize(id: BlockId, sealedBefore: number): Recognition {
    const agent = this.#agents.get(agentKey(id.agentId, id.epoch));
    const found = findIn(agent?.chunks.get(chunkOf(id.sequence)), id);
    // Below the mark, another content at the position says nothing of this one: its digest may have been forgotten.
    const isKept = found === 'known' || id.sequence >= (agent?.rememberedFrom ?? sealedBefore);
    return isKept ? found : 'unsure';
  }

  /** True when this very block was accepted and is remembered. */
  has(id: BlockId): boolean {
    return this.recognize(id, 0) === 'known';
  }

  /**
   * Remembers a block. Returns its agent and chunk, both to be written; the caller then calls `trim`.
   *
   * @param sealedBefore as for `recognize`
   */
  add(
    id: BlockId,
    nowMs: number,
    sealedBefore: number,
  ): { readonly agent: KnownAgent; readonly chunk: number } {
    const agent = this.#touch(id.agentId, id.epoch, nowMs, sealedBefore);
    const chunk = chunkOf(id.sequence);
    const entries = agent.chunks.get(chunk);
    if (entries === undefined) this.#chunkCount += 1;
    if (findIn(entries, id) !== 'known') agent.chunks.set(chunk, withEntry(entries, id));
    return { agent, chunk };
  }

  /** Takes a block back, when the commit that should have made it durable failed. */
  remove(id: BlockId): void {
    const chunks = this.#agents.get(agentKey(id.agentId, id.epoch))?.chunks;
    const entries = chunks?.get(chunkOf(id.sequence));
    if (entries === undefined) return;
    const entry = entryOf(id.sequence, id.digest);
    for (let at = 0; at < entries.length; at += KNOWN_ENTRY_BYTES) {
      if (entry.compare(entries, at, at + KNOWN_ENTRY_BYTES) !== 0) continue;
      const rest = new Uint8Array(entries.length - KNOWN_ENTRY_BYTES);
      rest.set(entries.subarray(0, at));
      rest.set(entries.subarray(at + KNOWN_ENTRY_BYTES), at);
      chunks?.set(chunkOf(id.sequence), rest);
      return;
    }
  }

  /**
   * The agent holds no block of this run with a lower sequence: their digests may go. A smaller mark than before changes
   * nothing. Returns what the durable copy may drop, or undefined when nothing changed. A run of which nothing is known is
   * not remembered for its mark alone.
   */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): Forgotten | undefined {
    const agent = this.#agents.get(agentKey(agentId, epoch));
    if (agent === undefined || sequence <= agent.rememberedFrom) return undefined;
    agent.rememberedFrom = sequence;
    const chunks: number[] = [];
    for (const chunk of agent.chunks.keys()) {
      if ((chunk + 1) * POSITIONS_PER_CHUNK <= sequence) chunks.push(chunk);
    }
    for (const chunk of chunks) this.#dropChunk(agent, chunk);
    return { agent, chunks, whole: false };
  }

  /** Brings everything below the limits. `keep` is the run that is being written now: it is never forgotten whole. */
  trim(keep: KnownAgent, written: number): Forgotten[] {
    const forgotten: Forgotten[] = [];
    const isOverfull = (keep.chunks.get(written)?.length ?? 0) > MAX_ENTRIES_PER_CHUNK * KNOWN_ENTRY_BYTES;
    if (isOverfull) forgotten.push(this.#forgetUpTo(keep, written));
    if (keep.chunks.size > MAX_KNOWN_CHUNKS_PER_AGENT) {
      forgotten.push(this.#forgetUpTo(keep, Math.min(...keep.chunks.keys())));
    }
    for (const [key, agent] of this.#agents) {
      if (this.#chunkCount <= this.#maxChunks && this.#agents.size <= this.#maxRuns) break;
      if (agent === keep) continue;
      this.#agents.delete(key);
      this.#chunkCount -= agent.chunks.size;
      forgotten.push({ agent, chunks: [...agent.chunks.keys()], whole: true });
    }
    return forgotten;
  }

  /** Puts back what was read from disk; call it in ascending order of `touchedMs`. */
  restore(agent: KnownAgent): void {
    this.#agents.set(agentKey(agent.agentId, agent.epoch), agent);
    this.#chunkCount += agent.chunks.size;
  }

  #touch(agentId: AgentId, epoch: number, nowMs: number, sealedBefore: number): KnownAgent {
    const key = agentKey(agentId, epoch);
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = { agentId, epoch, rememberedFrom: sealedBefore, touchedMs: nowMs, chunks: new Map() };
    } else {
      this.#agents.delete(key);
      agent.touchedMs = nowMs;
    }
    this.#agents.set(key, agent);
    return agent;
  }

  /** Drops the chunk; what it said, and all below, is `unsure` from now on. */
  #forgetUpTo(agent: KnownAgent, chunk: number): Forgotten {
    this.#dropChunk(agent, chunk);
    agent.rememberedFrom = Math.max(agent.rememberedFrom, (chunk + 1) * POSITIONS_PER_CHUNK);
    return { agent, chunks: [chunk], whole: false };
  }

  #dropChunk(agent: KnownAgent, chunk: number): void {
    if (agent.chunks.delete(chunk)) this.#chunkCount -= 1;
  }
}

/** What a chunk says of a block; `new` when it has nothing at its position. */
function findIn(entries: Uint8Array | undefined, id: BlockId): 'known' | 'conflict' | 'new' {
  if (entries === undefined) return 'new';
  const entry = entryOf(id.sequence, id.digest);
  let found: 'conflict' | 'new' = 'new';
  for (let at = 0; at < entries.length; at += KNOWN_ENTRY_BYTES) {
    if (entries[at] !== entry[0]) continue;
    if (entry.compare(entries, at, at + KNOWN_ENTRY_BYTES) === 0) return 'known';
    found = 'conflict';
  }
  return found;
}

function withEntry(entries: Uint8Array | undefined, id: BlockId): Uint8Array {
  const before = entries?.length ?? 0;
  // Not of the runtime's pool of buffers: a small piece that stays would keep a whole slab.
  const longer = new Uint8Array(before + KNOWN_ENTRY_BYTES);
  if (entries !== undefined) longer.set(entries);
  longer.set(entryOf(id.sequence, id.digest), before);
  return longer;
}

function entryOf(sequence: number, digest: BlockDigest): Buffer {
  return Buffer.concat([Buffer.from([sequence % POSITIONS_PER_CHUNK]), digestBytes(digest)]);
}

function chunkOf(sequence: number): number {
  return Math.floor(sequence / POSITIONS_PER_CHUNK);
}

/** The number stands first: an agent id may hold any character. */
function agentKey(agentId: AgentId, epoch: number): string {
  return `${epoch}/${agentId}`;
}
