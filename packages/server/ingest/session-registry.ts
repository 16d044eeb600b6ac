/**
 * The connected agents: by session, by agent id, and by the key under which the state machine knows them.
 *
 * The machine knows one connection by one agent id. Several sessions of one id, twins or a stranger beside the real one,
 * get keys of their own, so that grants, quotas, yields and acknowledgements of one never mix with another's.
 *
 * Invariants: a machine key belongs to one session at a time; the id itself is the key of a session that is what is
 * pinned to the id, never of a stranger's; at most MAX_SESSIONS_PER_ID of either kind.
 */
import { SluiceError } from '@sluice/base/error';
import type { AgentId } from '@sluice/protocol/model';
import { isTrusted, sameIdentity } from '../identity/agent-identity.ts';
import { MAX_SESSIONS_PER_ID } from '../identity/limits.ts';
import type { AgentSession } from './agent-session.ts';

/** No agent id holds a control character. */
const SEPARATOR = '\u0001';

/** @returns the agent's id of the key under which the machine knows a session */
export function agentIdOf(machineKey: AgentId): AgentId {
  const end = machineKey.indexOf(SEPARATOR);
  // A part of a branded id that was whole before.
  return end < 0 ? machineKey : (machineKey.slice(0, end) as AgentId);
}

export class SessionRegistry {
  readonly #bySessionId = new Map<string, AgentSession>();
  readonly #byMachineKey = new Map<AgentId, AgentSession>();
  readonly #byAgent = new Map<AgentId, Set<AgentSession>>();
  #derivedKeys = 0;

  all(): Iterable<AgentSession> {
    return this.#bySessionId.values();
  }

  has(session: AgentSession): boolean {
    return this.#bySessionId.get(session.sessionId) === session;
  }

  bySessionId(sessionId: string): AgentSession | undefined {
    return this.#bySessionId.get(sessionId);
  }

  byMachineKey(machineKey: AgentId): AgentSession | undefined {
    return this.#byMachineKey.get(machineKey);
  }

  /** All sessions of the id, the earliest first. */
  of(agentId: AgentId): readonly AgentSession[] {
    return [...(this.#byAgent.get(agentId) ?? [])];
  }

  /** The other sessions of the same id and the same identity. */
  sameAs(session: Pick<AgentSession, 'agentId' | 'shown' | 'sessionId'>): readonly AgentSession[] {
    return this.of(session.agentId).filter(
      (other) => other.sessionId !== session.sessionId && sameIdentity(other.shown, session.shown),
    );
  }

  /** Takes the session in and gives it its machine key. @throws SluiceError `limit_exceeded` */
  add(session: AgentSession): void {
    const { agentId, sessionId } = session;
    const others = this.of(agentId).filter(
      (other) => isTrusted(other.standing) === isTrusted(session.standing),
    );
    if (others.length >= MAX_SESSIONS_PER_ID) {
      throw new SluiceError('limit_exceeded', `${others.length} agents are connected as ${agentId} already`, {
        hint: 'Give each agent an id and a data directory of its own.',
      });
    }
    session.machineKey = this.#keyFor(session);
    this.#bySessionId.set(sessionId, session);
    this.#byMachineKey.set(session.machineKey, session);
    const known = this.#byAgent.get(agentId);
    if (known === undefined) this.#byAgent.set(agentId, new Set([session]));
    else known.add(session);
  }

  /** @returns false when it is not here (any more) */
  remove(session: AgentSession): boolean {
    if (!this.has(session)) return false;
    this.#bySessionId.delete(session.sessionId);
    this.#byMachineKey.delete(session.machineKey);
    const known = this.#byAgent.get(session.agentId);
    known?.delete(session);
    if (known?.size === 0) this.#byAgent.delete(session.agentId);
    return true;
  }

  #keyFor({ agentId, standing }: AgentSession): AgentId {
    if (isTrusted(standing) && !this.#byMachineKey.has(agentId)) return agentId;
    this.#derivedKeys += 1;
    // Cannot be an agent's id, and comes only once.
    return `${agentId}${SEPARATOR}${this.#derivedKeys}` as AgentId;
  }
}
