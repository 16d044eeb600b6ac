/**
 * The handshake of a connection, as messages: what the agent says of itself, what it makes of the server's Welcome, and the
 * proof of its key. No I/O.
 */

import { create } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import type { ServerId } from '@sluice/protocol/model';
import {
  AGENT_CAPABILITIES,
  type Capabilities,
  sharedCapabilities,
  writeCapabilities,
} from '@sluice/wire/capabilities';
import { readId, readServerId } from '@sluice/wire/convert/fields';
import { type ControlRequest, ControlRequestSchema, type Welcome } from '@sluice/wire/gen/uplink_pb';
import { MAX_CHALLENGE_BYTES, type ProofFields, proofText } from '@sluice/wire/identity-proof';
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@sluice/wire/protocol-version';
import type { AgentKey } from '../agent-key.ts';
import type { BlockQueue } from './block-queue.ts';

/** What an agent says of itself. */
export interface HelloFacts {
  readonly queue: BlockQueue;
  readonly key: AgentKey | undefined;
  readonly hostName: string;
  readonly region: string;
  readonly version: string;
}

/** @param epoch of the run whose blocks come: another one than the queue's where a server takes those of one run alone */
export function helloMessage(facts: HelloFacts, epoch: number): ControlRequest {
  const { queue, key, hostName, region, version } = facts;
  return create(ControlRequestSchema, {
    message: {
      case: 'hello',
      value: {
        protocolMajor: PROTOCOL_MAJOR,
        protocolMinor: PROTOCOL_MINOR,
        agentId: queue.agentId,
        epoch: BigInt(epoch),
        hostName,
        region,
        agentVersion: version,
        settledBelowSequence: BigInt(queue.settledBelowSequence),
        ...writeCapabilities(AGENT_CAPABILITIES),
        nextSequence: BigInt(queue.nextSequence ?? 0),
        ...defined({ identityKey: key?.publicKey }),
      },
    },
  });
}

/** What of a Welcome is used. */
export interface CheckedWelcome {
  readonly serverId: ServerId;
  readonly sessionId: string;
  /** What both sides know. */
  readonly shared: Capabilities;
}

/** @throws SluiceError `protocol_mismatch` for a server with which nothing can be done, `protocol_violation` */
export function readWelcome(welcome: Welcome, address: string): CheckedWelcome {
  if (welcome.protocolMajor !== PROTOCOL_MAJOR) {
    throw new SluiceError(
      'protocol_mismatch',
      `${address} speaks protocol ${welcome.protocolMajor}, this agent speaks ${PROTOCOL_MAJOR}`,
      { hint: 'Run an agent and a server of the same major version.' },
    );
  }
  const serverId = readServerId(welcome.serverId);
  const sessionId = readId('session_id', welcome.sessionId);
  const shared = sharedCapabilities(welcome, AGENT_CAPABILITIES);
  if (shared.blockFormats.length === 0) {
    throw new SluiceError(
      'protocol_mismatch',
      `${address} takes block formats ${welcome.blockFormats.join(', ')}, this agent writes ${AGENT_CAPABILITIES.blockFormats.join(', ')}`,
      { hint: 'Update the older one of the two.' },
    );
  }
  return { serverId, sessionId, shared };
}

/** @throws SluiceError `protocol_violation` for a challenge that no server of ours sends */
export function proofMessage(key: AgentKey, fields: ProofFields, address: string): ControlRequest {
  if (fields.challenge.length > MAX_CHALLENGE_BYTES) {
    throw new SluiceError('protocol_violation', `${address} sent a challenge that is too long`);
  }
  const signature = key.sign(proofText(fields));
  return create(ControlRequestSchema, { message: { case: 'proof', value: { signature } } });
}
