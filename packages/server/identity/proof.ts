/** Checks what agents sign to prove who they are. */
import { createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto';
import { SluiceError } from '@sluice/base/error';
import {
  CHALLENGE_BYTES,
  IDENTITY_KEY_BYTES,
  type ProofFields,
  proofText,
  SIGNATURE_BYTES,
} from '@sluice/wire/identity-proof';

/** @returns bytes that nobody can guess and that never come again */
export function drawChallenge(): Uint8Array {
  return randomBytes(CHALLENGE_BYTES);
}

/** @throws SluiceError `protocol_violation` when it is no key */
export function readIdentityKey(bytes: Uint8Array): KeyObject {
  if (bytes.length !== IDENTITY_KEY_BYTES) {
    throw new SluiceError(
      'protocol_violation',
      `identity_key: has ${bytes.length} bytes, an Ed25519 key has ${IDENTITY_KEY_BYTES}`,
    );
  }
  const x = Buffer.from(bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** @throws SluiceError `protocol_violation` when the signature is not that of the key's owner over exactly this */
export function checkProof(key: KeyObject, signature: Uint8Array, fields: ProofFields): void {
  if (signature.length === SIGNATURE_BYTES && verify(null, proofText(fields), key, signature)) return;
  throw new SluiceError(
    'protocol_violation',
    `the proof of agent ${fields.agentId} does not fit the key that it named`,
  );
}
