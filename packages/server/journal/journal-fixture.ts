/** What the tests of journal and loader share: blocks, temporary directories, a crash. Not part of the server. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentId, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import type { AcceptedBlock } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-store.ts';

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
  return {
    header: {
      id: { agentId, epoch, sequence: shape.sequence },
      urgency: shape.urgency ?? 'normal',
      rawBytes: shape.rawBytes ?? 10_000,
      recordCount: 10,
      oldestObservedMs: (shape.observedMs ?? 1_700_000_000_000) as TimeMs,
    },
    payload,
    priority: 1,
    receivedMs: Date.now(),
  };
}

/** A directory that is removed when the returned object is disposed of. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice-journal-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * What a crash at this very moment would leave of the journal in `from`, as a journal in `to`. Commits are one at a
 * time and this is synchronous, so at most one commit is under way while the file is copied, and its new pages
 * replace none that the copied state needs.
 */
export function crashInto(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, JOURNAL_FILE_NAME), join(to, JOURNAL_FILE_NAME));
}
