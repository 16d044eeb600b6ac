/**
 * One life of a server: the production state machine in a shell that behaves as packages/server/ingest does (order of
 * effects, sessions, channel streams, one block of a stream at a time, no block appended twice), over a journal and a
 * loader.
 *
 * Invariants: a dead process does nothing more, also in the middle of the effects of one step.
 */
import { defined } from '@sluice/base/defined';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type {
  AgentId,
  BlockHeader,
  BlockRefusal,
  ChannelNumber,
  Grant,
  GrantId,
  ServerId,
} from '@sluice/protocol/model';
import { blockKey, URGENCY_CLASSES } from '@sluice/protocol/model';
import type { ServerEffect, ServerEvent, UntimedServerEvent } from '@sluice/protocol/server-events';
import type { AgentLink, AgentStream } from './agent-link.ts';
import type { Connection } from './connection.ts';
import { LoaderLane } from './loader-model.ts';
import { MovedBlocks } from './moved-blocks.ts';
import type { ServerShape } from './options.ts';
import { ProcessClock } from './process-clock.ts';
import { Retrying } from './retrying.ts';
import type { JournalDisk } from './server-journal.ts';
import { ServerJournal } from './server-journal.ts';
import type { StoreModel } from './store-model.ts';
import type { World } from './world.ts';

/** Longest time that the validation of one block takes. */
const MOST_VALIDATION_MS = 4;
/** A draining server stops after this time even when something is unanswered (packages/server/ingest/limits.ts: 10 s). */
const DRAIN_TIMEOUT_MS = 10_000;
/** How often a draining server looks whether it is idle. */
const IDLE_CHECK_MS = 50;

/** What an agent says of itself when it connects. */
export interface Hello {
  readonly agentId: AgentId;
  /** Its run. */
  readonly epoch: number;
  /** It holds no block of this run with a smaller sequence. */
  readonly settledBelow: number;
  /** What it seals from now on has this sequence or a higher one. */
  readonly nextSequence: number;
}

/** One connected agent. */
export interface Session {
  /** Under which the machine knows it: the agent's id, or another one when several of that id live. */
  readonly key: AgentId;
  readonly hello: Hello;
  readonly connection: Connection;
  readonly link: AgentLink;
  readonly granted: Map<GrantId, ReadonlySet<ChannelNumber>>;
  readonly inboxes: Map<string, Inbox>;
}

interface Arrival {
  readonly header: BlockHeader;
  readonly inDoubtAt: ServerId | undefined;
}

/** The server's end of one channel stream. */
interface Inbox {
  readonly stream: AgentStream;
  readonly waiting: Arrival[];
  isReading: boolean;
  isOpen: boolean;
  inputEnded: boolean;
  unanswered: number;
}

export class ServerProcess {
  readonly serverId: ServerId;
  readonly journal: ServerJournal;
  readonly clock: ProcessClock;
  readonly #world: World;
  readonly #shape: ServerShape;
  readonly #runner: MachineRunner<UntimedServerEvent, ServerEffect>;
  readonly #loading: Retrying;
  readonly #loaders: readonly LoaderLane[];
  readonly #sessions = new Map<AgentId, Session>();
  /** Blocks between their append and its end, with who waits for that. */
  readonly #appending = new Map<string, (() => void)[]>();
  readonly #onEnd: () => void;
  #arriving: (Arrival & { readonly sealedBefore: number }) | undefined;
  #derivedKeys = 0;
  #wakes = 0;
  #isDead = false;

  /** @param onEnd called once when the process is over, however it ended. */
  constructor(
    world: World,
    shape: ServerShape,
    disk: JournalDisk,
    store: StoreModel,
    life: number,
    onEnd: () => void,
  ) {
    this.#world = world;
    this.serverId = disk.serverId;
    this.#onEnd = onEnd;
    this.#shape = shape;
    this.clock = new ProcessClock(world);
    this.journal = new ServerJournal(world, disk, shape.journalBytes, () => this.#tellRoom());
    const machine = world.machines.createServerMachine({
      serverId: disk.serverId,
      instance: `${disk.serverId}.${life}`,
      channels: shape.channels,
      journalBytes: shape.journalBytes,
      onNotice: shape.onNotice,
      grantLifetimeMs: shape.grantLifetimeMs,
      yieldMemoryMs: shape.yieldMemoryMs,
      priorityOffset: shape.priorityOffset,
      loadedOffset: shape.loadedOffset,
      remoteOffset: shape.remoteOffset,
      ...defined({ ingestLimitBytesPerSecond: shape.ingestLimitBytesPerSecond }),
    });
    const { serverId } = disk;
    this.#runner = new MachineRunner(machine, {
      now: () => this.clock.nowMs,
      execute: (effect) => this.#executeOrDie(effect),
      stepped: (event, effects) => world.observe({ type: 'server_step', serverId, event, effects }),
    });
    const measured = world.machines.isOpen === true ? machine : undefined;
    world.observe({ type: 'server_started', serverId, shape, machine: measured });
    this.#loading = new Retrying(world);
    this.#loaders = URGENCY_CLASSES.map(
      (_, lane) =>
        new LoaderLane(world, this.journal, store, lane, shape.gatherMs * (lane + 1), this.#loading),
    );
    new MovedBlocks(this.journal, store, this.#loading).reconcile();
    this.#tellRoom();
  }

