/**
 * What an agent shows of who it is, and how that is judged against what is pinned to its id. Pure.
 *
 * Invariant: an identity is one text, the same on every server: it is stored, compared and shown as it is.
 */
import { createHash } from 'node:crypto';
import type { ShownIdentity } from '@sluice/protocol/principal';
import { MAX_NAME_LENGTH } from './limits.ts';

/** See IdentityStanding in query.proto. */
export type Standing = 'unproven' | 'proven' | 'other_key' | 'no_key';

/** @param publicKey of 32 bytes. @returns its fingerprint, as tools for SSH write fingerprints */
export function keyIdentity(publicKey: Uint8Array): string {
  return `ed25519 SHA256:${digest(publicKey)}`;
}

/**
 * A renewed certificate keeps its subject and issuer, and so its identity.
 *
 * @param subject and `issuer` as OpenSSL prints them, one part a line
 */
export function certificateIdentity(subject: string, issuer: string): string {
  // The digest tells names apart that are cut, or that are written so that they look like others.
  const hash = digest(Buffer.from(JSON.stringify([subject, issuer])));
  return `certificate ${name(subject)}, issued by ${name(issuer)}, SHA256:${hash}`;
}

/** @returns for people: the certificate before the key */
export function identityText({ key, certificate }: ShownIdentity): string {
  return certificate ?? key ?? 'neither key nor certificate';
}

export function hasIdentity({ key, certificate }: ShownIdentity): boolean {
  return key !== undefined || certificate !== undefined;
}

/**
 * Judges what an agent has proven. A certificate says more than a key: its authority was chosen by the operator. A
 * certificate that is new beside the pinned key, or the other way round, belongs to the same agent: it is `learned`.
 *
 * @param pinned undefined: nothing is
 */
export function judge(
  pinned: ShownIdentity | undefined,
  shown: ShownIdentity,
): { readonly standing: Standing; readonly learned: ShownIdentity | undefined } {
  if (!hasIdentity(shown))
    return { standing: pinned === undefined ? 'unproven' : 'no_key', learned: undefined };
  if (pinned === undefined) return { standing: 'proven', learned: shown };
  const isSame =
    shown.certificate !== undefined && pinned.certificate !== undefined
      ? shown.certificate === pinned.certificate
      : shown.key !== undefined && shown.key === pinned.key;
  if (!isSame) return { standing: 'other_key', learned: undefined };
  const both = { key: shown.key ?? pinned.key, certificate: shown.certificate ?? pinned.certificate };
  const isNew = both.key !== pinned.key || both.certificate !== pinned.certificate;
  return { standing: 'proven', learned: isNew ? both : undefined };
}

/** Whether the agent is served as the one of its id: what it says of its blocks counts. */
export function isTrusted(standing: Standing): boolean {
  return standing === 'proven' || standing === 'unproven';
}

export function sameIdentity(one: ShownIdentity, other: ShownIdentity): boolean {
  return one.key === other.key && one.certificate === other.certificate;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64').replaceAll('=', '');
}

function name(text: string): string {
  const line = text.trim().replaceAll('\n', ', ');
  return line.length > MAX_NAME_LENGTH ? `${line.slice(0, MAX_NAME_LENGTH)}...` : line;
}
