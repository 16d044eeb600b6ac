/** The console of the real server in a real browser: what a user sees after `sluice up`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CHROMIUM_ARGUMENTS, findChromium } from '@sluice/console/testing/chromium';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { type RunningUp, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };
/** More than the first server's highest channel takes at once, so that lower channels are used too. */
const LINES = 100_000;

let directory: string;
let up: RunningUp;
let browser: Browser;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-console-'));
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  writeFileSync(path.join(logs, 'shop.log'), `${[...corpusLines(LINES, 11)].join('\n')}\n`);
  const grants = [
    '--priorities',
    '1,3',
    '--priorities',
    '2,4',
    '--quota-bytes',
    '4MiB',
    '--on-notice',
    'ignore',
  ];
  up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', '2', '--from-start', '--watch', path.join(logs, '*.log'), ...grants],
  });
  await vi.waitFor(async () => expect(await up.count('*')).toBe(LINES), PATIENCE);
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium; apptest/prepare.ts installs it');
  browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await up?.end();
  rmSync(directory, { recursive: true });
});

async function open(search: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(`${up.url}/${search}`);
  return { page, complaints };
}

test('the bare address shows the logs that are there, however old', async () => {
  const { page, complaints } = await open('');
  await page.getByText('100,000').first().waitFor();
  await page
    .getByText(/line-\d+/)
    .first()
    .waitFor();
  expect(complaints).toEqual([]);
  await page.close();
});

test('a search finds the line and no other', async () => {
  const { page, complaints } = await open('?range=all');
  // The key works once the page does; a line on the screen says that it does.
  await page
    .getByText(/line-\d+/)
    .first()
    .waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('"line-4242"');
  await page.keyboard.press('Enter');
  await page
    .getByText(/line-4242\b/)
    .first()
    .waitFor();
  await expect.poll(() => page.getByText(/\bline-\d+\b/).count(), PATIENCE).toBe(1);
  expect(complaints).toEqual([]);
  await page.close();
});

test('the flow view shows both servers, their channels and the notice to the second', async () => {
  const { page, complaints } = await open('?view=flow');
  for (const name of ['s1', 's2']) await page.getByText(name, { exact: true }).first().waitFor();
  for (const channel of ['s1/1', 's2/2']) await page.getByText(channel).first().waitFor();
  const status = await up.status();
  expect(status.violations).toBeGreaterThan(0);
  await page
    .getByText(/notice/i)
    .first()
    .waitFor();
  const text = await page.locator('main').textContent();
  expect(text).toMatch(/s2/);
  expect(text).not.toMatch(/None: the order is respected/);
  // The file is read and acknowledged: nothing urgent waits.
  await expect.poll(() => page.locator('.urgent-figure').textContent(), PATIENCE).toMatch(/^\D*0 ms/);
  const events = page.getByRole('list', { name: 'What happened' });
  await events.getByText('outranked by s1', { exact: false }).first().waitFor();
  await page.getByRole('button', { name: /^grant/ }).click();
  await events
    .getByText(/^answers request \d+/)
    .first()
    .waitFor();
  expect(await events.getByText('outranked by s1', { exact: false }).count()).toBe(0);
  expect(complaints).toEqual([]);
  await page.close();
});