  /** Dies at once. */
  kill(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#runner.stop();
    this.journal.kill();
    this.#loading.kill();
    this.#world.observe({ type: 'server_ended', serverId: this.serverId });
    for (const { connection } of this.#sessions.values()) connection.close('up');
    this.#onEnd();
  }

  /** Revokes, takes what is in flight, says goodbye, ends. */
  drain(): void {
    if (this.#isDead) return;
    this.#dispatch({ type: 'draining' });
    const untilMs = this.#world.nowMs + DRAIN_TIMEOUT_MS;
    const check = (): void => {
      if (this.#isDead) return;
      const isIdle =
        this.#appending.size === 0 && [...this.#sessions.values()].every(({ inboxes }) => inboxes.size === 0);
      if (isIdle || this.#world.nowMs >= untilMs) this.kill();
      else this.#world.after(IDLE_CHECK_MS, check);
    };
    check();
  }

  /** An agent shook hands. */
  accept(hello: Hello, connection: Connection, link: AgentLink): void {
    const { agentId } = hello;
    if (this.#isDead) {
      connection.close('up');
      return;
    }
    for (const earlier of [...this.#sessions.values()]) {
      if (earlier.hello.agentId !== agentId || earlier.link.holds(earlier.connection)) continue;
      this.#leave(earlier);
      earlier.connection.close('up');
    }
    const key = this.#keyFor(agentId);
    const session: Session = { key, hello, connection, link, granted: new Map(), inboxes: new Map() };
    this.#sessions.set(key, session);
    connection.send('down', 'control', 0, () => link.welcomed(connection, session, this));
    this.#dispatch({ type: 'agent_connected', agentId: key, isRemote: isRemote(agentId, this.serverId) });
    this.journal.settleBelow(agentId, hello.epoch, hello.settledBelow);
  }

  /** A connection ended, seen from here. */
  closed(connection: Connection): void {
    for (const session of this.#sessions.values())
      if (session.connection === connection) this.#leave(session);
  }

  requested(
    session: Session,
    request: Extract<ServerEvent, { type: 'request_received' }>['request'],
    settledBelow: number,
  ): void {
    if (!this.#isCurrent(session)) return;
    this.journal.settleBelow(session.hello.agentId, session.hello.epoch, settledBelow);
    this.#dispatch({ type: 'request_received', agentId: session.key, request });
  }

  noticed(session: Session, notice: Extract<ServerEvent, { type: 'notice_received' }>['notice']): void {
    if (this.#isCurrent(session)) this.#dispatch({ type: 'notice_received', agentId: session.key, notice });
  }

  /** A block came in on a channel stream; the first one opens it. */
  arrived(session: Session, stream: AgentStream, header: BlockHeader, inDoubtAt: ServerId | undefined): void {
    if (!this.#isCurrent(session)) return;
    let inbox = session.inboxes.get(stream.key);
    if (inbox === undefined || inbox.stream !== stream) {
      if (session.granted.get(stream.grantId)?.has(stream.channel) !== true) {
        throw new Error(
          `${session.key} opened channel ${stream.key}, which ${this.serverId} never gave to it`,
        );
      }
      inbox = { stream, waiting: [], isReading: false, isOpen: true, inputEnded: false, unanswered: 0 };
      session.inboxes.set(stream.key, inbox);
    }
    inbox.waiting.push({ header, inDoubtAt });
    this.#read(session, inbox);
  }

  /** The agent's half of a stream ended, in order or by a break. */
  streamEnded(session: Session, stream: AgentStream, isBroken: boolean): void {
    const inbox = session.inboxes.get(stream.key);
    if (inbox?.stream !== stream) return;
    inbox.inputEnded = true;
    if (isBroken) inbox.isOpen = false;
    if (isBroken || (inbox.unanswered === 0 && inbox.waiting.length === 0))
      session.inboxes.delete(stream.key);
  }

  #keyFor(agentId: AgentId): AgentId {
    if (!this.#sessions.has(agentId)) return agentId;
    this.#derivedKeys += 1;
    return `${agentId}~${this.#derivedKeys}` as AgentId; // A brand has no other way on.
  }

  #isCurrent(session: Session): boolean {
    return !this.#isDead && this.#sessions.get(session.key) === session;
  }

  #leave(session: Session): void {
    if (!this.#isCurrent(session)) return;
    this.#sessions.delete(session.key);
    for (const inbox of session.inboxes.values()) inbox.isOpen = false;
    this.#dispatch({ type: 'agent_disconnected', agentId: session.key });
  }

  /** One block of a stream after the other: wait for the same block's append, validate, hand to the machine. */
  #read(session: Session, inbox: Inbox): void {
    if (inbox.isReading) return;
    const next = inbox.waiting.shift();
    if (next === undefined) return;
    inbox.isReading = true;
    inbox.unanswered += 1;
    const key = blockKey(next.header.id);
    const take = (): void => {
      const running = this.#appending.get(key);
      if (running !== undefined && this.#shape.waitsForAppend) {
        running.push(take);
        return;
      }
      inbox.isReading = false;
      if (!this.#isCurrent(session) || !inbox.isOpen) return;
      this.#arriving = { ...next, sealedBefore: session.hello.nextSequence };
      const { grantId, channel } = inbox.stream;
      this.#dispatch({
        ...{ type: 'block_arrived', agentId: session.key, grantId, channel },
        ...{ block: next.header, known: this.journal.knows(next.header) },
      });
      this.#read(session, inbox);
    };
    this.#world.after(this.#world.chance.network.int(0, MOST_VALIDATION_MS), take);
  }

  #tellRoom(): void {
    // The first change comes while the machine is being made.
    this.#world.after(0, () =>
      this.#dispatch({ type: 'journal_room_changed', roomBytes: this.journal.roomBytes }),
    );
  }

  #dispatch(event: UntimedServerEvent): void {
    this.#runner.dispatch(event);
  }

  /** The process may die between any two effects of a step. */
  #executeOrDie(effect: ServerEffect): void {
    this.#execute(effect);
    const { isFaulty, chance, options } = this.#world;
    if (isFaulty && chance.faults.chance(options.faults.crashBetweenEffects)) this.kill();
  }

  #execute(effect: ServerEffect): void {
    switch (effect.type) {
      case 'send_grant':
        this.#sendGrant(effect.agentId, effect.grant);
        return;
      case 'revoke': {
        const session = this.#sessions.get(effect.agentId);
        const { grantId, channel } = effect;
        session?.connection.send('down', 'control', 0, () => session.link.revoked(session, grantId, channel));
        return;
      }
      case 'journal_block':
        this.#append(blockKey(effect.blockId));
        return;
      case 'acknowledge_block':
      case 'refuse_block': {
        const refusal = effect.type === 'refuse_block' ? effect.refusal : undefined;
        const session = this.#sessions.get(effect.agentId);
        const inbox = session?.inboxes.get(`${effect.channel}/${effect.grantId}`);
        if (session !== undefined && inbox !== undefined) {
          this.#answer(session, inbox, effect.blockId.sequence, refusal);
        }
        return;
      }
      case 'record_notice':
        return;
      case 'wake_at': {
        this.#wakes += 1;
        const wish = this.#wakes;
        this.#world.after(Math.max(0, effect.atMs - this.clock.nowMs), () => {
          if (wish === this.#wakes) this.#dispatch({ type: 'woken' });
        });
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #sendGrant(agentId: AgentId, grant: Grant): void {
    const session = this.#sessions.get(agentId);
    if (session === undefined) return;
    session.granted.set(grant.grantId, new Set(grant.channels.map(({ channel }) => channel)));
    session.connection.send('down', 'control', 0, () => session.link.granted(session, grant));
  }

  #append(key: string): void {
    const arriving = this.#arriving;
    if (arriving === undefined || blockKey(arriving.header.id) !== key) {
      throw new Error(`the machine journals a block that did not just arrive: ${key}`);
    }
    this.#arriving = undefined;
    const { header, inDoubtAt, sealedBefore } = arriving;
    this.#appending.set(key, []);
    this.journal.append(header, inDoubtAt, sealedBefore, (block, failure) => {
      if (this.#isDead) return;
      const waiters = this.#appending.get(key) ?? [];
      this.#appending.delete(key);
      if (block !== undefined) {
        this.#loaders[block.lane]?.blockAppended(block);
        this.#dispatch({ type: 'block_durable', blockId: header.id });
      } else this.#dispatch({ type: 'block_not_durable', blockId: header.id, reason: failure });
      for (const wake of waiters) wake();
    });
  }

  #answer(session: Session, inbox: Inbox, sequence: number, refusal: BlockRefusal | undefined): void {
    if (!inbox.isOpen) return;
    inbox.unanswered -= 1;
    const { stream } = inbox;
    session.connection.send('down', stream.key, 0, () => stream.answered(sequence, refusal));
    if (inbox.inputEnded && inbox.unanswered === 0 && inbox.waiting.length === 0)
      session.inboxes.delete(stream.key);
  }
}

/** Half of the agents are far from a server, others from another one. */
function isRemote(agentId: AgentId, serverId: ServerId): boolean {
  return (agentId.charCodeAt(agentId.length - 1) + serverId.charCodeAt(1)) % 2 === 0;
}
