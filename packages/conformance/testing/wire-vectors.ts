/** Known answers for what has to be the same byte by byte: the digest of a block, the text of a proof, an envelope. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { withDigest } from '@sluice/block/digest';
import { timeMs } from '@sluice/protocol/brand';
import { writeBlock } from '@sluice/wire/convert/block';
import { readAgentId } from '@sluice/wire/convert/fields';
import { SendRequestSchema } from '@sluice/wire/gen/uplink_pb';
import { proofText } from '@sluice/wire/identity-proof';
import { enclose } from '../envelope.ts';

/** The PKCS#8 head of an Ed25519 key (RFC 8410); its 32 bytes follow. */
const ED25519_HEAD = '302e020100300506032b657004220420';
/** The second test key of RFC 8032, 7.1. */
const PRIVATE_KEY = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function digestVector(): object {
  const payload = Buffer.from('not a frame, only bytes to hash');
  const facts = {
    ...{ agentId: 'web-1', epoch: 7, sequence: 42, urgency: 'elevated' as const },
    ...{ rawBytes: 5_000, recordCount: 3, oldestObservedMs: 1_764_064_800_000 },
  } as const;
  const { epoch, sequence, urgency, rawBytes, recordCount, oldestObservedMs } = facts;
  const id = { agentId: readAgentId(facts.agentId), epoch, sequence };
  const header = withDigest(
    { id, urgency, rawBytes, recordCount, oldestObservedMs: timeMs(oldestObservedMs) },
    payload,
  );
  const block = writeBlock(header, payload, undefined);
  const message = toBinary(
    SendRequestSchema,
    create(SendRequestSchema, { message: { case: 'block', value: block } }),
  );
  return { ...facts, payload: hex(payload), digest: header.id.digest, envelope: hex(enclose(message)) };
}

function proofVector(): object {
  const der = Buffer.from(`${ED25519_HEAD}${PRIVATE_KEY}`, 'hex');
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const challenge = Buffer.alloc(32, 1);
  const fields = { sessionId: 'session-1', serverId: 's1', agentId: 'web-1', epoch: 7 };
  const text = proofText({ challenge, ...fields });
  return {
    ...{ privateKey: PRIVATE_KEY, identityKey: hex(Buffer.from(x, 'base64url')), challenge: hex(challenge) },
    ...{ ...fields, text: hex(text), signature: hex(sign(null, text, key)) },
  };
}

export function wireVectors(): object {
  return { digest: digestVector(), proof: proofVector() };
}
