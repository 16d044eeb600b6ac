/**
 * The server's uplink: listens for agents, validates what they send, and runs the uplink state machine between them
 * and the journal. It turns happenings into events and executes effects in order; who may send what is decided by the
 * machine alone.
 *
 * Invariants: the machine knows a session by its machine key, people know it by its agent's id; a session of one agent is
 * ended for another one of the same id only when it is dead; the machine runs by the rules of its runner
 * (machine-runner.ts); a block is acknowledged only after its journal append resolved; a block that the journal knows, or is taking at this moment, is
 * never appended again; a malformed payload never reaches the machine or the journal.
 */

import { Code, type ConnectError } from '@connectrpc/connect';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { failFast } from '@sluice/host/fail-fast';
import { createSteadyClock } from '@sluice/host/steady-clock';
import { WakeTimer } from '@sluice/host/wake-timer';
import { within } from '@sluice/host/within';
import { MachineRunner } from '@sluice/protocol/machine-runner';
import type { AgentId, BlockHeader, BlockRefusal, PriorityViolationNotice } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { ServerEffect, UntimedServerEvent } from '@sluice/protocol/server-events';
import type { ServerMachine } from '@sluice/protocol/server-machine';
import { createServerMachine } from '@sluice/protocol/server-machine';
import type { ServerMachineView } from '@sluice/protocol/server-view';
import type { ReceivedBlock } from '@sluice/wire/convert/block';
import type { AgentReport } from '@sluice/wire/gen/uplink_pb';
import { isTrusted } from '../identity/agent-identity.ts';
import { IdentityBook } from '../identity/identity-book.ts';
import { TWIN_PING_TIMEOUT_MS } from '../identity/limits.ts';
import type { AgentSession } from './agent-session.ts';
import type { HandlerHost, OpenedChannel } from './handlers.ts';
import { IdentityDesk } from './identity-desk.ts';
import type { IngestOptions } from './ingest-options.ts';
import { IntakeGate } from './intake-gate.ts';
import { GOODBYE_TIMEOUT_MS, MAX_AGENTS, MAX_INTAKE_BYTES, MAX_INTAKE_BYTES_PER_AGENT } from './limits.ts';
import { NoticeLog } from './notice-log.ts';
import { type Arriving, checkReceived } from './received-block.ts';
import { ReportBook } from './report-book.ts';
import { agentIdOf, SessionRegistry } from './session-registry.ts';

/** The time of the machine: a clock that is set back must not stop it. */
const now = createSteadyClock();

