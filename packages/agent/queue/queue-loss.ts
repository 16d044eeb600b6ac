/** Counts and words for what is gone of a queue whose file was damaged, emptied or deleted. */

import type { Loss } from '@sluice/durable/durable-mark';
import { expectedCount } from '@sluice/durable/lmdb/expected-count';
import type { Salvaged } from '@sluice/durable/lmdb/sound-file';
import { isoTime } from '@sluice/host/iso-time';
import type { Environment } from './environment.ts';
import type { QueueMark, QueueMarkState } from './queue-mark.ts';

/** What is gone of a damaged queue. */
export interface QueueLoss extends Loss {
  readonly positions: number;
  /** Notes of servers that may have a block already. */
  readonly doubts: number;
}

/** The file is gone, and all that it held. */
export function lossOfAll(file: string, marked: QueueMarkState | undefined, mark: QueueMark): Loss {
  const atMs = Date.now();
  if (marked === undefined) {
    const message = `the queue ${file} was used before and is gone; what it held is not known, and files are read from where a new agent begins`;
    return { atMs, kind: 'lost', blocks: 0, message };
  }
  const notedMs = mark.found.kind === 'read' ? mark.found.notedMs : atMs;
  const { blocks, setAsideBlocks, nextSequence, positionsMs } = marked;
  const aside = setAsideBlocks === 0 ? '' : ` and ${setAsideBlocks} set aside`;
  const message =
    `the queue ${file} is gone; at ${isoTime(notedMs)} it held ${blocks} blocks (before sequence ${nextSequence}) that no ` +
    `server had acknowledged${aside}; files are read again from where they were read to at ${isoTime(positionsMs)}, so lines that were sent since then come twice`;
  return { atMs, kind: 'lost', blocks: blocks + setAsideBlocks, message };
}

/**
 * What is gone of a file of which what could be read was copied.
 *
 * @param state how the copy was made; undefined when there was nothing to copy
 * @param hasIdentity the queue says whose it is
 */
export function lossOfSome(
  environment: Environment,
  state: Salvaged | undefined,
  hasIdentity: boolean,
  marked: QueueMarkState | undefined,
): QueueLoss | undefined {
  if (state === undefined && hasIdentity) return undefined;
  const left = environment.headers.count;
  const entries = state?.salvage.entries;
  const missing = (count: number, claims: readonly (number | undefined)[]): number =>
    state === undefined ? 0 : Math.max(0, expectedCount(claims) - count);
  const claim = (name: string): number | undefined => entries?.get(name)?.expected;
  const blocks = missing(left, [claim('headers'), claim('payloads'), marked?.blocks]);
  const positions = missing(environment.checkpoints.count, [
    claim('checkpoints') ?? marked?.positions.length,
  ]);
  const setAside = missing(environment.asideHeaders.count, [
    claim('aside-headers'),
    claim('aside-payloads'),
    marked?.setAsideBlocks,
  ]);
  // What cannot be counted may have been some.
  const doubts =
    state === undefined
      ? 0
      : missing(environment.inDoubt.count, [claim('in-doubt') ?? environment.inDoubt.count + 1]);
  const parts = [
    `the queue ${environment.file} was damaged${state === undefined ? '' : ` (${state.reason})`}`,
    `${blocks} blocks that no server had acknowledged cannot be read, ${left} were saved`,
    ...(positions === 0
      ? []
      : [`${positions} read positions were lost, so lines of these files may come twice`]),
    ...(doubts === 0
      ? []
      : ['which servers may have some of these already is lost, so each is compared with the store first']),
    ...(hasIdentity ? [] : ['it does not say whose it is, that is taken from its mark']),
    ...(setAside === 0 ? [] : [`${setAside} blocks set aside cannot be read`]),
    ...(state === undefined ? [] : [`the damaged file is kept as ${state.keptAs}`]),
  ];
  return {
    ...{ atMs: Date.now(), kind: 'damaged', message: parts.join('; ') },
    ...{ blocks: blocks + setAside, positions, doubts },
  };
}
