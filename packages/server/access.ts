/**
 * Who may talk to a server: this computer, or anyone over TLS with the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';

/**
 * Refuses to listen where strangers could send or read.
 *
 * @param part what would listen, for the message
 * @throws SluiceError('config_invalid') for an address beyond loopback without TLS and token, and for an empty token
 */
export function checkExposure(
  part: 'uplink' | 'API',
  host: string,
  hasTls: boolean,
  token: string | undefined,
): void {
  if (token === '') {
    throw new SluiceError('config_invalid', 'the token is empty', { hint: 'Set a token or leave it out.' });
  }
  if (isLoopbackHost(host) || (hasTls && token !== undefined)) return;
  const missing = [hasTls ? '' : 'TLS', token === undefined ? 'a token' : ''].filter((word) => word !== '');
  throw new SluiceError(
    'config_invalid',
    `the ${part} may not listen on ${host} without ${missing.join(' and ')}`,
    {
      hint: 'Give --tls-cert and --tls-key, and a token (SLUICE_TOKEN), or listen on 127.0.0.1.',
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
