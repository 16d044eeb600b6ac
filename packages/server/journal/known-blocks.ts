/**
 * Remembers which blocks were ever accepted, also after they are loaded and deleted: the reason why a block that is
 * sent again, after whatever crash, is acknowledged again and stored no second time.
 *
 * Per (agent, epoch) there is one settled mark (every smaller sequence has been answered for good) and, above it,
 * one bitmap for each range of BLOCKS_PER_CHUNK sequences that has a block. A bitmap has a constant size whatever the
 * pattern is (with several servers each sees a sieve of the sequences), so the durable write of one block is bounded.
 *
 * Invariants: memory is a mirror of what the journal writes; this module does no I/O; everything is bounded by the
 * constants below.
 */
import type { AgentId, BlockId } from '@sluice/protocol/model';

/** Sequences in one bitmap: 512 bytes, small enough to be rewritten with every commit. */
export const BLOCKS_PER_CHUNK = 4096;
export const CHUNK_BYTES: number = BLOCKS_PER_CHUNK / 8;
/**
 * Bitmaps in memory over all agents: 64 MiB. An agent in order needs one or two, so this is room for more agents than
 * one server can serve. Beyond it, the agent that has been silent for longest is forgotten first.
 */
export const MAX_KNOWN_CHUNKS = 131_072;
/**
 * Bitmaps of one agent: 16 million unsettled blocks, more than its queue can hold. Only an agent that numbers its blocks
 * wildly gets here; it then loses its own oldest memory, nobody else's.
 */
export const MAX_KNOWN_CHUNKS_PER_AGENT = 4096;

/** What is known of one (agent, epoch). */
export interface KnownAgent {
  readonly agentId: AgentId;
  readonly epoch: number;
  /** Every smaller sequence is settled. */
  settledBelow: number;
  /** When something last arrived from it, ms since 1970. */
  touchedMs: number;
  readonly chunks: Map<number, Uint8Array>;
}

/** What a change asks the durable copy to drop. */
export interface Forgotten {
  readonly agent: KnownAgent;
  /** The chunks to drop. */
  readonly chunks: readonly number[];
  /** The whole agent is forgotten, its settled mark too. */
  readonly whole: boolean;
}

export class KnownBlocks {
  /** In order of the last touch, the longest silent first (a Map keeps the order of insertion). */
  readonly #agents = new Map<string, KnownAgent>();
  readonly #maxChunks: number;
  #chunkCount = 0;

  constructor(options: { readonly maxChunks?: number } = {}) {
    this.#maxChunks = options.maxChunks ?? MAX_KNOWN_CHUNKS;
  }

  get agentCount(): number {
    return this.#agents.size;
  }

  get chunkCount(): number {
    return this.#chunkCount;
  }

  /** True when the block was accepted, or is settled (then its agent needs it nowhere any more). */
  has(id: BlockId): boolean {
    const agent = this.#agents.get(agentKey(id.agentId, id.epoch));
    if (agent === undefined) return false;
    if (id.sequence < agent.settledBelow) return true;
    const bitmap = agent.chunks.get(chunkOf(id.sequence));
    if (bitmap === undefined) return false;
    const bit = id.sequence % BLOCKS_PER_CHUNK;
    return ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  /** Marks a block. Returns its agent and bitmap, both to be written; the caller then calls `trim`. */
  add(id: BlockId, nowMs: number): { readonly agent: KnownAgent; readonly chunk: number } {
    const agent = this.#touch(id.agentId, id.epoch, nowMs);
    const chunk = chunkOf(id.sequence);
    let bitmap = agent.chunks.get(chunk);
    if (bitmap === undefined) {
      bitmap = new Uint8Array(CHUNK_BYTES);
      agent.chunks.set(chunk, bitmap);
      this.#chunkCount += 1;
    }
    const bit = id.sequence % BLOCKS_PER_CHUNK;
    bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
    return { agent, chunk };
  }

  /** Takes a mark back, when the commit that should have made it durable failed. */
  remove(id: BlockId): void {
    const bitmap = this.#agents.get(agentKey(id.agentId, id.epoch))?.chunks.get(chunkOf(id.sequence));
    if (bitmap === undefined) return;
    const bit = id.sequence % BLOCKS_PER_CHUNK;
    bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) & ~(1 << (bit & 7));
  }

  /**
   * Advances the settled mark; a smaller one than before changes nothing. Returns what the durable copy may drop, or
   * undefined when nothing changed. An agent of which nothing is known is not remembered for its mark alone.
   */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): Forgotten | undefined {
    const agent = this.#agents.get(agentKey(agentId, epoch));
    if (agent === undefined || sequence <= agent.settledBelow) return undefined;
    agent.settledBelow = sequence;
    const chunks: number[] = [];
    for (const chunk of agent.chunks.keys()) {
      if ((chunk + 1) * BLOCKS_PER_CHUNK <= sequence) chunks.push(chunk);
    }
    for (const chunk of chunks) this.#dropChunk(agent, chunk);
    return { agent, chunks, whole: false };
  }

  /** Brings everything below the limits. `keep` is the agent that is being written now: it is never forgotten whole. */
  trim(keep: KnownAgent): Forgotten[] {
    const forgotten: Forgotten[] = [];
    if (keep.chunks.size > MAX_KNOWN_CHUNKS_PER_AGENT) {
      const lowest = Math.min(...keep.chunks.keys());
      this.#dropChunk(keep, lowest);
      forgotten.push({ agent: keep, chunks: [lowest], whole: false });
    }
    if (this.#chunkCount <= this.#maxChunks) return forgotten;
    for (const [key, agent] of this.#agents) {
      if (this.#chunkCount <= this.#maxChunks) break;
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

  #touch(agentId: AgentId, epoch: number, nowMs: number): KnownAgent {
    const key = agentKey(agentId, epoch);
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = { agentId, epoch, settledBelow: 0, touchedMs: nowMs, chunks: new Map() };
    } else {
      this.#agents.delete(key);
      agent.touchedMs = nowMs;
    }
    this.#agents.set(key, agent);
    return agent;
  }

  #dropChunk(agent: KnownAgent, chunk: number): void {
    if (agent.chunks.delete(chunk)) this.#chunkCount -= 1;
  }
}

function chunkOf(sequence: number): number {
  return Math.floor(sequence / BLOCKS_PER_CHUNK);
}

/** The number stands first: an agent id may hold any character. */
function agentKey(agentId: AgentId, epoch: number): string {
  return `${epoch}/${agentId}`;
}
