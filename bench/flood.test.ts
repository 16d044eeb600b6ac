import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Flood, measureShape, writeOrdinaryLines } from './flood.ts';
import { planLoad } from './link-plan.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-flood-'));
});

afterEach(() => rmSync(directory, { recursive: true }));

function numbersIn(file: string): number[] {
  return [...readFileSync(file, 'utf8').matchAll(/line-(\d+)/g)].map(([, number]) => Number(number));
}

test('a flood writes its ERROR lines at their rate, and each line with a number of its own', async () => {
  const file = path.join(directory, 'flood.log');
  const flood = new Flood(file, { bytesPerSecond: 50_000, errorsPerSecond: 10, paddingBytes: 20 });
  await flood.run(1.2);
  // After half a second, and then each tenth of one.
  expect(flood.errors.map(({ token }) => token)).toEqual(
    Array.from({ length: 8 }, (_, index) => `incident00000${index}`),
  );
  for (const { token } of flood.errors) expect(readFileSync(file, 'utf8').split(token).length).toBe(2);
  expect(numbersIn(file)).toEqual(Array.from({ length: flood.linesWritten }, (_, index) => index));
  expect(statSync(file).size).toBe(flood.bytesWritten);
});

test('a file of ordinary lines has as many as were asked for', () => {
  const file = path.join(directory, 'lines.log');
  expect(writeOrdinaryLines(file, 2345, 10)).toBe(statSync(file).size);
  expect(numbersIn(file)).toEqual(Array.from({ length: 2345 }, (_, index) => index));
});

test('padding takes on the way most of what it takes in the file', async () => {
  const [plain, padded] = [await measureShape(), await measureShape(500)];
  expect(padded.lineBytes - plain.lineBytes).toBeCloseTo(501, 0);
  const addedPart = (padded.payloadBytes - plain.payloadBytes) / 501;
  expect(addedPart).toBeGreaterThan(0.7);
  expect(addedPart).toBeLessThan(0.85);
});

test('a fast link gets longer lines instead of more, and as many bytes', async () => {
  const [slow, fast] = [await planLoad(60_000, 10), await planLoad(2_000_000, 10)];
  expect(slow.paddingBytes).toBeLessThan(20);
  expect(fast.paddingBytes).toBeGreaterThan(500);
  expect(slow.linesPerSecond * slow.shape.payloadBytes).toBeCloseTo(600_000);
  expect(fast.linesPerSecond * fast.shape.payloadBytes).toBeCloseTo(20_000_000);
  expect(fast.linesPerSecond / 30_000).toBeGreaterThan(0.9);
  expect(fast.linesPerSecond / 30_000).toBeLessThan(1.1);
});
