/**
 * The key by which an agent proves that it is the one that servers know under its id: Ed25519, in a file of its data
 * directory that only its user reads.
 *
 * Invariants: the private key is never logged and never leaves this module but into the file; a file that is there is
 * never overwritten; a new one appears whole or not at all. The caller holds the directory's lock.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import path from 'node:path';
import { messageOf, SluiceError } from '@sluice/base/error';
import { keepDamagedFile } from '@sluice/durable/damaged-file';
import { readDurableFile, writeDurableFile } from '@sluice/durable/durable-file';
import { codeOf } from '@sluice/host/file-problem';
import { IDENTITY_KEY_BYTES } from '@sluice/wire/identity-proof';

/** PKCS #8 in PEM: what every tool for keys reads. */
export const KEY_FILE_NAME = 'identity.key';

export interface AgentKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Set when the key is new because the file held none: what a person should know. */
  readonly problem: string | undefined;
  /** @returns an Ed25519 signature, 64 bytes */
  sign(text: Uint8Array): Uint8Array;
}

/**
 * Reads the key of a data directory; makes one when there is none. A file that holds no key is moved aside and a new key
 * made: logs go on, and servers show the agent as one with another key.
 *
 * @throws SluiceError `config_invalid` when the file cannot be read or written, `disk_full`
 */
export function loadAgentKey(directory: string): AgentKey {
  const file = path.join(directory, KEY_FILE_NAME);
  let text: string | undefined;
  try {
    text = readDurableFile(file);
  } catch (error) {
    throw unusable(file, 'read', error);
  }
  if (text === undefined) return keyOf(makeKey(file), undefined);
  const key = parseKey(text);
  if (key !== undefined) return keyOf(key, undefined);
  let kept: string;
  try {
    kept = keepDamagedFile(file);
  } catch (error) {
    throw unusable(file, 'moved aside', error);
  }
  return keyOf(
    makeKey(file),
    `${file} held no Ed25519 key: it is ${path.basename(kept)} now and this agent has a new key; ` +
      'put the right file back and restart the agent, or accept it: sluice agents accept ID',
  );
}

function keyOf(key: KeyObject, problem: string | undefined): AgentKey {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const publicKey = Buffer.from(x, 'base64url');
  if (publicKey.length !== IDENTITY_KEY_BYTES)
    throw new SluiceError('internal', 'the public key has no 32 bytes');
  return { publicKey, problem, sign: (text) => sign(null, text, key) };
}

function parseKey(text: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(text);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    // Whatever OpenSSL says of it, it is no key; its words could repeat a part of the file.
    return undefined;
  }
}

function makeKey(file: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519');
  try {
    writeDurableFile(file, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SluiceError('disk_full', `the disk is full: ${file} cannot be written`, {
        cause: error,
        hint: 'Free space on that disk and start the agent again.',
      });
    }
    throw unusable(file, 'written', error);
  }
  return privateKey;
}

function unusable(file: string, what: string, cause: unknown): SluiceError {
  const reason = messageOf(cause);
  return new SluiceError('config_invalid', `the agent's key ${file} cannot be ${what}: ${reason}`, {
    cause,
    hint: "Give it to the agent's user with mode 600 (chown, chmod), or move it away to have a new one made.",
  });
}
