/** Counts and words for what is gone of a journal whose file was damaged, emptied or deleted. */

import type { Loss } from '@sluice/durable/durable-mark';
import { expectedCount } from '@sluice/durable/lmdb/expected-count';
import type { Salvaged, SoundFile } from '@sluice/durable/lmdb/sound-file';
import { isoTime } from '@sluice/host/iso-time';
import type { JournalMark } from './journal-mark.ts';

export interface OpenedJournal {
  readonly file: string;
  readonly state: SoundFile;
  readonly mark: JournalMark;
  /** What is in it now. */
  readonly held: { readonly blocks: number; readonly setAside: number };
  /** It says what it is, or never was used. */
  readonly hasMeta: boolean;
}

export interface JournalLoss {
  /** What is missing that was accepted; undefined when nothing is. */
  readonly loss: Loss | undefined;
  /** A part of the memory of what was taken is gone. */
  readonly hasForgotten: boolean;
}

export function lossOf(opened: OpenedJournal): JournalLoss {
  const { file, state, mark, held, hasMeta } = opened;
  const { found } = mark;
  const atMs = Date.now();
  const marked = found.kind === 'read' ? found.state.blocks : undefined;
  if (state.kind === 'absent') {
    const what =
      found.kind !== 'read'
        ? 'what it held is not known'
        : `at ${isoTime(found.notedMs)} it held ${marked ?? 0} blocks that were acknowledged and not yet in the store`;
    const message = `the journal ${file} is gone; ${what}; what was taken before is forgotten, so the store is asked for what agents send again`;
    return { loss: { atMs, kind: 'lost', blocks: marked ?? 0, message }, hasForgotten: true };
  }
  if (state.kind === 'sound' && hasMeta) return { loss: undefined, hasForgotten: false };
  const salvaged = state.kind === 'salvaged' ? state : undefined;
  const blocks = salvaged === undefined ? 0 : missingBlocks(salvaged, held.blocks + held.setAside, marked);
  const hasForgotten = salvaged !== undefined && ['agents', 'known'].some((name) => hasLost(salvaged, name));
  const parts = [
    `the journal ${file} was damaged${salvaged === undefined ? '' : ` (${salvaged.reason})`}`,
    `${blocks} blocks that were acknowledged and not yet in the store cannot be read, ${held.blocks} were saved`,
    ...(hasForgotten
      ? ['what was taken before is forgotten, so the store is asked for what agents send again']
      : []),
    ...(salvaged === undefined ? [] : [`the damaged file is kept as ${salvaged.keptAs}`]),
  ];
  return { loss: { atMs, kind: 'damaged', blocks, message: parts.join('; ') }, hasForgotten };
}

function missingBlocks({ salvage }: Salvaged, kept: number, marked: number | undefined): number {
  const claim = (name: string): number | undefined => salvage.entries.get(name)?.expected;
  const [waiting, setAside] = [claim('headers'), claim('set_aside')];
  const headers = waiting === undefined || setAside === undefined ? undefined : waiting + setAside;
  return Math.max(0, expectedCount([headers, claim('payloads'), marked]) - kept);
}

/** Whether entries of a database are gone. Of one that cannot say how many it had, some may be. */
function hasLost({ salvage }: Salvaged, name: string): boolean {
  const database = salvage.entries.get(name);
  return database?.expected === undefined || database.found < database.expected;
}
