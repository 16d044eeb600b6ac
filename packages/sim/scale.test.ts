import { expect, test } from 'vitest';
import { jainIndex } from './jain-index.ts';
import { readOptions } from './scale.ts';
import { ScaleWorld } from './scale-world.ts';

test("Jain's index is 1 for equals and 1/n when one has all", () => {
  expect(jainIndex([3, 3, 3])).toBeCloseTo(1);
  expect(jainIndex([0, 0, 8, 0])).toBeCloseTo(0.25);
  expect(jainIndex([])).toBe(1);
});

test('numbers of the command line replace the defaults, and nothing else is taken', () => {
  expect(readOptions(['--agents', '7', '--outage-ms', '5000'])).toMatchObject({
    agents: 7,
    outageMs: 5000,
    servers: 2,
  });
  expect(() => readOptions(['--agent', '7'])).toThrow("Unknown option '--agent'");
  expect(() => readOptions(['--agents', 'many'])).toThrow('--agents many is not a number from 0 on');
  expect(() => readOptions(['--agents', ''])).toThrow('is not a number');
  expect(readOptions(['--agents', '7', '--help'])).toBeUndefined();
});

test('after an outage of all servers every block is acknowledged once, and the same options give the same run', () => {
  const options = readOptions(
    ['--agents', '30', '--servers', '3', '--outage-from-ms', '20000', '--outage-ms', '30000'].concat([
      '--production-ms',
      '90000',
      '--limit-ms',
      '300000',
      '--block-interval-ms',
      '2000',
    ]),
  );
  if (options === undefined) throw new Error('options are wanted, not help');
  const runs = [1, 2].map(() => {
    const world = new ScaleWorld(options);
    expect(world.run()).toBe(true);
    expect(world.deliveries.length).toBe(world.blocksMade);
    expect(world.bytesDelivered).toBe(world.bytesMade);
    // Nothing came through while all servers were away (a block's last acknowledgement is a delay late).
    expect(
      world.deliveries.filter(({ acknowledgedMs }) => acknowledgedMs > 20_100 && acknowledgedMs < 50_000),
    ).toEqual([]);
    return { deliveries: world.deliveries, seconds: world.seconds };
  });
  expect(runs[0]?.deliveries.length).toBeGreaterThan(500);
  expect(runs[1]).toEqual(runs[0]);
});
