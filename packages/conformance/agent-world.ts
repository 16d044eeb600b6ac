/**
 * The world of one check of an agent: scripted servers, the agent, and the log that it follows, in parts of a known size.
 *
 * A *part* is so many lines written at once. Its raw size was measured before the checks, so that a script can grant a
 * channel the room for one block of a part, and no second one.
 */

import type { AgentProgram } from './agent-program.ts';
import { must } from './check.ts';
import type { ChannelPlan, GivenGrant } from './heard.ts';
import { Judge } from './judge.ts';
import { ScriptedServer } from './scripted-server.ts';
import { Timeline } from './timeline.ts';
import type { ScriptedServerOptions } from './witness.ts';

export const LINES_PER_PART = 20;
/** So long that what stands around them hardly counts. */
const LINE_BYTES = 1_000;
/** A program starts and connects in so much, also one of many on a busy machine. */
const CONNECT_MS = 40_000;
/** A line is read, sealed and on its way in so much. */
const ARRIVAL_MS = 8_000;
/** What was said has not only arrived, but was looked at. */
const TAKEN_IN_MS = 150;

export type Severity = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

export interface AgentWorldOptions {
  readonly program: AgentProgram;
  /** Raw bytes of a part; 0 while they are being measured. */
  readonly partBytes: number;
  /** By server; absent: any free one. */
  readonly ports?: ReadonlyMap<string, number>;
}

export class AgentWorld {
  readonly timeline: Timeline = new Timeline();
  readonly judge: Judge;
  readonly program: AgentProgram;
  readonly #options: AgentWorldOptions;
  readonly #servers: ScriptedServer[] = [];
  #linesWritten = 0;

  constructor(options: AgentWorldOptions) {
    this.#options = options;
    this.program = options.program;
    this.judge = new Judge(() => this.#servers);
  }

  get servers(): readonly ScriptedServer[] {
    return this.#servers;
  }

  /** Records written so far. */
  get linesWritten(): number {
    return this.#linesWritten;
  }

  /** A server of this name, which listens and welcomes. */
  async server(name: string, options: Partial<ScriptedServerOptions> = {}): Promise<ScriptedServer> {
    const port = this.#options.ports?.get(name) ?? 0;
    const { timeline, judge } = this;
    const server = await ScriptedServer.listen({ name, timeline, witness: judge, port, ...options });
    this.#servers.push(server);
    return server;
  }

  startAgent(): void {
    this.program.start(this.#servers.map(({ address }) => address));
  }

  /** Servers of these names, and an agent that has asked each of them. */
  async begin(...names: string[]): Promise<ScriptedServer[]> {
    const servers: ScriptedServer[] = [];
    for (const name of names) servers.push(await this.server(name));
    this.startAgent();
    for (const server of servers) await this.asked(server);
    return servers;
  }

  /** Begins with one server. */
  async beginOne(): Promise<ScriptedServer> {
    const [server] = await this.begin('S1');
    if (server === undefined) throw new Error('no server');
    return server;
  }

  /** Begins with two servers. */
  async beginTwo(): Promise<readonly [ScriptedServer, ScriptedServer]> {
    const [first, second] = await this.begin('S1', 'S2');
    if (first === undefined || second === undefined) throw new Error('no servers');
    return [first, second];
  }

  /** Waits for a request that nobody has answered. */
  async asked(server: ScriptedServer, withinMs: number = CONNECT_MS): Promise<void> {
    const isAsked = await this.timeline.until(() => server.openRequest !== undefined, withinMs);
    const seen = server.isConnected ? 'it is connected and does not ask' : 'it does not connect';
    must(isAsked, 'U2.2', `a request to ${server.name} within ${withinMs} ms`, seen);
  }

  /** A quota with room for so many parts: a little more than an even number, never for one more. */
  bytes(parts: number): number {
    return Math.ceil((parts + 0.5) * this.#options.partBytes);
  }

  /** Channels of these priorities, each with room for one part, or as many as are said. */
  plans(priorities: readonly number[], parts = 1): ChannelPlan[] {
    return priorities.map((priority) => ({ priority, quotaBytes: this.bytes(parts) }));
  }

  /** Grants, and waits until the agent has taken it in. */
  async grant(
    server: ScriptedServer,
    plans: readonly ChannelPlan[],
    options: Parameters<ScriptedServer['grant']>[1] = {},
  ): Promise<GivenGrant> {
    const grant = server.grant(plans, options);
    await this.takenIn(server);
    return grant;
  }

  /** What was said to the agent has been looked at. */
  async takenIn(...servers: readonly ScriptedServer[]): Promise<void> {
    for (const server of servers) await server.delivered();
    await this.timeline.pass(TAKEN_IN_MS);
  }

  /** Writes a part, or as many lines as are said, of one severity. */
  write(severity: Severity = 'INFO', lines: number = LINES_PER_PART): void {
    let text = '';
    for (let line = 0; line < lines; line += 1) {
      this.#linesWritten += 1;
      const head = `${new Date().toISOString()} ${severity} conformance line ${this.#linesWritten} `;
      text += `${head.padEnd(LINE_BYTES - 1, 'abcdefghij')}\n`;
    }
    this.program.write(text);
  }

  /** Waits until so many records have arrived, each block counted once. */
  arrived(records: number = this.#linesWritten, withinMs: number = ARRIVAL_MS): Promise<boolean> {
    return this.timeline.until(() => this.judge.records >= records, withinMs);
  }

  /** Writes a part and waits for it. */
  async part(severity: Severity = 'INFO', withinMs?: number): Promise<void> {
    this.write(severity);
    await this.expectArrived(`the ${LINES_PER_PART} ${severity} lines`, withinMs);
  }

  async expectArrived(what: string, withinMs: number = ARRIVAL_MS): Promise<void> {
    const isThere = await this.arrived(this.#linesWritten, withinMs);
    const seen = `${this.judge.records} of ${this.#linesWritten} records`;
    must(isThere, 'U7', `${what} within ${withinMs} ms, as there is a grant with room`, seen);
  }

  /** Expects that no block comes for a while, whatever waits. */
  async expectNothing(forMs: number, rule: string, why: string): Promise<void> {
    const before = this.judge.blocks.length;
    await this.timeline.until(() => this.judge.blocks.length > before, forMs);
    const more = this.judge.blocks.length - before;
    must(more === 0, rule, `no block ${why}`, `${more} blocks`);
  }

  /** First uses and notices so far. */
  get order(): string {
    return this.judge.order.join(' ');
  }

  /** Ends the program and all servers. */
  async end(): Promise<void> {
    await this.program.kill();
    for (const server of this.#servers) await server.close();
  }
}
