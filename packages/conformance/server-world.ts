/** The world of one check of a server: scripted agents, each with a name that no other check has, and the server. */
import type { Block, Grant, SendResponse } from '@sluice/wire/gen/uplink_pb';
import { must } from './check.ts';
import { CallEnded, type ClientCall } from './client-call.ts';
import { type PlayedBlock, playBlock } from './played-blocks.ts';
import { ScriptedAgent, type SendCall } from './scripted-agent.ts';
import type { ServerProgram } from './server-program.ts';
import { Timeline } from './timeline.ts';

/** A server answers at once; a request without room after 5 s. */
export const ANSWER_MS = 15_000;
/** It makes a block durable in so much, also when its disk is slow. */
const DURABLE_MS = 10_000;
/** Everything that is checked here fits in it. */
const USUAL_BACKLOG_BYTES = 4_000_000n;

export interface ServerWorldOptions {
  readonly address: string;
  readonly token?: string | undefined;
  /** In the names of its agents. */
  readonly name: string;
  /** Absent: the kit did not start the server. */
  readonly program?: ServerProgram | undefined;
}

export interface Waiting {
  readonly urgency?: number;
  readonly records?: bigint;
  readonly rawBytes?: bigint;
  readonly nextBlockRawBytes?: bigint;
}

/** An agent in the hands of a check. */
export class PlayedAgent {
  readonly raw: ScriptedAgent;
  readonly agentId: string;
  readonly epoch: number;
  /** What was heard besides grants, by its kind. */
  readonly heard: string[] = [];
  readonly goodbyes: string[] = [];
  readonly revocations: string[] = [];
  sessionId = '';
  #requests = 0;
  #sequence = 0;
  readonly #timeline: Timeline;

  constructor(raw: ScriptedAgent, agentId: string, epoch: number, timeline: Timeline) {
    this.raw = raw;
    this.agentId = agentId;
    this.epoch = epoch;
    this.#timeline = timeline;
  }

  get hello(): { agentId: string; epoch: bigint; hostName: string } {
    return { agentId: this.agentId, epoch: BigInt(this.epoch), hostName: 'conformance' };
  }

  /** Says Hello and hears Welcome. */
  async greet(overrides: Record<string, unknown> = {}): Promise<void> {
    const welcome = await this.raw.greet({ ...this.hello, ...overrides });
    this.sessionId = welcome.sessionId;
    this.#timeline.note(`${this.agentId} is welcomed by ${welcome.serverId}`);
  }

