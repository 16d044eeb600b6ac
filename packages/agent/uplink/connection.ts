/**
 * The agent's connection to one configured server: reconnect loop, handshake, control stream, channel streams.
 *
 * Invariants: the loop of one server never waits for another; `server_connected` and `server_disconnected` are told in
 * turns, starting with connected; every event of a connection lies between the two, with the server id that its
 * Welcome named; after `server_disconnected` all its channel streams are gone and tell nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { SluiceError } from '@sluice/base/error';
import { tlsProblem } from '@sluice/host/tls-problem';
import type { AgentEffect } from '@sluice/protocol/agent-events';
import type { ChannelNumber, GrantId, ServerId } from '@sluice/protocol/model';
import { readText } from '@sluice/wire/convert/fields';
import { readGrant, readRevocation } from '@sluice/wire/convert/grant';
import { writeNotice } from '@sluice/wire/convert/notice';
import { writeUploadRequest } from '@sluice/wire/convert/request';
import type {
  AgentReport,
  ControlRequest,
  ControlResponse,
  IdentityNotice,
  Welcome,
} from '@sluice/wire/gen/uplink_pb';
import { ControlRequestSchema, UplinkService } from '@sluice/wire/gen/uplink_pb';
import { Outbox } from '@sluice/wire/outbox';
import { ReconnectPauses } from './backoff.ts';
import { ChannelStreams } from './channel-streams.ts';
import type { ConnectionHost } from './connection-host.ts';
import { helloMessage, proofMessage, readWelcome } from './handshake.ts';
import { Http2Link, unreachable } from './http2-link.ts';
import {
  CONNECT_TIMEOUT_MS,
  GOODBYE_TIMEOUT_MS,
  MAX_CONTROL_MESSAGES_WAITING,
  MAX_IDENTITY_PROBLEMS,
  UNTAKEN_RECHECK_MS,
} from './limits.ts';
import { PeerConduct } from './peer-conduct.ts';
import { PeerProblems } from './peer-problems.ts';
import type { ServerAddress } from './server-address.ts';
import { ServerIntake } from './server-intake.ts';
import { ToldHistory } from './told-history.ts';
import { connectionError } from './uplink-errors.ts';
import { uplinkTransport } from './uplink-transport.ts';
import type { ConnectionView } from './uplink-view.ts';

/** One life of the connection, after its handshake. */
interface Live {
  readonly serverId: ServerId;
  readonly sessionId: string;
  readonly control: Outbox<ControlRequest>;
  readonly channels: ChannelStreams;
  readonly conduct: PeerConduct;
  readonly link: Http2Link;
  /** Why the machine is not told of the connection: a block waits that the server does not take. It only gets reports. */
  readonly parkedBecause: string | undefined;
  readonly told: ToldHistory;
}

export class ServerConnection {
  readonly server: ServerAddress;
  readonly #host: ConnectionHost;
  readonly #stopped = new AbortController();
  #live: Live | undefined;
  readonly #intake: ServerIntake;
  /** In the Hello of this connection. */
  #namedEpoch = 0;
  #serverId: ServerId | undefined;
  #error: string | undefined;
  /** The goodbye with which the latest connection ended: it is no failure that the server cannot be reached after it. */
  #farewell: string | undefined;
  readonly #problems = new PeerProblems();
  readonly #pauses: ReconnectPauses;
  #identityProblems: readonly string[] = [];
  /** What was logged of them already: a server says it again after each reconnect. */
  readonly #identityLogged = new Set<string>();
  #loop: Promise<void> | undefined;
  #leaving = false;

  constructor(server: ServerAddress, host: ConnectionHost) {
    this.server = server;
    this.#host = host;
    this.#intake = new ServerIntake(host.queue);
    this.#pauses = new ReconnectPauses(() => host.random());
  }

  /** The block formats that both sides know; undefined before the server's first Welcome. */
  get sharedBlockFormats(): readonly number[] | undefined {
    return this.#intake.shared?.blockFormats;
  }

