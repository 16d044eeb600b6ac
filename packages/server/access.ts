/**
 * Who may talk to the ingest: loopback, or anyone over TLS with the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { SluiceError } from '@sluice/protocol/error';

/** True for addresses that only this machine can reach. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/**
 * Refuses to listen where strangers could send or read.
 * @throws SluiceError('config_invalid') for an address beyond loopback without TLS and token.
 */
export function checkExposure(host: string, hasTls: boolean, token: string | undefined): void {
  if (token !== undefined && token.length === 0) {
    throw new SluiceError('config_invalid', 'the uplink token is empty', {
      hint: 'Set a token or leave it out.',
    });
  }
  if (isLoopbackHost(host) || (hasTls && token !== undefined)) return;
  const missing = [hasTls ? '' : 'TLS', token === undefined ? 'a token' : ''].filter((word) => word !== '');
  throw new SluiceError(
    'config_invalid',
    `the uplink may not listen on ${host} without ${missing.join(' and ')}`,
    {
      hint: 'Configure TLS and a token for the uplink, or listen on 127.0.0.1.',
    },
  );
}

/** Compares bearer tokens in a time that does not depend on where they differ. */
export class TokenGuard {
  readonly #digest: Buffer | undefined;

  /** @param token undefined: everyone may enter. */
  constructor(token: string | undefined) {
    this.#digest = token === undefined ? undefined : digest(`Bearer ${token}`);
  }

  /** @param authorization the header's value, null when there is none. */
  allows(authorization: string | null): boolean {
    if (this.#digest === undefined) return true;
    return timingSafeEqual(this.#digest, digest(authorization ?? ''));
  }
}

/** Hashing makes both sides equally long, which the constant-time comparison needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
