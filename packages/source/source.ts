/**
 * The contract between the agent and whatever logs come from. `testing/source-contract.ts` is the suite that every source
 * passes.
 *
 * Invariants of a source:
 * - It hands out the records of each stream in order, each once, to the consumer that it asked for when it met the stream.
 * - {@link Source.takeCheckpoints}, called between two records, returns positions exactly behind what the consumers have
 *   consumed: a new source that is given them hands out what follows, and what was held back.
 * - It hands out nothing while the host does not want more, and nothing after `stop`; but what a consumer holds back of a stream
 *   that ends or begins anew is finished at once, one record of that stream.
 * - What a consumer throws ends with the record that it threw at.
 * - It holds a bounded amount of memory, however much waits.
 */
import type { CheckpointChange } from './checkpoint-change.ts';
import type { Consumers, Stream } from './consumer.ts';
import type { SourceStates } from './source-states.ts';

/** What a source asks of the agent. */
export interface SourceHost {
  readonly consumers: Consumers;
  /**
   * All positions as they were committed, of all sources. An agent has one source of a kind at most; it knows its own positions
   * by their keys, `KIND:...` (one key of the files is older and begins otherwise: `file-source-started`).
   */
  readonly checkpoints: Iterable<{ readonly key: string; readonly value: unknown }>;
  /** Whether more may be handed out now; {@link Source.resume} says that it may again. */
  mayHandOut(): boolean;
  /** After each record, of this size in bytes: its position is taken, so a cut may be made here. */
  afterRecord(bytes: number): void;
  /** After a run of records, and when positions changed without one. */
  afterTurn(): void;
  /** A consumer threw at a record of this stream: it is lost, reading goes on behind it. */
  recordFailed(stream: Stream, error: unknown): void;
}

export interface Source {
  /** One word, the same for all of its kind. */
  readonly kind: string;
  /**
   * What waits in a source that can wait is still there later. What comes from another one while the host does not want more
   * is dropped, and counted in {@link SourceStates.droppedRecords}.
   */
  readonly canWait: boolean;
  /** Begins. Resolves when what can be said of its streams at the start is known. */
  start(): Promise<void>;
  /** Ends after the record in progress, and frees everything. What is not whole stays unread. */
  stop(): Promise<void>;
  /** The host wants more again. */
  resume(): void;
  /** Whether {@link takeCheckpoints} has something. */
  readonly hasCheckpoints: boolean;
  /** The positions that changed since the last call. */
  takeCheckpoints(): CheckpointChange[];
  /** Bytes that wait and were not handed out, as far as is known. */
  readonly unreadBytes: number;
  /** What stands in the way now, one sentence each. */
  problems(): string[];
  /** How it is. @param pausedWhy why the host wants no more, should that be so now */
  states(pausedWhy: string): SourceStates;
}

/** Makes a source; which kinds there are, and with what settings, is known to the agent alone. */
export type CreateSource = (host: SourceHost) => Source;
