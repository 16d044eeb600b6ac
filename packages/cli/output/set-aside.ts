/** Blocks that lie aside, for people and for programs. */

import { SluiceError } from '@sluice/base/error';
import type { DraftHeader } from '@sluice/block/digest';
import { readRecords } from '@sluice/block/reader';
import { openBlock } from '@sluice/block/validator';
import { formatBytes } from '@sluice/host/quantity-text';
import { jsonLine, printable, styled } from './terminal.ts';

/** A block, wherever it lies. */
export interface AsideBlock {
  /** Names it on its shelf. */
  readonly number: number;
  readonly header: Omit<DraftHeader, 'oldestObservedMs'>;
  readonly reason: string;
}

/** @returns the shelf for people */
export function shelfLines(blocks: readonly AsideBlock[], losses: readonly string[]): string[] {
  const lines = losses.map((loss) => styled('yellow', `lost     ${printable(loss)}`));
  if (blocks.length === 0) return [...lines, 'Nothing lies aside.'];
  for (const { number, header, reason } of blocks) {
    const { id, urgency, recordCount, rawBytes } = header;
    const size = `${recordCount} records (${urgency}), ${formatBytes(rawBytes)}`;
    lines.push(
      `${styled('bold', String(number))}  of ${printable(id.agentId)}, block ${id.epoch}/${id.sequence}, ${size}`,
    );
    lines.push(`  ${printable(reason)}`);
  }
  return lines;
}

/**
 * The records of a block, each as one line of JSON.
 *
 * @throws SluiceError `block_malformed` with the reason when they cannot be read
 */
export function recordLines(block: AsideBlock, payload: Uint8Array): string[] {
  const { id, urgency, rawBytes, recordCount } = block.header;
  try {
    return readRecords(openBlock(payload, { ...id, urgency, rawBytes, recordCount })).map((record) =>
      jsonLine({
        time: timeOf(record.timestampNanos),
        observed: timeOf(record.observedNanos),
        severity: record.severityText,
        severityNumber: record.severityNumber,
        service: record.serviceName,
        body: record.body.toString('utf8'),
        attributes: record.attributes,
        resource: record.resource,
      }),
    );
  } catch (error) {
    const { message } = SluiceError.from(error);
    throw new SluiceError(
      'block_malformed',
      `the records of block ${block.number} cannot be read: ${message}`,
      {
        cause: error,
        hint: 'Its lines are in their file, as long as that is there.',
      },
    );
  }
}

function timeOf(nanos: bigint): string {
  return new Date(Number(nanos / 1_000_000n)).toISOString();
}
