/** What health is judged by: the facts of one moment, as the server knows them. All times are of the server's clock. */

import type { ErrorCode } from '@sluice/base/error';
import type { DiskFacts } from '@sluice/durable/disk-watch';
import type { UrgencyClass } from '@sluice/protocol/model';
import type { AgentReport, IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import type { ConflictCounts } from '../journal/conflict-book.ts';

export interface StoreFacts {
  readonly available: boolean;
  readonly error: string;
  /** The code of the error; undefined while nobody asked yet. */
  readonly errorCode: ErrorCode | undefined;
  /** What is known of tables that somebody removed; absent when nothing is. */
  readonly tablesLost?: string;
}

export interface JournalFacts {
  readonly directory: string;
  /** The last block did not fit on the disk. */
  readonly diskFull: boolean;
  /** What was found wrong with its file while it was in use, ms since 1970; absent while nothing was. */
  readonly damage?: { readonly reason: string; readonly sinceMs: number };
  /** Undefined when it cannot be seen. */
  readonly disk: DiskFacts | undefined;
  readonly heldRawBytes: number;
  readonly roomBytes: number;
  /** Blocks that lie aside now. */
  readonly setAsideBlocks: number;
  /** Of those, dropped since the start. */
  readonly setAsideDroppedTotal: number;
  /** What was lost and nobody has acknowledged. */
  readonly lossTotals: { readonly losses: number; readonly blocks: number };
  /** The latest of it in words; empty: nothing. */
  readonly latestLoss: string;
  /** Agents of which blocks came again, or in conflict with others, within the last day. */
  readonly conflicts: readonly ConflictCounts[];
}

/** What waits in the journal, of one agent and class. */
export interface UnsearchableFacts {
  readonly urgency: UrgencyClass;
  readonly agentId: string;
  readonly records: number;
  /** By the agent's clock. */
  readonly oldestObservedMs: number;
  readonly oldestReceivedMs: number;
}

export interface LaneProblem {
  readonly message: string;
  /** The engine found no space on its disk. */
  readonly storeDiskFull: boolean;
}

/** One class on its way into the store. */
export interface LaneFacts {
  readonly urgency: UrgencyClass;
  /** The store confirmed something, or nothing waited: the latest of both. */
  readonly progressMs: number;
  /** Why the latest attempt failed; undefined when it did not. */
  readonly problem: LaneProblem | undefined;
}

export interface AgentFacts {
  readonly agentId: string;
  readonly connected: boolean;
  readonly lastSeenMs: number;
  /** When the report came. */
  readonly reportedMs: number;
  readonly report: AgentReport | undefined;
}

/** What is wrong with who an agent is. */
export interface IdentityFacts {
  readonly agentId: string;
  readonly kind: IdentityProblemKind;
  readonly sinceMs: number;
  /** Agents, connections, or times. */
  readonly count: number;
}

/** How the server's memory of who agents are is kept. */
export interface IdentityBookFacts {
  /** What could not be read at the start; undefined when all could. */
  readonly loss: string | undefined;
  /** Why it cannot be written now; undefined while it can. */
  readonly writeFailure: string | undefined;
}

export interface SearchFacts {
  readonly running: number;
  readonly waiting: number;
  /** Sent away in the last minute. */
  readonly refusedLately: number;
}

export interface HealthFacts {
  readonly serverId: string;
  readonly store: StoreFacts;
  readonly journal: JournalFacts;
  readonly waiting: readonly UnsearchableFacts[];
  readonly lanes: readonly LaneFacts[];
  readonly agents: readonly AgentFacts[];
  readonly identities: readonly IdentityFacts[];
  readonly identityBook: IdentityBookFacts;
  readonly searches: SearchFacts;
}
