/**
 * Says who each connecting agent is, finds agents that run twice, and tells both what is wrong. It refuses nobody.
 *
 * A second session of an agent is most often the agent itself, whose earlier connection broke: the earlier one is asked
 * whether it lives, and ended when it does not answer. When it does, both are served.
 *
 * Invariants: a session is ended only when it did not answer; sessions are twins only after both were seen alive at the
 * same time; no timer is left behind after stop().
 */
import type { AgentId } from '@sluice/protocol/model';
import { IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import type { Logger } from 'pino';
import { identityText, isTrusted } from '../identity/agent-identity.ts';
import type { Arrival, IdentityBook } from '../identity/identity-book.ts';
import { otherKeyAdvice, rollbackText, type TwinRun, twinAdvice } from '../identity/identity-problems.ts';
import type { LiveRun } from '../identity/identity-sync.ts';
import type { SeenRun } from '../identity/twins.ts';
import type { AgentSession, ToldProblem } from './agent-session.ts';
import type { ReportBook } from './report-book.ts';
import type { SessionRegistry } from './session-registry.ts';

export type TwinsByAgent = ReadonlyMap<AgentId, readonly TwinRun[]>;

export interface IdentityDeskOptions {
  readonly serverId: string;
  readonly book: IdentityBook;
  readonly sessions: SessionRegistry;
  readonly reports: ReportBook;
  readonly end: (session: AgentSession, reason: string) => void;
  readonly logger: Logger;
  /** How long a session has to answer. */
  readonly pingTimeoutMs: number;
}

export class IdentityDesk {
  readonly #options: IdentityDeskOptions;
  /** What the store says of runs at all servers, by agent. */
  #elsewhere: ReadonlyMap<AgentId, readonly SeenRun[]> = new Map();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: IdentityDeskOptions) {
    this.#options = options;
  }

  /** Resolves when the session may be added: after a dead one of the same run is gone. */
  async judge(session: AgentSession): Promise<void> {
    const { book, sessions, end, logger, pingTimeoutMs } = this.#options;
    const { agentId, shown } = session;
    // The same run comes again: its earlier connection is most likely broken, and keeps its place in the machine if so.
    for (const earlier of sessions.sameAs(session)) {
      if (earlier.epoch !== session.epoch || (await answers(earlier, pingTimeoutMs))) continue;
      logger.info({ agentId }, 'a new connection of the agent replaces the earlier one');
      end(earlier, 'replaced by a newer connection of the same agent');
    }
    this.#noteSequences(sessions.sameAs(session));
    const isAlone = sessions.sameAs(session).length === 0;
    const arrival = arrivalOf(session);
    const verdict = book.arrived(arrival, isAlone, Date.now());
    session.standing = verdict.standing;
    session.rolledBack = verdict.rolledBack;
    session.connectedSinceMs = Date.now();
    session.connectedAtMs = performance.now();
    const facts = {
      agentId,
      hostName: arrival.hostName,
      address: arrival.address,
      identity: identityText(shown),
    };
    if (!isTrusted(verdict.standing))
      logger.warn(facts, 'an agent came without the key that is pinned to its id');
    if (verdict.rolledBack) logger.warn(facts, "an agent's data directory went back to an earlier state");
  }

  /** The session was added. */
  connected(session: AgentSession): void {
    if (this.#options.sessions.sameAs(session).length > 0) this.#lookForTwins(session);
    this.#tell(session);
  }

  disconnected(session: AgentSession): void {
    this.#noteSequences([session]);
    const others = this.#options.sessions.sameAs(session);
    // Who is left alone is a twin no more.
    for (const other of others) if (others.length === 1) other.twinSinceMs = undefined;
    for (const other of others) this.#tell(other);
  }

  /** What is pinned, or what runs at other servers, changed. */
  changed(elsewhere: ReadonlyMap<AgentId, readonly SeenRun[]> = this.#elsewhere): void {
    const { book, sessions, reports } = this.#options;
    for (const agentId of elsewhere.keys()) {
      if (this.#elsewhere.has(agentId)) continue;
      this.#options.logger.warn(
        { agentId, runs: elsewhere.get(agentId) },
        'several agents of one identity run',
      );
    }
    this.#elsewhere = elsewhere;
    for (const session of sessions.all()) {
      this.#noteSequences([session]);
      const wasTrusted = isTrusted(session.standing);
      session.standing = book.standingOf(session.agentId, session.shown);
      if (wasTrusted && !isTrusted(session.standing)) book.noteOther(arrivalOf(session), Date.now());
      reports.judged(session);
      this.#tell(session);
    }
  }

  runs(): LiveRun[] {
    const { sessions, pingTimeoutMs } = this.#options;
    const runs: LiveRun[] = [];
    for (const session of sessions.all()) {
      const { sessionId, agentId, epoch, shown, hostName, connection, connectedAtMs } = session;
      runs.push({
        sessionId,
        run: {
          ...{ agentId, epoch, identity: identityText(shown) },
          ...{ hostName, address: connection?.remoteAddress ?? '' },
        },
        connectedMs: performance.now() - connectedAtMs,
        silentMs: connection?.silentMs ?? 0,
        isAlive: () => answers(session, pingTimeoutMs),
      });
    }
    return runs;
  }

  twins(): TwinsByAgent {
    const twins = new Map<AgentId, readonly TwinRun[]>(this.#elsewhere);
    for (const session of this.#options.sessions.all()) {
      if (session.twinSinceMs === undefined) continue;
      const known = twins.get(session.agentId) ?? [];
      // The store tells of this server's own sessions too.
      if (known.some((run) => isRunOf(run, session, this.#options.serverId))) continue;
      twins.set(session.agentId, [...known, runOf(session, this.#options.serverId)]);
    }
    return twins;
  }

  stop(): void {
    for (const session of this.#options.sessions.all()) this.#noteSequences([session]);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** A while later, so that an earlier session that is just ending is no twin. */
  #lookForTwins(session: AgentSession): void {
    const { sessions, end, pingTimeoutMs, logger } = this.#options;
    for (const earlier of sessions.sameAs(session)) {
      void answers(earlier, pingTimeoutMs).then((lives) => {
        if (lives || !sessions.has(earlier)) return;
        logger.info({ agentId: earlier.agentId }, 'an earlier session of the agent is dead');
        end(earlier, 'replaced by a newer connection of the same agent');
      });
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#confirmTwins(session);
    }, pingTimeoutMs);
    this.#timers.add(timer);
  }

  async #confirmTwins(session: AgentSession): Promise<void> {
    const { sessions, pingTimeoutMs, logger } = this.#options;
    const candidates = [session, ...sessions.sameAs(session)].filter((one) => sessions.has(one));
    const alive = await Promise.all(candidates.map((one) => answers(one, pingTimeoutMs)));
    const living = candidates.filter((one, index) => alive[index] === true && sessions.has(one));
    if (living.length < 2) return;
    for (const one of living) one.twinSinceMs ??= Date.now();
    const { agentId } = session;
    logger.warn(
      { agentId, runs: living.map((one) => runOf(one, this.#options.serverId)) },
      'several agents of one identity run',
    );
    for (const one of living) this.#tell(one);
  }

  /** Everything that is wrong with the session's identity, at once: the agent replaces what it was told before. */
  #tell(session: AgentSession): void {
    const { book } = this.#options;
    const { agentId, standing, shown } = session;
    const problems: ToldProblem[] = [];
    const record = book.record(agentId);
    const others = this.#twinsOf(session);
    if (others.length > 0) {
      problems.push({ kind: IdentityProblemKind.TWINS, text: twinAdvice(agentId, others) });
    }
    if (standing === 'other_key' && record?.pin !== undefined) {
      const text = otherKeyAdvice(agentId, identityText(shown), identityText(record.pin));
      problems.push({ kind: IdentityProblemKind.OTHER_KEY, text });
    }
    if (session.rolledBack && record?.rollback !== undefined && isTrusted(standing)) {
      problems.push({ kind: IdentityProblemKind.ROLLED_BACK, text: rollbackText(agentId, record.rollback) });
    }
    session.sendIdentityNotice(problems);
  }

  /** The other runs of the session's agent, here and elsewhere. */
  #twinsOf(session: AgentSession): readonly TwinRun[] {
    const { sessions, serverId } = this.#options;
    const identity = identityText(session.shown);
    const here =
      session.twinSinceMs === undefined
        ? []
        : sessions.sameAs(session).filter(({ twinSinceMs }) => twinSinceMs !== undefined);
    const elsewhere = (this.#elsewhere.get(session.agentId) ?? []).filter(
      (run) => run.identity === identity && run.serverId !== serverId && run.epoch !== session.epoch,
    );
    return [...here.map((other) => runOf(other, serverId)), ...elsewhere];
  }

  #noteSequences(sessions: readonly AgentSession[]): void {
    for (const { agentId, epoch, nextSequence, standing } of sessions) {
      if (isTrusted(standing)) this.#options.book.sawSequence(agentId, epoch, nextSequence);
    }
  }
}

/** A session without a socket of its own (none in production) counts as one that lives. */
async function answers(session: AgentSession, timeoutMs: number): Promise<boolean> {
  return (await session.connection?.isAlive(timeoutMs)) ?? true;
}

function arrivalOf({ agentId, shown, marks, hostName, connection }: AgentSession): Arrival {
  return { agentId, shown, marks, hostName, address: connection?.remoteAddress ?? '' };
}

function runOf(session: AgentSession, serverId: string): TwinRun {
  const { hostName, connection, epoch, connectedSinceMs } = session;
  return { serverId, hostName, address: connection?.remoteAddress ?? '', epoch, sinceMs: connectedSinceMs };
}

function isRunOf(run: TwinRun, session: AgentSession, serverId: string): boolean {
  const { hostName, connection, epoch } = session;
  const isHere = run.serverId === serverId && run.hostName === hostName && run.epoch === epoch;
  return isHere && run.address === (connection?.remoteAddress ?? '');
}
