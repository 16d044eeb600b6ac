/**
 * An agent's connection to one configured server, life after life: reconnects, handshake, control messages, channel
 * streams (packages/agent/uplink/connection.ts and channel-stream.ts).
 *
 * Invariants: `server_connected` and `server_disconnected` are told in turns; a block leaves only after the note that it
 * may be there is durable; blocks of one channel leave in the order in which they were handed in; an answer is told only
 * while its stream lives.
 */
import { defined } from '@sluice/base/defined';
import type { AgentEffect, UntimedAgentEvent } from '@sluice/protocol/agent-events';
import { grantId } from '@sluice/protocol/brand';
import type {
  BlockHeader,
  BlockRefusal,
  ChannelNumber,
  Grant,
  GrantId,
  PriorityViolationNotice,
  ServerId,
  UploadRequest,
} from '@sluice/protocol/model';
import type { AgentLink, AgentStream } from './agent-link.ts';
import type { AgentQueue } from './agent-queue.ts';
import type { Route } from './connection.ts';
import { Connection, delayMs } from './connection.ts';
import type { ServerProcess, Session } from './server-process.ts';
import type { World } from './world.ts';
import { WrongGrants } from './wrong-grants.ts';

/** Pauses between attempts to connect (packages/agent/uplink/limits.ts). */
const RECONNECT_LEAST_MS = 200;
const RECONNECT_MOST_MS = 10_000;
/** How late a notice is said again: most grants are over by then. */
const STRAY_NOTICE_MS: readonly [least: number, most: number] = [7_000, 30_000];
/** Payloads travel compressed. */
const COMPRESSION = 0.25;

/** The way to one server, and who answers there. */
export interface OpenRoute {
  readonly serverId: ServerId;
  readonly route: Route;
  /** The server's present process; undefined while it is down. */
  readonly answering: () => ServerProcess | undefined;
}

export interface LinkHost {
  readonly queue: AgentQueue;
  dispatch(event: UntimedAgentEvent): void;
}

interface Live {
  readonly connection: Connection;
  readonly session: Session;
  readonly server: ServerProcess;
  readonly streams: Map<string, ChannelStream>;
}

export class ServerLink implements AgentLink<Session, ServerProcess> {
  readonly serverId: ServerId;
  readonly #world: World;
  readonly #host: LinkHost;
  readonly #way: OpenRoute;
  #connection: Connection | undefined;
  #live: Live | undefined;
  #failures = 0;
  #isDead = false;
  readonly #wrongGrants: WrongGrants;

