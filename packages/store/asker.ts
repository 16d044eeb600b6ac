/**
 * For whom a server asks, in the header `X-Sluice-Asker`: the name of its principal, so that the store's log tells whose
 * request failed. The store believes it, and gives nobody more or less for it.
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';

export const ASKER_HEADER = 'x-sluice-asker';
/** Of a name in its written form: an agent's id has 128 bytes, each of which may take three characters. */
const MAX_NAME_LENGTH = 512;

/** @returns the header's text */
export function writeAsker(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}

/** @throws EngineError 36 for what {@link writeAsker} does not write */
export function readAsker(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    if (/^[\w%.!~*'()-]+$/.test(text) && text.length <= MAX_NAME_LENGTH) return decodeURIComponent(text);
  } catch {
    // What follows says it.
  }
  throw new EngineError(
    EXCEPTION_CODES.badArguments,
    `${ASKER_HEADER} is no name of at most ${MAX_NAME_LENGTH} characters, percent-encoded. (BAD_ARGUMENTS)`,
  );
}
