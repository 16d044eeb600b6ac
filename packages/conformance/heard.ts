/** What a scripted server has given, and what it heard: the books that checks and the judge read. */
import type { Block, Hello, PriorityViolationNotice, UploadRequest } from '@sluice/wire/gen/uplink_pb';

/** One channel as a script grants it. */
export interface ChannelPlan {
  readonly priority: number;
  readonly quotaBytes: number;
  readonly reservedForUrgentBytes?: number;
  /** Its number; default: its place in the list, from 1. */
  readonly channel?: number;
}

export interface GivenChannel {
  readonly grant: GivenGrant;
  readonly channel: number;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly reservedForUrgentBytes: number;
  usedBytes: number;
  /** Of these, what was not urgent. */
  usedUnreservedBytes: number;
  blocks: number;
  /** When the server took it back, or closed it; undefined: it did not. */
  endedAtMs: number | undefined;
}

export interface GivenGrant {
  readonly server: string;
  readonly grantId: string;
  readonly requestId: bigint;
  readonly lifetimeMs: number;
  readonly givenAtMs: number;
  readonly channels: readonly GivenChannel[];
  /** It must give the agent nothing: it answers no request, repeats another one, or breaks a limit. */
  readonly isVoid: boolean;
}

export interface HeardHello {
  readonly atMs: number;
  readonly hello: Hello;
}

export interface HeardRequest {
  readonly atMs: number;
  readonly request: UploadRequest;
  answered: boolean;
}

export interface HeardNotice {
  readonly server: string;
  readonly atMs: number;
  readonly notice: PriorityViolationNotice;
}

/** A block that arrived whole. */
export interface HeardBlock {
  readonly server: string;
  readonly atMs: number;
  /** Of the run of the connection: which control stream its Send stream named. */
  readonly sessionId: string;
  readonly block: Block;
  /** Undefined: its stream named a channel that was never given. */
  readonly channel: GivenChannel | undefined;
  /** How the server answered; undefined: not yet. */
  answer: 'acknowledged' | 'retryable' | 'malformed' | undefined;
  answeredAtMs: number;
}

/** `epoch/sequence`: the place of a block among all of its agent. */
export function placeOf({ epoch, sequence }: Pick<Block, 'epoch' | 'sequence'>): string {
  return `${epoch}/${sequence}`;
}

/** The channel as the worked examples write it: `S1/2`, the channel with priority 2 of server S1. */
export function channelName(channel: GivenChannel): string {
  return `${channel.grant.server}/${channel.priority}`;
}