  constructor(world: World, host: LinkHost, way: OpenRoute) {
    this.#wrongGrants = new WrongGrants(world);
    this.#world = world;
    this.#host = host;
    this.#way = way;
    this.serverId = way.serverId;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get unansweredCount(): number {
    let count = 0;
    for (const stream of this.#live?.streams.values() ?? []) count += stream.unanswered.size;
    return count;
  }

  holds(connection: Connection): boolean {
    return !this.#isDead && this.#connection === connection;
  }

  start(): void {
    this.#world.after(delayMs(this.#world), () => this.#connect());
  }

  kill(): void {
    this.#isDead = true;
    this.#live = undefined;
    this.#connection?.close('down');
  }

  /** Breaks one of the open channel streams; false when there is none. */
  resetStream(): boolean {
    const live = this.#live;
    const stream = [...(live?.streams.values() ?? [])].at(-1);
    if (live === undefined || stream === undefined) return false;
    this.#break(live, stream);
    return true;
  }

  #connect(): void {
    if (this.#isDead) return;
    const { route, answering } = this.#way;
    const isReachable = answering() !== undefined && route.blockedUntilMs <= this.#world.nowMs;
    if (!isReachable) {
      this.#retry();
      return;
    }
    const up = { closed: (connection: Connection): void => server?.closed(connection) };
    let server: ServerProcess | undefined;
    const connection = new Connection(this.#world, route, { up, down: this });
    this.#connection = connection;
    const { disk, settledBelowSequence: settledBelow } = this.#host.queue;
    const { agentId, epoch, nextSequence } = disk;
    const hello = { agentId, epoch, settledBelow, nextSequence };
    connection.send('up', 'control', 0, () => {
      server = answering();
      if (server === undefined) connection.close('up');
      else server.accept(hello, connection, this);
    });
  }

  #retry(): void {
    this.#failures += 1;
    const whole = Math.min(RECONNECT_MOST_MS, RECONNECT_LEAST_MS * 2 ** Math.min(16, this.#failures - 1));
    const pauseMs = Math.round(whole / 2 + (whole / 2) * this.#world.chance.network.next());
    this.#world.after(pauseMs, () => this.#connect());
  }

  welcomed(connection: Connection, session: Session, server: ServerProcess): void {
    if (this.#isDead || this.#connection !== connection) return;
    this.#failures = 0;
    this.#wrongGrants.connected();
    this.#live = { connection, session, server, streams: new Map() };
    this.#host.dispatch({ type: 'server_connected', serverId: this.serverId });
  }

  /** The connection is over, seen from the agent. */
  closed(connection: Connection): void {
    if (this.#isDead || this.#connection !== connection) return;
    this.#connection = undefined;
    const live = this.#live;
    this.#live = undefined;
    for (const stream of live?.streams.values() ?? []) stream.abort();
    if (live !== undefined) this.#host.dispatch({ type: 'server_disconnected', serverId: this.serverId });
    this.#retry();
  }

  granted(session: Session, grant: Grant): void {
    if (this.#live?.session !== session) return;
    const { serverId } = this;
    this.#host.dispatch({ type: 'grant_received', serverId, grant: this.#wrongGrants.insteadOf(grant) });
    const { isFaulty, chance, options } = this.#world;
    if (!isFaulty || !chance.network.chance(options.faults.strayMessages)) return;
    const stray = { ...grant, grantId: grantId(`${grant.grantId}-stray`) };
    this.#host.dispatch({ type: 'grant_received', serverId, grant: stray });
  }

  revoked(session: Session, grantId: GrantId | undefined, channel: ChannelNumber | undefined): void {
    if (this.#live?.session !== session) return;
    this.#host.dispatch({
      ...{ type: 'revoked', serverId: this.serverId },
      ...defined({ grantId, channel }),
    });
  }

  sendRequest(request: UploadRequest): void {
    const live = this.#live;
    const settledBelow = this.#host.queue.settledBelowSequence;
    live?.connection.send('up', 'control', 0, () =>
      live.server.requested(live.session, request, settledBelow),
    );
  }

  sendNotice(notice: PriorityViolationNotice): void {
    const live = this.#live;
    const send = (): void =>
      live?.connection.send('up', 'control', 0, () => live.server.noticed(live.session, notice));
    send();
    const { isFaulty, chance, options } = this.#world;
    if (isFaulty && chance.network.chance(options.faults.strayMessages))
      this.#world.after(chance.network.int(...STRAY_NOTICE_MS), () => {
        if (this.#live === live) send();
      });
  }

  sendBlock(effect: Extract<AgentEffect, { type: 'send_block' }>): void {
    const live = this.#live;
    if (live === undefined) return;
    const key = `${effect.channel}/${effect.grantId}`;
    let stream = live.streams.get(key);
    if (stream === undefined) {
      stream = this.#openStream(live, effect.grantId, effect.channel);
      live.streams.set(key, stream);
    }
    stream.send(effect.block, effect.inDoubtAt);
  }

  closeChannel(grantId: GrantId, channel: ChannelNumber): void {
    const live = this.#live;
    const key = `${channel}/${grantId}`;
    const stream = live?.streams.get(key);
    if (live === undefined || stream === undefined) return;
    live.streams.delete(key);
    const isBroken = stream.unanswered.size > 0;
    if (isBroken) stream.abort();
    live.connection.send('up', key, 0, () => live.server.streamEnded(live.session, stream, isBroken));
  }

  #break(live: Live, stream: ChannelStream): void {
    live.streams.delete(stream.key);
    stream.abort();
    live.connection.cutStream(stream.key);
    live.connection.send('up', 'resets', 0, () => live.server.streamEnded(live.session, stream, true));
    const { grantId, channel } = stream;
    this.#host.dispatch({ type: 'channel_broken', serverId: this.serverId, grantId, channel });
  }

  #openStream(live: Live, grantId: GrantId, channel: ChannelNumber): ChannelStream {
    const { serverId } = this;
    const stream: ChannelStream = new ChannelStream(this.#host.queue, serverId, grantId, channel, {
      transmit: (header, inDoubtAt) =>
        live.connection.send('up', stream.key, header.rawBytes * COMPRESSION, () =>
          live.server.arrived(live.session, stream, header, inDoubtAt),
        ),
      answered: (header, refusal) => {
        if (this.#live !== live) return;
        const blockId = header.id;
        if (refusal === undefined) this.#host.dispatch({ type: 'block_acknowledged', serverId, blockId });
        else this.#host.dispatch({ type: 'block_refused', serverId, blockId, refusal });
      },
    });
    return stream;
  }
}

interface StreamHost {
  transmit(header: BlockHeader, inDoubtAt: ServerId | undefined): void;
  answered(header: BlockHeader, refusal: BlockRefusal | undefined): void;
}

interface Outgoing {
  readonly header: BlockHeader;
  readonly inDoubtAt: ServerId | undefined;
  /** Undefined until the note "may be there" is on disk or has failed. */
  isMarked: boolean | undefined;
}

class ChannelStream implements AgentStream {
  readonly key: string;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly unanswered = new Map<number, BlockHeader>();
  readonly #queue: AgentQueue;
  readonly #serverId: ServerId;
  readonly #host: StreamHost;
  readonly #waiting: Outgoing[] = [];
  #isAborted = false;

  constructor(
    queue: AgentQueue,
    serverId: ServerId,
    grantId: GrantId,
    channel: ChannelNumber,
    host: StreamHost,
  ) {
    this.key = `${channel}/${grantId}`;
    this.grantId = grantId;
    this.channel = channel;
    this.#queue = queue;
    this.#serverId = serverId;
    this.#host = host;
  }

  send(header: BlockHeader, inDoubtAt: ServerId | undefined): void {
    const { sequence } = header.id;
    this.unanswered.set(sequence, header);
    const outgoing: Outgoing = { header, inDoubtAt, isMarked: undefined };
    this.#waiting.push(outgoing);
    this.#queue.markSent(sequence, this.#serverId, (isWritten) => {
      outgoing.isMarked = isWritten;
      this.#pump();
    });
  }

  abort(): void {
    this.#isAborted = true;
  }

  answered(sequence: number, refusal: BlockRefusal | undefined): void {
    if (this.#isAborted) return;
    const header = this.unanswered.get(sequence);
    if (header === undefined)
      throw new Error(`${this.#serverId} answered block ${sequence}, which it was not sent`);
    this.unanswered.delete(sequence);
    this.#host.answered(header, refusal);
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next?.isMarked !== undefined; next = this.#waiting[0]) {
      if (this.#isAborted) return;
      this.#waiting.shift();
      const { sequence } = next.header.id;
      if (next.isMarked && this.#queue.disk.blocks.has(sequence)) {
        this.#host.transmit(next.header, next.inDoubtAt);
        continue;
      }
      this.unanswered.delete(sequence);
      this.#host.answered(next.header, {
        kind: next.isMarked ? 'malformed' : 'retryable',
        reason: next.isMarked ? 'the queue does not hold the payload' : 'the queue failed',
      });
    }
  }
}
