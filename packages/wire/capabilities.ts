/**
 * What an agent can write and a server takes beyond the first version of the protocol, as Hello and Welcome name it. Each
 * side says all that it knows; what both know may be used between them. A peer of version 1.0 names nothing: it knows the first
 * block format, no digest and no key.
 */
import { SluiceError } from '@sluice/base/error';
import { BLOCK_FORMATS, FIRST_BLOCK_FORMAT, NATIVE_BLOCK_FORMATS } from '@sluice/block/formats';

/** Digests by which blocks are told apart: the first 128 bits of SHA-256. */
const DIGEST_KINDS = ['sha256-128'] as const;
/** Keys by which an agent proves who it is. */
const KEY_KINDS = ['ed25519'] as const;

/** Most names that a peer may give of each: versions to come will know more, but never so many. */
export const MAX_NAMED_CAPABILITIES = 64;

export interface Capabilities {
  /** Numbers of block formats. Not empty for a peer. */
  readonly blockFormats: readonly number[];
  readonly digestKinds: readonly string[];
  readonly keyKinds: readonly string[];
}

/** Of this agent: what it can write. */
export const AGENT_CAPABILITIES: Capabilities = {
  blockFormats: [...NATIVE_BLOCK_FORMATS.keys()],
  digestKinds: DIGEST_KINDS,
  keyKinds: KEY_KINDS,
};

/** Of this server: what it takes, also from agents in other languages. */
export const SERVER_CAPABILITIES: Capabilities = {
  ...AGENT_CAPABILITIES,
  blockFormats: [...BLOCK_FORMATS.keys()],
};

/** Of a peer of version 1.0. */
export const FIRST_CAPABILITIES: Capabilities = {
  blockFormats: [FIRST_BLOCK_FORMAT.number],
  digestKinds: [],
  keyKinds: [],
};

/** The capabilities as fields of Hello and Welcome. */
export function writeCapabilities(own: Capabilities): {
  blockFormats: number[];
  digestKinds: string[];
  keyKinds: string[];
} {
  return {
    blockFormats: [...own.blockFormats],
    digestKinds: [...own.digestKinds],
    keyKinds: [...own.keyKinds],
  };
}

/**
 * What a peer's Hello or Welcome names and is known here too.
 *
 * @returns `blockFormats` is empty when none of the peer's is known
 * @throws SluiceError `protocol_violation` for more than MAX_NAMED_CAPABILITIES of a kind
 */
export function sharedCapabilities(peer: Capabilities, own: Capabilities): Capabilities {
  return {
    blockFormats: shared(
      'block_formats',
      peer.blockFormats.length === 0 ? FIRST_CAPABILITIES.blockFormats : peer.blockFormats,
      own.blockFormats,
    ),
    digestKinds: shared('digest_kinds', peer.digestKinds, own.digestKinds),
    keyKinds: shared('key_kinds', peer.keyKinds, own.keyKinds),
  };
}

function shared<T>(field: string, named: readonly T[], own: readonly T[]): T[] {
  if (named.length > MAX_NAMED_CAPABILITIES) {
    throw new SluiceError(
      'protocol_violation',
      `${field}: ${named.length} entries, at most ${MAX_NAMED_CAPABILITIES} are allowed`,
    );
  }
  return own.filter((one) => named.includes(one));
}
