/** The server machine's books: which agents are connected, what each was granted, and what it used of it. */

import type { Handle } from '@sluice/base/collections/handle';
import type { AgentId, GrantedChannel, GrantId, UploadRequest } from './model.ts';

export interface GivenChannel {
  readonly granted: GrantedChannel;
  /** What may come on it in all: as granted, or as the agent closed it (U2). */
  quotaBytes: number;
  usedBytes: number;
}

export interface GivenGrant {
  readonly grantId: GrantId;
  /** Of an agent that had nothing waiting: counts against the operator's limit only as it is used. */
  readonly isIdle: boolean;
  readonly channels: readonly GivenChannel[];
  /** When the agent stops using it, at the latest, if it took no time to arrive. */
  readonly expiresAtMs: number;
  /** Until when its blocks are taken. */
  readonly takenUntilMs: number;
  /** When a block came on it last; when it was given, if none did. */
  lastUsedMs: number;
  /** What is still outstanding of it since it was asked back, because others wait for room; 0 before. */
  recalledBytes: number;
  /** Where it stands among all that end, and among those that may be asked back. */
  end: Handle<Holding> | undefined;
  recalled: Handle<Recallable> | undefined;
  recallable: Handle<Recallable> | undefined;
}

/** A grant, and whose it is. */
export interface Holding {
  readonly agent: Agent;
  readonly grant: GivenGrant;
}

export interface Recallable extends Holding {
  /** Not to be looked at before. */
  readonly dueMs: number;
}

export interface Agent {
  readonly agentId: AgentId;
  readonly isRemote: boolean;
  readonly grants: Map<GrantId, GivenGrant>;
  request: { readonly request: UploadRequest; readonly sinceMs: number } | undefined;
  outstandingBytes: number;
  /** What it may hold: grows with what it sends, and shrinks when a grant ends mostly unused (U17). */
  heldMostBytes: number;
  /** Where it stands after its latest grant, in bytes that each agent was given: one that was given much is served later. */
  finishBytes: number;
  /** Where it stood when it got into the line, and its place among equals; kept over refusals. */
  startBytes: number | undefined;
  lineNumber: number | undefined;
}

/** What is granted and not used. */
export function leftBytes(grant: GivenGrant): number {
  return grant.channels.reduce((sum, { quotaBytes, usedBytes }) => sum + quotaBytes - usedBytes, 0);
}
