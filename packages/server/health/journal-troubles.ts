/** Troubles of the journal: its disk, its room, what lies aside, and what came under names that were taken. */
import type { DiskFacts } from '@sluice/durable/disk-watch';
import { formatBytes } from '@sluice/host/quantity-text';
import type { ConflictCounts } from '../journal/conflict-book.ts';
import type { JournalFacts } from './health-facts.ts';
import type { Finding, Subject } from './problem.ts';
import { sentence } from './store-troubles.ts';
import type { TroubleCode } from './troubles.ts';

/** A disk with less than this share free is nearly full, ... */
const LOW_DISK_SHARE = 0.05;
/** ... but so much is enough on any disk: a journal or a queue of the default size does not grow faster than a person can act. */
const LOW_DISK_BYTES: number = 512 * 1024 * 1024;

export function journalTroubles(journal: JournalFacts, serverId: string): Finding[] {
  const subject: Subject = { kind: 'server', name: serverId };
  const findings: Finding[] = [];
  const { directory, disk, diskFull, damage } = journal;
  if (damage !== undefined) {
    const { reason, sinceMs } = damage;
    findings.push({ code: 'journal_damaged', subject, sinceMs, values: { reason: sentence(reason) } });
  }
  if (diskFull || (disk !== undefined && isLow(disk)))
    findings.push({
      code: diskFull ? 'journal_disk_full' : 'journal_disk_low',
      subject,
      values: { directory, ...diskValues(disk) },
    });
  if (journal.roomBytes === 0 && !diskFull && damage === undefined)
    findings.push({ code: 'journal_full', subject, values: { held: formatBytes(journal.heldRawBytes) } });
  if (journal.lossTotals.losses > 0)
    findings.push({
      code: 'journal_lost',
      subject,
      values: { blocks: String(journal.lossTotals.blocks), reason: sentence(journal.latestLoss) },
    });
  if (journal.setAsideDroppedTotal > 0)
    findings.push({
      code: 'set_aside_dropped',
      subject,
      values: { blocks: String(journal.setAsideDroppedTotal) },
    });
  if (journal.setAsideBlocks > 0)
    findings.push({
      code: 'blocks_set_aside',
      subject,
      values: { blocks: String(journal.setAsideBlocks) },
    });
  return [...findings, ...journal.conflicts.flatMap(conflictTroubles)];
}

function conflictTroubles(counts: ConflictCounts): Finding[] {
  const { agentId, firstMs: sinceMs } = counts;
  const finding = (code: TroubleCode, blocks: number, records: number): Finding[] =>
    blocks === 0
      ? []
      : [
          {
            ...{ code, subject: { kind: 'agent', name: agentId }, sinceMs },
            values: { blocks: String(blocks), records: String(records) },
          },
        ];
  return [
    ...finding('agent_blocks_in_conflict', counts.conflictingBlocks, counts.conflictingRecords),
    ...finding('agent_blocks_repeated', counts.repeatedBlocks, counts.repeatedRecords),
  ];
}

export function isLow({ freeBytes, sizeBytes }: DiskFacts): boolean {
  return sizeBytes > 0 && freeBytes < Math.min(sizeBytes * LOW_DISK_SHARE, LOW_DISK_BYTES);
}

export function diskValues(disk: DiskFacts | undefined): { free: string; size: string } {
  if (disk === undefined) return { free: 'unknown', size: 'unknown' };
  return { free: formatBytes(disk.freeBytes), size: formatBytes(disk.sizeBytes) };
}
