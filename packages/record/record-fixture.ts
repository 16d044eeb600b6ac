/** What the tests of records share: lines in, records out, by way of a sealed and validated block. */

import { compressBlockSync, type SealedRawBlock } from '@sluice/block/builder';
import { type ReadRecord, readRecords } from '@sluice/block/reader';
import { openBlock } from '@sluice/block/validator';
import type { AgentId, BlockPosition } from '@sluice/protocol/model';
import { Recorder, type RecorderOptions } from './recorder.ts';

/** When the lines of the tests are read. */
export const OBSERVED_MS: number = Date.UTC(2026, 5, 20, 12, 0, 0, 250);
export const OPTIONS: RecorderOptions = { hostName: 'here', timeZone: 'UTC' };

/** Names blocks one after the other. */
export function blockIds(): () => BlockPosition {
  let sequence = 0;
  return () => {
    sequence += 1;
    return { agentId: 'a' as AgentId, epoch: 1, sequence };
  };
}

/** The records of a block, which goes through the server's checks first. */
export function openRecords(block: SealedRawBlock): ReadRecord[] {
  const { id, urgency, rawBytes, recordCount } = block.header;
  const payload = compressBlockSync(block);
  return readRecords(openBlock(payload, { ...id, urgency, rawBytes, recordCount }));
}

export interface TestRecord extends ReadRecord {
  readonly urgency: string;
  /** ISO 8601 without zone and trailing zeros. */
  readonly time: string;
}

/** What one line becomes, between bytes that are not its own. */
export function recordOf(
  line: string | Buffer,
  options: RecorderOptions = OPTIONS,
  path = '/var/log/app.log',
  observedMs: number = OBSERVED_MS,
): TestRecord {
  const recorder = new Recorder(options);
  const bytes = Buffer.from(line);
  const buffer = Buffer.concat([Buffer.from('9 ERROR:'), bytes, Buffer.from('1234] ERROR: 09')]);
  recorder.forFile(path).line(buffer, 8, 8 + bytes.length, observedMs, 0);
  const [block, ...others] = recorder.cut(blockIds());
  if (block === undefined || others.length > 0) throw new Error('not one block');
  const [only, ...more] = openRecords(block);
  if (only === undefined || more.length > 0) throw new Error('not one record');
  const milliseconds = only.timestampNanos / 1_000_000n;
  const rest = String(only.timestampNanos % 1_000_000n).padStart(6, '0');
  const iso = new Date(Number(milliseconds)).toISOString().slice(0, -1);
  return { ...only, urgency: block.header.urgency, time: `${iso}${rest}`.replace(/\.?0+$/, '') };
}