export class IngestRuntime implements HandlerHost {
  readonly serverId: string;
  readonly version: string;
  readonly machine: ServerMachine;
  readonly #runner: MachineRunner<UntimedServerEvent, ServerEffect>;
  readonly reports: ReportBook;
  readonly notices: NoticeLog = new NoticeLog();
  readonly #options: IngestOptions;
  readonly #gate = new IntakeGate(MAX_INTAKE_BYTES_PER_AGENT, MAX_INTAKE_BYTES);
  readonly #sessions = new SessionRegistry();
  readonly desk: IdentityDesk;
  /** Blocks handed to the machine in a `block_arrived` and not decided yet. */
  readonly #arriving = new Map<string, Arriving>();
  /** Blocks between their append and its end; never rejects. */
  readonly #appending = new Map<string, Promise<void>>();
  readonly #settledBelow = new Map<AgentSession, number>();
  readonly #stopRoom: () => void;
  readonly #wakeTimer = new WakeTimer(now, () => this.#dispatch({ type: 'woken' }));
  #idleWaiters: (() => void)[] = [];
  #stopped = false;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.serverId = options.serverId;
    this.version = options.version;
    this.reports = new ReportBook(options.maxAgents ?? MAX_AGENTS);
    this.desk = new IdentityDesk({
      serverId: options.serverId,
      book: options.identities ?? new IdentityBook({ serverId: options.serverId }),
      sessions: this.#sessions,
      reports: this.reports,
      end: (session, reason) => this.#end(session, reason),
      logger: options.logger,
      pingTimeoutMs: options.twinPingTimeoutMs ?? TWIN_PING_TIMEOUT_MS,
    });
    this.machine = createServerMachine({
      ...options.machine,
      serverId: options.serverId,
      journalBytes: options.journal.maxRawBytes,
    });
    this.#runner = new MachineRunner(this.machine, { now, execute: (effect) => this.#execute(effect) });
    const tellRoom = (): void =>
      this.#dispatch({ type: 'journal_room_changed', roomBytes: Math.max(0, options.journal.roomBytes) });
    this.#stopRoom = options.journal.onRoomChanged(tellRoom);
    tellRoom();
  }

  /** The machine's view, by the ids of agents: several of an id where several sessions are. */
  view(): ServerMachineView {
    const view = this.machine.view(now());
    return {
      ...view,
      agents: view.agents.map((agent) => ({ ...agent, agentId: agentIdOf(agent.agentId) })),
      recentNotices: view.recentNotices.map((told) => ({ ...told, agentId: agentIdOf(told.agentId) })),
      history: view.history.map((told) => ({ ...told, agentId: agentIdOf(told.agentId) })),
    };
  }

  async admit(session: AgentSession): Promise<void> {
    await this.desk.judge(session);
    // It left while an earlier session of it was asked whether it lives.
    if (!session.control.isOpen || this.#stopped) return;
    this.#sessions.add(session);
    this.reports.connected(session, now());
    this.#options.metrics?.agentConnected?.(session.agentId);
    const { region = '' } = this.#options;
    const isRemote = region !== '' && session.region !== '' && session.region !== region;
    this.#dispatch({ type: 'agent_connected', agentId: session.machineKey, isRemote });
    this.desk.connected(session);
  }

  disconnected(session: AgentSession): void {
    if (!this.#sessions.remove(session)) return;
    this.#settledBelow.delete(session);
    for (const inbox of session.channels()) inbox.leave('the agent left');
    this.reports.disconnected(session, now());
    this.#options.metrics?.agentDisconnected?.(session.agentId);
    this.#dispatch({ type: 'agent_disconnected', agentId: session.machineKey });
    this.desk.disconnected(session);
    this.#tellIdle();
  }

  sessionOf(sessionId: string): AgentSession | undefined {
    return this.#sessions.bySessionId(sessionId);
  }

  requested(session: AgentSession, request: Parameters<HandlerHost['requested']>[1]): void {
    if (this.#isCurrent(session))
      this.#dispatch({ type: 'request_received', agentId: session.machineKey, request });
  }

  noticed(session: AgentSession, notice: PriorityViolationNotice): void {
    if (this.#isCurrent(session))
      this.#dispatch({ type: 'notice_received', agentId: session.machineKey, notice });
  }

  reported(session: AgentSession, report: AgentReport): void {
    if (this.#isCurrent(session)) this.reports.reported(session, report, now());
  }

  settled(session: AgentSession, belowSequence: number): void {
    // What a stranger says of an agent's blocks is no reason to forget them.
    if (!this.#sessions.has(session) || !isTrusted(session.standing)) return;
    const { agentId, epoch } = session;
    session.nextSequence = Math.max(session.nextSequence, belowSequence);
    if (belowSequence <= 1 || (this.#settledBelow.get(session) ?? 0) >= belowSequence) return;
    this.#settledBelow.set(session, belowSequence);
    const settle = async (): Promise<void> =>
      this.#options.journal.settleBelow(agentId, epoch, belowSequence);
    settle().catch((error: unknown) => {
      this.#options.logger.error(
        { agentId, error: SluiceError.from(error).message },
        'journal cannot forget',
      );
    });
  }

  left({ agentId }: AgentSession, reason: string): void {
    this.#options.logger.info({ agentId, reason }, 'the agent leaves');
  }

  failed({ agentId, connection }: AgentSession, { code, rawMessage }: ConnectError): void {
    // A connection that broke is no fault of what was said.
    if (code === Code.Canceled || code === Code.Unavailable) return;
    const address = connection?.remoteAddress;
    this.#options.logger.warn({ agentId, address, code: Code[code], reason: rawMessage }, 'agent refused');
  }

  channelClosed(): void {
    this.#tellIdle();
  }

  async take(channel: OpenedChannel, block: ReceivedBlock): Promise<void> {
    const { session } = channel;
    const { header, payload } = block;
    const key = blockKey(header.id);
    const leave = await this.#gate.enter(session.machineKey, payload.length);
    let kept = false;
    try {
      if (block.damage !== undefined) {
        // Whether it was damaged at the agent, its agent sees before it sends it again.
        this.#refuse(channel, header, { kind: 'retryable', reason: block.damage });
        return;
      }
      let known = await this.#isKnown(key, header);
      let columnBytes: number | undefined;
      if (!known) {
        const checked = checkReceived(block, this.#options.validate);
        if (checked.refusal !== undefined) {
          this.#refuse(channel, header, checked.refusal);
          return;
        }
        columnBytes = checked.columnBytes;
        known = await this.#isKnown(key, header);
      }
      // Replaced or gone meanwhile: the agent will send the block again.
      if (!this.#isCurrent(session)) return;
      this.#options.metrics?.blockReceived?.(header, payload.length, known);
      // What came in this session was sealed before too: its run may have been forgotten since (known-blocks.ts).
      const sealedBefore = Math.max(session.marks.nextSequence, session.nextSequence);
      const arriving: Arriving = {
        block,
        receivedMs: now(),
        sealedBefore,
        columnBytes,
        leave,
        journaled: false,
      };
      this.#arriving.set(key, arriving);
      session.nextSequence = Math.max(session.nextSequence, header.id.sequence + 1);
      const { machineKey: agentId } = session;
      const { grantId, channel: number } = channel;
      this.#dispatch({ type: 'block_arrived', agentId, grantId, channel: number, block: header, known });
      this.#arriving.delete(key);
      kept = arriving.journaled;
    } finally {
      if (!kept) leave();
    }
  }

  /**
   * Revokes, takes what is in flight for up to timeoutMs, says goodbye, and waits until the agents have read that, for up to
   * GOODBYE_TIMEOUT_MS.
   *
   * @param beforeGoodbye from now on nobody may come: who comes back at once would find a server that is about to be gone
   */
  async drain(timeoutMs: number, beforeGoodbye: () => void): Promise<void> {
    this.#dispatch({ type: 'draining' });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idleWaiters.push(resolve);
    this.#tellIdle();
    await within(promise, timeoutMs);
    const sessions = [...this.#sessions.all()];
    for (const session of sessions) session.leave('the server leaves');
    beforeGoodbye();
    const gone = sessions.map(async ({ connection }) => connection?.closed);
    await within(Promise.all(gone), GOODBYE_TIMEOUT_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#runner.stop();
    this.#wakeTimer.cancel();
    this.#stopRoom();
    this.desk.stop();
    for (const session of this.#sessions.all()) session.leave('the server stops');
    for (const resolve of this.#idleWaiters) resolve();
  }

  /** Resolves when no append is under way. */
  async appendsEnded(): Promise<void> {
    await Promise.all(this.#appending.values());
  }

  /** Ends a session of which the connection is dead. */
  #end(session: AgentSession, reason: string): void {
    this.disconnected(session);
    session.leave(reason);
    session.connection?.leave();
  }

  #isCurrent(session: AgentSession): boolean {
    return this.#sessions.has(session);
  }

  /** Waits for the same block's append when one is under way (it may come twice, over two streams). */
  async #isKnown(key: string, header: BlockHeader): Promise<boolean> {
    for (let running = this.#appending.get(key); running !== undefined; running = this.#appending.get(key)) {
      await running;
    }
    return this.#options.journal.knows(header.id);
  }

  #refuse(channel: OpenedChannel, header: BlockHeader, refusal: BlockRefusal): void {
    const { agentId } = channel.session;
    this.#options.logger.warn(
      { block: blockKey(header.id), reason: refusal.reason },
      `block refused: ${refusal.kind}`,
    );
    this.#options.metrics?.blockRefused?.(agentId, refusal);
    channel.inbox.refuse(header.id, refusal);
  }

  /** Hands the event to the machine. A machine that fails has lost its books: the process ends (fail-fast.ts). */
  #dispatch(event: UntimedServerEvent): void {
    try {
      this.#runner.dispatch(event);
    } catch (error) {
      this.#stopped = true;
      failFast(this.#options.logger, error, 'the intake');
    }
  }

  #execute(effect: ServerEffect): void {
    switch (effect.type) {
      case 'send_grant':
        this.#sessions.byMachineKey(effect.agentId)?.sendGrant(effect.grant);
        return;
      case 'revoke':
        this.#sessions.byMachineKey(effect.agentId)?.sendRevocation({
          ...defined({ grantId: effect.grantId, channel: effect.channel }),
        });
        return;
      case 'journal_block':
        this.#append(blockKey(effect.blockId), effect.priority);
        return;
      case 'acknowledge_block':
        this.#sessions
          .byMachineKey(effect.agentId)
          ?.channel(effect.grantId, effect.channel)
          ?.acknowledge(effect.blockId);
        return;
      case 'refuse_block': {
        const { agentId, refusal, blockId } = effect;
        this.#options.metrics?.blockRefused?.(agentIdOf(agentId), refusal);
        this.#sessions
          .byMachineKey(agentId)
          ?.channel(effect.grantId, effect.channel)
          ?.refuse(blockId, refusal);
        return;
      }
      case 'record_notice':
        this.#recordNotice(agentIdOf(effect.agentId), effect.notice);
        return;
      case 'wake_at':
        this.#wakeTimer.set(effect.atMs);
        return;
      default:
        effect satisfies never;
    }
  }

  #append(key: string, priority: number): void {
    const arriving = this.#arriving.get(key);
    if (arriving === undefined || arriving.journaled) {
      throw new SluiceError('internal', `the machine journals a block that did not just arrive: ${key}`);
    }
    arriving.journaled = true;
    const { block, receivedMs, sealedBefore, columnBytes } = arriving;
    const blockId = block.header.id;
    const append = async (): Promise<void> => {
      let failure: SluiceError | undefined;
      try {
        await this.#options.journal.append({
          ...{ ...block, priority, receivedMs, sealedBefore },
          ...defined({ columnBytes }),
        });
      } catch (error) {
        failure = SluiceError.from(error);
      }
      this.#appending.delete(key);
      arriving.leave();
      if (failure === undefined) {
        this.#options.metrics?.blockAcknowledged?.(block.header, priority, now() - receivedMs);
        this.#dispatch({ type: 'block_durable', blockId });
      } else {
        this.#options.logger.error(
          { block: key, error: failure.message },
          'the journal did not take a block',
        );
        this.#dispatch({ type: 'block_not_durable', blockId, reason: failure.message });
      }
      this.#tellIdle();
    };
    this.#appending.set(key, append());
  }

  #recordNotice(agentId: AgentId, notice: PriorityViolationNotice): void {
    this.notices.add({ atMs: now(), agentId, notice });
    this.#options.metrics?.noticeReceived?.(agentId);
    this.#options.logger.info({ agentId, notice }, 'priority violation notice');
  }

  /** For drain: nothing is being written and no channel is open. */
  #tellIdle(): void {
    if (this.#idleWaiters.length === 0 || this.#appending.size > 0) return;
    for (const session of this.#sessions.all()) if (session.openChannelCount > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
