/** What the tests of journal and loader share: blocks, temporary directories, a crash. Not part of the server. */
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withDigest } from '@sluice/block/digest';
import { PRIVATE_DIRECTORY_MODE } from '@sluice/host/private-directory';
import type { AgentId, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import type { AcceptedBlock } from './accepted-block.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';

export interface BlockShape {
  readonly agentId?: string;
  readonly epoch?: number;
  readonly sequence: number;
  readonly urgency?: UrgencyClass;
  readonly rawBytes?: number;
  readonly payload?: Uint8Array;
  readonly observedMs?: number;
}

/** A block as the ingest would hand it over; the payload names it. */
export function acceptedBlock(shape: BlockShape): AcceptedBlock {
  const agentId = (shape.agentId ?? 'agent') as AgentId;
  const epoch = shape.epoch ?? 7;
  const payload = shape.payload ?? Buffer.from(`${agentId}/${epoch}/${shape.sequence}`);
  const draft = {
    id: { agentId, epoch, sequence: shape.sequence },
    urgency: shape.urgency ?? 'normal',
    rawBytes: shape.rawBytes ?? 10_000,
    recordCount: 10,
    oldestObservedMs: (shape.observedMs ?? 1_700_000_000_000) as TimeMs,
  };
  return {
    header: withDigest(draft, payload),
    payload,
    priority: 1,
    receivedMs: Date.now() as TimeMs,
  };
}

/** A directory that is removed when the returned object is disposed of. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice-journal-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Where LMDB keeps its two meta pages: the roots of the latest state and of the one before. */
const META_BYTES = 2 * 4096;

/**
 * What a crash at this very moment would leave of the journal in `from`, as a journal in `to`. A commit that is under way
 * replaces no page that the state before it needs, but one that ends while the file is copied would be copied in part:
 * its roots, and not the pages behind the end that the file had. So the copy is made again when the roots have changed.
 */
export function crashInto(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
  const file = join(from, JOURNAL_FILE_NAME);
  let before: Buffer;
  do {
    before = readMeta(file);
    copyFileSync(file, join(to, JOURNAL_FILE_NAME));
  } while (!readMeta(file).equals(before));
}

function readMeta(file: string): Buffer {
  const meta = Buffer.alloc(META_BYTES);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, meta, 0, META_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
  return meta;
}