  /** States what waits. @returns the request's id */
  ask(
    waiting: Waiting | undefined = {},
    closedChannels: readonly { grantId: string; channel: number; usedBytes: bigint }[] = [],
  ): bigint {
    this.#requests += 1;
    const requestId = BigInt(this.#requests);
    const { urgency = 3, records = 1000n, rawBytes = USUAL_BACKLOG_BYTES, nextBlockRawBytes = 0n } = waiting;
    const backlog =
      rawBytes === 0n
        ? []
        : [{ urgency, recordCount: records, rawBytes, oldestAgeMs: 5n, nextBlockRawBytes }];
    this.raw.say({
      case: 'uploadRequest',
      value: { requestId, backlog, closedChannels: [...closedChannels] },
    });
    this.#timeline.note(`${this.agentId} asks (${requestId}) for ${rawBytes} bytes`);
    return requestId;
  }

  /** The answer to a request, a refusal too; undefined when none came in time. @throws CallEnded */
  async answer(requestId: bigint, withinMs: number = ANSWER_MS): Promise<Grant | undefined> {
    const endMs = this.#timeline.nowMs() + withinMs;
    for (let leftMs = withinMs; leftMs > 0; leftMs = endMs - this.#timeline.nowMs()) {
      const message = await this.raw.hears(leftMs);
      if (message === undefined) return undefined;
      this.#note(message);
      if (message.case === 'grant' && message.value.requestId === requestId) return message.value;
    }
    return undefined;
  }

  /** Hears for a while. */
  async listen(forMs: number, until: () => boolean = () => false): Promise<void> {
    const endMs = this.#timeline.nowMs() + forMs;
    for (let leftMs = forMs; leftMs > 0 && !until(); leftMs = endMs - this.#timeline.nowMs()) {
      const message = await this.raw.hears(leftMs);
      if (message === undefined) return;
      this.#note(message);
    }
  }

  /** Asks and is granted. */
  async granted(waiting: Waiting = {}): Promise<Grant> {
    const grant = await this.answer(this.ask(waiting));
    const seen = grant === undefined ? 'nothing' : `a refusal, reason ${grant.refusalReason}`;
    must(grant !== undefined && grant.channels.length > 0, 'U3', `a grant within ${ANSWER_MS} ms`, seen);
    return grant;
  }

  /** Opens a channel, by default the first of a grant. */
  open(grant: Grant, channel: number = grant.channels[0]?.channel ?? 1): SendCall {
    const call = this.raw.openSend();
    const { sessionId, agentId } = this;
    call.say({ case: 'openChannel', value: { sessionId, agentId, grantId: grant.grantId, channel } });
    return call;
  }

  /** The next block of this agent. */
  block(played: Partial<PlayedBlock> = {}): Block {
    this.#sequence += 1;
    const { agentId, epoch } = this;
    return playBlock({ agentId, epoch, sequence: this.#sequence, ...played });
  }

  /** Sends a block and hears what is said of it; or how the stream ended. */
  async offer(call: SendCall, block: Block): Promise<SendResponse['message'] | CallEnded | undefined> {
    call.say({ case: 'block', value: block });
    try {
      return await call.hear(DURABLE_MS);
    } catch (error) {
      if (error instanceof CallEnded) return error;
      throw error;
    }
  }

  #note(message: Awaited<ReturnType<ScriptedAgent['hear']>>): void {
    this.heard.push(message.case ?? 'unknown');
    if (message.case === 'goodbye') this.goodbyes.push(message.value.reason);
    if (message.case === 'revocation')
      this.revocations.push(message.value.grantId === '' ? 'all' : message.value.grantId);
    this.#timeline.note(`${this.agentId} hears ${message.case}`);
  }
}

export class ServerWorld {
  readonly timeline: Timeline = new Timeline();
  readonly options: ServerWorldOptions;
  readonly #agents: ScriptedAgent[] = [];
  #names = 0;

  constructor(options: ServerWorldOptions) {
    this.options = options;
  }

  /** A connection of its own, or another agent's. */
  raw(
    at: ScriptedAgent | string = this.options.address,
    protocol: 'connect' | 'grpc' = 'connect',
  ): ScriptedAgent {
    const agent = new ScriptedAgent(at, { token: this.options.token, protocol });
    this.#agents.push(agent);
    return agent;
  }

  /** A connection of somebody who does not know the token. */
  stranger(): ScriptedAgent {
    const agent = new ScriptedAgent(this.options.address);
    this.#agents.push(agent);
    return agent;
  }

  /** An agent that has said nothing yet. */
  agent(raw: ScriptedAgent = this.raw()): PlayedAgent {
    this.#names += 1;
    return new PlayedAgent(raw, `${this.options.name}-${this.#names}`, 1, this.timeline);
  }

  /** The same agent on another connection. */
  again({ agentId, epoch }: PlayedAgent): PlayedAgent {
    return new PlayedAgent(this.raw(), agentId, epoch, this.timeline);
  }

  /** An agent that is welcome. */
  async welcomed(overrides: Record<string, unknown> = {}): Promise<PlayedAgent> {
    const agent = this.agent();
    await agent.greet(overrides);
    return agent;
  }

  /** That another agent is still served, whatever one has done. */
  async stillServes(): Promise<void> {
    const agent = await this.welcomed();
    const answer = await agent.offer(agent.open(await agent.granted()), agent.block());
    must(isAcknowledged(answer), 'U19', 'that another agent is still served', describe(answer));
  }

  async end(): Promise<void> {
    for (const agent of this.#agents) agent.close();
    // The server is done with them before the next check asks for room.
    await this.timeline.pass(10);
  }
}

export type Answer = SendResponse['message'] | CallEnded | undefined;

export function isAcknowledged(answer: Answer): boolean {
  return answer !== undefined && !(answer instanceof CallEnded) && answer.case === 'acknowledgement';
}

/** What came, in words. */
export function describe(answer: Answer): string {
  if (answer === undefined) return 'no answer, or the end of the stream';
  if (answer instanceof CallEnded) return answer.message;
  if (answer.case === 'refusal') {
    const { retryable, reason } = answer.value;
    return `a refusal (${retryable ? 'retryable' : 'malformed'}): ${reason}`;
  }
  return answer.case ?? 'a kind of answer that nobody knows';
}

/** That a call ends with one of these codes. */
export async function mustEnd(call: ClientCall, codes: readonly string[], rule: string): Promise<string> {
  const end = await call.ended(ANSWER_MS);
  const seen = end === undefined ? 'it goes on' : end === 'ended' ? 'it ended well' : end.message;
  must(end instanceof CallEnded && codes.includes(end.code), rule, `the end ${codes.join(' or ')}`, seen);
  return seen;
}