  /** Starts the reconnect loop. */
  start(): void {
    this.#loop ??= this.#reconnect();
  }

  /** Says goodbye, closes, ends the loop. Resolves within about GOODBYE_TIMEOUT_MS. */
  async stop(reason: string): Promise<void> {
    const live = this.#live;
    this.#leaving = true;
    if (live !== undefined) {
      live.channels.closeAll();
      live.control.push(create(ControlRequestSchema, { message: { case: 'goodbye', value: { reason } } }));
      live.control.end();
      const given = new AbortController();
      await Promise.race([
        live.link.closed,
        this.#loop,
        sleep(GOODBYE_TIMEOUT_MS, undefined, { signal: given.signal }).catch(() => undefined),
      ]);
      given.abort();
    }
    this.#stopped.abort();
    this.#live?.link.destroy();
    await this.#loop;
  }

  view(): ConnectionView {
    return {
      address: this.server.address,
      serverId: this.#serverId,
      connected: this.#live !== undefined && this.#live.parkedBecause === undefined,
      error: this.#error,
      identityProblems: this.#identityProblems,
      peerProblems: this.#problems.texts(performance.now()),
      blocksInFlight: this.#live?.channels.unansweredCount ?? 0,
    };
  }

  /** Puts a request or notice on the control stream. */
  sendControl(effect: Extract<AgentEffect, { type: 'send_request' | 'send_notice' }>): void {
    const { queue } = this.#host;
    const message: ControlRequest['message'] =
      effect.type === 'send_request'
        ? { case: 'uploadRequest', value: writeUploadRequest(effect.request, queue.settledBelowSequence) }
        : { case: 'priorityViolationNotice', value: writeNotice(effect.notice) };
    this.#push(create(ControlRequestSchema, { message }));
  }

  /** What the server said is wrong and was not used, in words. */
  peerProblem(problem: string): void {
    this.#live?.conduct.note(problem.replaceAll(/\d+/g, '#'), `it sent ${problem}`);
  }

