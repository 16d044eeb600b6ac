/** What AgentService answers: the agents that are remembered, what is wrong with them, and the operator's word. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { SluiceError } from '@sluice/base/error';
import { type AgentId, MAX_ID_BYTES } from '@sluice/protocol/model';
import type { Principal } from '@sluice/protocol/principal';
import type {
  AcceptAgentRequest,
  AcceptAgentResponseSchema,
  KnownAgentSchema,
  ListAgentsResponseSchema,
} from '@sluice/wire/gen/agents_pb';
import {
  type AgentIdentitySchema,
  type IdentityProblemSchema,
  IdentityStanding,
} from '@sluice/wire/gen/query_pb';
import type { Logger } from 'pino';
import type { Ingest } from '../ingest/ingest.ts';
import type { KnownAgent } from '../ingest/report-book.ts';
import { identityText, type Standing } from './agent-identity.ts';
import type { AgentRecord } from './agent-record.ts';
import type { IdentityBook } from './identity-book.ts';
import { identityProblems } from './identity-problems.ts';

/** Agents in one answer: the latest seen; some 2 MiB. */
const MAX_AGENTS_LISTED = 5_000;

const STANDINGS: Readonly<Record<Standing, IdentityStanding>> = {
  unproven: IdentityStanding.UNPROVEN,
  proven: IdentityStanding.PROVEN,
  other_key: IdentityStanding.OTHER_KEY,
  no_key: IdentityStanding.NO_KEY,
};

export interface AgentServiceOptions {
  readonly serverId: string;
  readonly book: IdentityBook;
  readonly ingest: Pick<Ingest, 'reports' | 'twins' | 'identitiesChanged'>;
  /** Shares what changed at once; resolves with whether the store took it. */
  readonly share: () => Promise<boolean>;
  readonly logger: Logger;
}

export interface AgentService {
  list(): MessageInitShape<typeof ListAgentsResponseSchema>;
  /** @throws SluiceError `config_invalid` when it is not clear what is to be accepted */
  accept(
    request: AcceptAgentRequest,
    principal: Principal,
  ): Promise<MessageInitShape<typeof AcceptAgentResponseSchema>>;
  problems(): MessageInitShape<typeof IdentityProblemSchema>[];
}

export function createAgentService(options: AgentServiceOptions): AgentService {
  const { serverId, book, ingest, share, logger } = options;
  const problems = (): MessageInitShape<typeof IdentityProblemSchema>[] =>
    identityProblems(book.records(), ingest.twins(), Date.now());
  return {
    problems,
    list: () => {
      const live = Map.groupBy(
        ingest.reports().filter(({ connected }) => connected),
        ({ agentId }) => agentId,
      );
      const records = [...book.records()].slice(-MAX_AGENTS_LISTED).reverse();
      return {
        agents: records.map((record) => knownAgent(record, live.get(record.agentId) ?? [], serverId)),
        problems: problems(),
        notRememberedTotal: BigInt(book.notRememberedTotal),
      };
    },
    accept: async ({ agentId, identity }, { name: by }) => {
      if (agentId === '' || Buffer.byteLength(agentId) > MAX_ID_BYTES)
        throw new SluiceError('config_invalid', `an agent id has 1 to ${MAX_ID_BYTES} bytes`);
      // What another server has seen may not have come here yet.
      await share();
      // The brand: it is only looked up.
      const { pinned, replaced } = book.accept(agentId as AgentId, identity, Date.now());
      logger.warn({ agentId, pinned, replaced, by }, 'an operator accepted another identity of an agent');
      ingest.identitiesChanged();
      return { pinned, replaced: replaced ?? '', shared: await share() };
    },
  };
}

/** Who a connected agent is, for the status. */
export function agentIdentity({
  identity,
  hostName,
}: KnownAgent): MessageInitShape<typeof AgentIdentitySchema> {
  return {
    standing: STANDINGS[identity.standing],
    shown: identity.shown,
    hostName,
    address: identity.address,
    epoch: BigInt(identity.epoch),
    connectedSinceMs: BigInt(Math.round(identity.connectedSinceMs)),
  };
}

function knownAgent(
  record: AgentRecord,
  live: readonly KnownAgent[],
  serverId: string,
): MessageInitShape<typeof KnownAgentSchema> {
  const { agentId, pin, changes, others, lastSeenMs } = record;
  return {
    agentId,
    pinned: pin === undefined ? '' : identityText(pin),
    pinnedAtMs: time(pin?.atMs ?? 0),
    pinnedBy: pin?.by ?? '',
    changes: changes.map(({ atMs, identity, by }) => ({ atMs: time(atMs), pinned: identity, by })),
    others: [...others]
      .sort((one, other) => other.lastSeenMs - one.lastSeenMs)
      .map((other) => ({
        shown: identityText(other),
        firstSeenMs: time(other.firstSeenMs),
        lastSeenMs: time(other.lastSeenMs),
        connections: BigInt(other.connections),
        ...{ hostName: other.hostName, address: other.address, serverId: other.serverId },
      })),
    lastSeenMs: time(lastSeenMs),
    connected: live.length > 0,
    runs: live.map((agent) => ({ serverId, identity: agentIdentity(agent) })),
  };
}

function time(ms: number): bigint {
  return BigInt(Math.round(ms));
}
