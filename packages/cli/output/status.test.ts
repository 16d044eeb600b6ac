import { create } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { expect, test } from 'vitest';
import { statusLines } from './status.ts';

const KIBIBYTE = 1024;

function lines(channels: { agentId: string; priority: number; usedBytes: number; violating?: boolean }[]) {
  const status = create(GetStatusResponseSchema, {
    servers: [
      {
        serverId: 's1',
        state: 'connected',
        channels: channels.map(({ agentId, priority, usedBytes, violating = false }) => ({
          agentId,
          channel: { priority, quotaBytes: BigInt(4 * KIBIBYTE), usedBytes: BigInt(usedBytes), violating },
        })),
      },
    ],
  });
  return statusLines(status).filter((line) => line.startsWith('  '));
}

test('the channels of one priority of an agent are one line, the highest first', () => {
  const shown = lines([
    { agentId: 'a', priority: 2, usedBytes: 0 },
    { agentId: 'a', priority: 1, usedBytes: 4 * KIBIBYTE },
    { agentId: 'b', priority: 1, usedBytes: 0 },
    { agentId: 'a', priority: 1, usedBytes: KIBIBYTE, violating: true },
  ]);
  expect(shown).toEqual([
    '  priority 1   5.0 KiB of 8.0 KiB used in 2 grants  for a  violating',
    '  priority 1   0 B of 4.0 KiB used  for b',
    '  priority 2   0 B of 4.0 KiB used  for a',
  ]);
});

test('very many agents are counted, not listed', () => {
  const shown = lines(
    Array.from({ length: 30 }, (_, index) => ({ agentId: `agent-${index}`, priority: 1, usedBytes: 0 })),
  );
  expect(shown).toHaveLength(21);
  expect(shown.at(-1)).toBe('  and 10 more (all with --json)');
});
