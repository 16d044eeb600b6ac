/** Finds out who asks, at the doors that want a token: API and uplink. */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  ANONYMOUS,
  type AnonymousPrincipal,
  TOKEN_HOLDER,
  type TokenPrincipal,
} from '@sluice/protocol/principal';

/** Who comes through a door of this kind, before it says more. */
export type Visitor = AnonymousPrincipal | TokenPrincipal;

export class Doorkeeper {
  readonly #digest: Buffer | undefined;

  /** @param token undefined: everyone may enter, unnamed. */
  constructor(token: string | undefined) {
    this.#digest = token === undefined ? undefined : digest(`Bearer ${token}`);
  }

  /**
   * Compares bearer tokens in a time that does not depend on where they differ.
   *
   * @param authorization the header's value, null when there is none
   * @returns undefined: the token is missing or wrong
   */
  visitor(authorization: string | null): Visitor | undefined {
    if (this.#digest === undefined) return ANONYMOUS;
    return timingSafeEqual(this.#digest, digest(authorization ?? '')) ? TOKEN_HOLDER : undefined;
  }
}

/** Hashing makes both sides equally long, which the constant-time comparison needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