  /** Puts a report on the control stream, unless the server is behind with reading: the next one says it all. */
  sendReport(report: AgentReport): void {
    if (this.#live === undefined || this.#live.control.length > 0) return;
    this.#push(
      create(ControlRequestSchema, { message: { case: 'agentReport', value: this.#live.told.news(report) } }),
    );
  }

  /** Hands a block to its channel. Disconnected meanwhile: `server_disconnected` is already on its way to the machine. */
  sendBlock(effect: Extract<AgentEffect, { type: 'send_block' }>): void {
    this.#live?.channels.send(effect);
  }

  /** The machine is done with the channel. */
  closeChannel(grantId: GrantId, channel: ChannelNumber): void {
    this.#live?.channels.close(grantId, channel);
  }

  #push(message: ControlRequest): void {
    const live = this.#live;
    if (live === undefined || live.control.push(message)) return;
    live.link.destroy(
      new SluiceError('limit_exceeded', `${this.server.address} does not read its control stream`),
    );
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#stopped;
    while (!this.#leaving) {
      const startedMs = performance.now();
      let error: SluiceError | undefined;
      try {
        await this.#connectOnce(signal);
        this.#error = this.#farewell ?? 'the server closed the connection';
      } catch (thrown) {
        error = connectionError(thrown, this.server.address);
        this.#failed(error);
      }
      if (this.#leaving) return;
      const nowMs = performance.now();
      const delayMs = this.#pauses.after({ code: error?.code, lastedMs: nowMs - startedMs, nowMs });
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #failed(error: SluiceError): void {
    // A server's own words may be long: they go into the log, and into the report to every other server.
    const text = readText(error.message);
    const isExpected = this.#farewell !== undefined && error.code === 'not_reachable';
    const message = isExpected ? `${this.#farewell}; since then ${text}` : text;
    if (!this.#leaving && message !== this.#error) {
      const facts = { address: this.server.address, code: error.code, hint: error.hint };
      if (isExpected) this.#host.logger.info(facts, message);
      else this.#host.logger.warn(facts, message);
    }
    this.#error = message;
  }

  /** Connects, shakes hands and serves until the connection ends; throws the reason when there is one. */
  async #connectOnce(signal: AbortSignal): Promise<void> {
    const { address, tls, token } = this.server;
    const link = await Http2Link.open(address, tls?.(), signal, this.#host.pingTimes);
    const ended = new AbortController();
    const control = new Outbox<ControlRequest>(MAX_CONTROL_MESSAGES_WAITING);
    void link.closed.then((reason) => {
      const error = reason ?? new SluiceError('not_reachable', `${address} closed the connection`);
      control.fail(error);
      ended.abort(error);
    });
    const welcomeTimer = setTimeout(
      () =>
        link.destroy(
          new SluiceError('not_reachable', `${address} did not say welcome in ${CONNECT_TIMEOUT_MS} ms`),
        ),
      CONNECT_TIMEOUT_MS,
    );
    try {
      const client = createClient(UplinkService, uplinkTransport(address, token, link));
      this.#namedEpoch = this.#intake.epoch;
      control.push(helloMessage(this.#host, this.#namedEpoch));
      let live: Live | undefined;
      try {
        for await (const { message } of client.control(control, { signal: ended.signal })) {
          if (live === undefined) {
            if (message.case !== 'welcome') {
              throw new SluiceError('protocol_violation', `${address} did not start with Welcome`);
            }
            clearTimeout(welcomeTimer);
            live = await this.#welcomed(message.value, control, link);
          } else if (!this.#receive(live, message)) {
            // What it answered before is still on its way, on other streams.
            await live.channels.ended(GOODBYE_TIMEOUT_MS);
            break;
          }
        }
      } finally {
        if (live !== undefined) this.#leave(live);
      }
    } catch (error) {
      // With TLS 1.3 a server says what it thinks of a certificate when the connection stands already.
      if (tlsProblem(error) !== undefined && error instanceof Error) throw unreachable(address, error);
      // When the connection itself broke, its reason says more than what the stream saw of it.
      throw link.failure ?? (ended.signal.aborted ? ended.signal.reason : error);
    } finally {
      clearTimeout(welcomeTimer);
      link.destroy();
    }
  }

  async #welcomed(welcome: Welcome, control: Outbox<ControlRequest>, link: Http2Link): Promise<Live> {
    const { address } = this.server;
    const { serverId, sessionId, shared } = readWelcome(welcome, address);
    this.#intake.welcomed(shared);
    this.#host.formatsChanged();
    const problem = await this.#intake.heldProblem();
    const taken = this.#host.claim(serverId, address);
    if (taken !== undefined) throw taken;
    const parkedBecause = problem === undefined ? undefined : this.#notTaken(problem).message;
    const { logger } = this.#host;
    const conduct = new PeerConduct({
      ...{ address, problems: this.#problems, logger },
      end: (error) => link.destroy(error),
    });
    const channels = this.#channelsOf({ serverId, sessionId, control, link, conduct });
    const told = new ToldHistory();
    const live: Live = { serverId, sessionId, control, channels, conduct, link, parkedBecause, told };
    this.#live = live;
    this.#farewell = undefined;
    this.#serverId = serverId;
    this.#error = parkedBecause;
    const proof = this.#proofFor(live, welcome.challenge);
    if (proof !== undefined) control.push(proof);
    this.#host.logger.info({ address, serverId, version: readText(welcome.serverVersion) }, 'connected');
    if (problem === undefined) this.#host.dispatch({ type: 'server_connected', serverId });
    else this.#park(link, problem);
    return live;
  }

  #channelsOf(live: Omit<Live, 'channels' | 'parkedBecause' | 'told'>): ChannelStreams {
    const { queue, logger } = this.#host;
    const { control, link } = live;
    return new ChannelStreams({
      ...live,
      token: this.server.token,
      queue,
      logger,
      namesDigests: this.#intake.namesDigests,
      problemOf: (header, payload) => {
        const problem = this.#intake.problemOf(header, payload);
        if (problem !== undefined && this.#intake.decidesToEnd()) link.destroy(this.#notTaken(problem));
        return problem;
      },
      controlFlushed: () => control.flushed(),
      dispatch: (event) => this.#host.dispatch(event),
    });
  }

  /** Keeps the connection for reports, and ends it when it is time to look again. */
  #park(link: Http2Link, problem: string): void {
    const timer = setTimeout(() => link.destroy(this.#notTaken(problem)), UNTAKEN_RECHECK_MS);
    void link.closed.then(() => clearTimeout(timer));
  }

  #notTaken(problem: string): SluiceError {
    return new SluiceError('not_reachable', `${this.server.address}: ${problem}`);
  }

  /** First on the control stream after Hello: before it the server takes nothing else from an agent that named a key. */
  #proofFor({ serverId, sessionId }: Live, challenge: Uint8Array): ControlRequest | undefined {
    const { key, queue } = this.#host;
    if (key === undefined || challenge.length === 0) return undefined;
    const fields = { challenge, sessionId, serverId, agentId: queue.agentId, epoch: this.#namedEpoch };
    return proofMessage(key, fields, this.server.address);
  }

  #told(serverId: ServerId, notice: IdentityNotice): void {
    const texts = notice.problems.slice(0, MAX_IDENTITY_PROBLEMS).map(({ text }) => readText(text));
    this.#identityProblems = texts;
    for (const text of texts) {
      if (this.#identityLogged.has(text)) continue;
      if (this.#identityLogged.size >= MAX_IDENTITY_PROBLEMS) this.#identityLogged.clear();
      this.#identityLogged.add(text);
      this.#host.logger.warn({ serverId }, text);
    }
  }

  #leave(live: Live): void {
    this.#live = undefined;
    this.#identityProblems = [];
    const reason = new SluiceError('not_reachable', `the connection to ${this.server.address} ended`);
    live.channels.abort(reason);
    live.control.fail(reason);
    this.#host.release(live.serverId, this.server.address);
    if (live.parkedBecause === undefined)
      this.#host.dispatch({ type: 'server_disconnected', serverId: live.serverId });
  }

  /** False when the server says goodbye. */
  #receive(live: Live, message: ControlResponse['message']): boolean {
    const { serverId } = live;
    // Nothing was asked for: only the end is of interest.
    if (live.parkedBecause !== undefined && message.case !== 'goodbye') return true;
    switch (message.case) {
      case 'grant': {
        const grant = live.conduct.read('grant', () => readGrant(message.value));
        if (grant !== undefined) this.#host.dispatch({ type: 'grant_received', serverId, grant });
        return true;
      }
      case 'revocation': {
        const revocation = live.conduct.read('revocation', () => readRevocation(message.value));
        if (revocation !== undefined) this.#host.dispatch({ type: 'revoked', serverId, ...revocation });
        return true;
      }
      case 'goodbye': {
        const reason = readText(message.value.reason);
        this.#farewell = `${this.server.address} said goodbye: ${reason}`;
        this.#host.logger.info({ serverId, reason }, 'the server leaves');
        // It takes nothing more; what it has it answers.
        if (live.parkedBecause === undefined) this.#host.dispatch({ type: 'revoked', serverId });
        return false;
      }
      case 'identityNotice':
        this.#told(serverId, message.value);
        return true;
      case 'welcome':
        throw new SluiceError('protocol_violation', `${this.server.address} said Welcome twice`);
      case undefined:
        return true; // a kind of message newer than this program (U20)
      default:
        return message satisfies never;
    }
  }
}
