/**
 * What an agent signs to prove that it has the private half of the key that its Hello named.
 *
 * The text, in this order, is: the domain, and then each field with its length in bytes before it (4 bytes, big-endian),
 * so that no two lists of fields make the same text. It names the challenge and the session, so that it is good once; the
 * server, so that one server cannot show it to another; and agent and epoch, so that it speaks for one run of one agent.
 */

/** Tells this use of a key from every other one, and this version of the text from later ones. */
const DOMAIN = 'sluice agent identity proof v1\n';
/** Bytes of an Ed25519 public key (RFC 8032). */
export const IDENTITY_KEY_BYTES = 32;
/** Bytes of an Ed25519 signature (RFC 8032). */
export const SIGNATURE_BYTES = 64;
/** Random bytes of a challenge: never drawn twice. */
export const CHALLENGE_BYTES = 32;
/** Largest challenge that an agent signs, for servers that come later. */
export const MAX_CHALLENGE_BYTES = 256;

/** What a proof speaks of. */
export interface ProofFields {
  readonly challenge: Uint8Array;
  readonly sessionId: string;
  readonly serverId: string;
  readonly agentId: string;
  readonly epoch: number;
}

/** @returns the bytes that are signed */
export function proofText({ challenge, sessionId, serverId, agentId, epoch }: ProofFields): Uint8Array {
  const encoder = new TextEncoder();
  const fields = [
    challenge,
    ...[sessionId, serverId, agentId, String(epoch)].map((text) => encoder.encode(text)),
  ];
  const domain = encoder.encode(DOMAIN);
  const text = new Uint8Array(fields.reduce((sum, field) => sum + 4 + field.length, domain.length));
  const view = new DataView(text.buffer);
  text.set(domain, 0);
  let offset = domain.length;
  for (const field of fields) {
    view.setUint32(offset, field.length);
    text.set(field, offset + 4);
    offset += 4 + field.length;
  }
  return text;
}
