/**
 * The built console in a real browser, against a fake server that speaks the real protocol. What is proved here is the
 * page; that the real server answers the same way is proved in apptest.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
  type Route,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_ARGUMENTS, findChromium } from './testing/chromium.ts';
import { HUGE_BODY_CHARACTERS } from './testing/fake-logs.ts';
import { type FakeServer, startFakeServer } from './testing/fake-server.ts';

const DIRECTORY = import.meta.dirname;
const DIST = path.join(DIRECTORY, 'dist');
let browser: Browser;
let server: FakeServer;
/** What went wrong in the page besides what the test looks at; empty at the end of each test. */
let complaints: string[] = [];

beforeAll(async () => {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium; install the package 'chromium'");
  if (isStale()) buildConsole();
  server = await startFakeServer(DIST);
  browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGUMENTS] });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

afterEach(async () => {
  // A test that failed leaves its page, which would complain in the next one.
  for (const context of browser.contexts()) await context.close();
  server.trouble = 'none';
  server.token = undefined;
  const found = complaints;
  complaints = [];
  expect(found).toEqual([]);
});

/** Opens the page; whatever it complains about fails the test, unless trouble was asked for. */
async function open(search = '', options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-US',
    timezoneId: 'UTC',
    ...options,
  });
  const page = await context.newPage();
  const troubled = (): boolean => server.trouble !== 'none';
  page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !troubled()) complaints.push(message.text());
  });
  page.on('requestfailed', (request) => {
    // A search that nobody waits for any more is called off: that is what should happen.
    const reason = request.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED' && !troubled()) complaints.push(`${request.url()}: ${reason}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url)) complaints.push(`asked a stranger: ${request.url()}`);
  });
  await page.goto(`${server.url}/${search}`);
  return page;
}

const rows = (page: Page) => page.getByRole('option');
const searchBox = (page: Page) => page.getByLabel('Search query');
const parameter = (page: Page, name: string): string | null => new URL(page.url()).searchParams.get(name);
const countText = (page: Page) => page.locator('.count b');
const textOf = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? '';
const count = async (page: Page): Promise<number> =>
  Number((await textOf(countText(page))).replaceAll(',', ''));

describe('the console in a browser', { timeout: 60_000 }, () => {
  it('searches, keeps the query in the address, and goes back and forward', async () => {
    const page = await open('?range=all');
    await rows(page).first().waitFor();
    const all = await count(page);
    await page.keyboard.press('/');
    await page.keyboard.type('service:payments');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=service/);
    await expect.poll(() => count(page)).toBeLessThan(all);
    await expect.poll(() => page.locator('.cell-service').allInnerTexts()).not.toContain('api');
    await page.goBack();
    await expect.poll(() => count(page)).toBe(all);
    expect(await searchBox(page).inputValue()).toBe('');
    await page.goForward();
    await expect.poll(() => searchBox(page).inputValue()).toBe('service:payments');
    await page.context().close();
  });

  it('points at the character that is wrong', async () => {
    const page = await open();
    await searchBox(page).fill('service:api severity: oops');
    await searchBox(page).press('Enter');
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await textOf(alert)).toContain('expected a value after the colon');
    const offset = await alert.locator('pre').evaluate((pre) => pre.firstChild?.textContent?.length);
    expect(offset).toBe('service:api severity:'.length);
    expect(await searchBox(page).getAttribute('aria-invalid')).toBe('true');
    // The browser itself logs the refused request.
    complaints = complaints.filter((complaint) => !complaint.includes('status of 400'));
    await searchBox(page).fill('service:api');
    await searchBox(page).press('Enter');
    await alert.waitFor({ state: 'detached' });
    await page.context().close();
  });

  it('zooms with the brush and comes back with Esc', async () => {
    const page = await open();
    await rows(page).first().waitFor();
    const all = await count(page);
    const plot = page.locator('.chart .u-over');
    const box = await plot.boundingBox();
    if (box === null) throw new Error('the histogram has no plot');
    await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 25, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/range=/);
    await expect.poll(() => count(page)).toBeLessThan(all / 2);
    expect(parameter(page, 'range')).toMatch(/^\d{4}-.*Z\.\.\d{4}-.*Z$/);
    await page.getByRole('button', { name: 'Reset zoom' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => parameter(page, 'range')).toBeNull();
    await page.context().close();
  });

  it('says in words what the histogram shows', async () => {
    const page = await open();
    await rows(page).first().waitFor();
    await expect
      .poll(() => page.locator('.chart').getAttribute('aria-label'))
      .toMatch(/^[\d,]+ records\. fatal \d+, error \d+.*Busiest: /);
    await page.context().close();
  });

  it('loads further pages while scrolling, and holds few rows at a time', async () => {
    const before = server.searches;
    const page = await open();
    await rows(page).first().waitFor();
    const list = page.getByRole('listbox');
    // Of the rows alone: the line at the end may reach beyond them.
    const height = (): Promise<number> => page.locator('.result-rows').evaluate((rows) => rows.clientHeight);
    const seen = new Set<string>();
    for (let step = 0; step < 6; step += 1) {
      const last = await height();
      await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await expect.poll(height).toBeGreaterThan(last);
      seen.add((await textOf(rows(page).last())).replace(/\s+/g, ' '));
      expect(await rows(page).count()).toBeLessThan(100);
    }
    // The first page, and one each time that the list grew.
    expect(server.searches - before).toBeGreaterThanOrEqual(7);
    expect(seen.size).toBeGreaterThan(3);
    await page.context().close();
  });

  it('opens a record, filters by its values, and keeps it in the address', async () => {
    const page = await open();
    await rows(page).nth(1).click();
    const detail = page.getByRole('complementary', { name: 'Record' });
    await detail.waitFor();
    await expect.poll(() => parameter(page, 'record')).not.toBeNull();
    const names = await detail.locator('section:has(h3:has-text("Attributes")) dt').allInnerTexts();
    expect(names).toEqual([...names].sort());
    expect(names.length).toBeGreaterThan(2);
    await detail
      .getByRole('button', { name: /^Only records where service is/ })
      .last()
      .click();
    await expect.poll(() => parameter(page, 'q')).toMatch(/^service:"\w+"$/);
    await rows(page).first().click();
    await detail.getByRole('button', { name: /^Without records where host is/ }).click();
    await expect.poll(() => parameter(page, 'q')).toMatch(/^service:"\w+" -host:"[\w-]+"$/);
    await page.context().close();
  });

  it('opens a link to one record that is not among the results', async () => {
    const page = await open('?q=nothing-matches-this&record=web-01.1.1.0');
    const other = await open('?range=all');
    await rows(other).first().click();
    await other.waitForURL(/record=/);
    const id = parameter(other, 'record') ?? '';
    await page.goto(`${server.url}/?q=nothing-matches-this&record=${id}`);
    await page.locator('.detail-message').waitFor();
    await page.context().close();
    await other.context().close();
  });

  it('is driven by keys alone', async () => {
    const page = await open();
    await rows(page).first().waitFor();
    const selected = page.locator('[role=option][aria-selected=true]');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => selected.getAttribute('aria-posinset')).toBe('3');
    await page.keyboard.press('k');
    await expect.poll(() => selected.getAttribute('aria-posinset')).toBe('2');
    await page.keyboard.press('Enter');
    const detail = page.getByRole('complementary', { name: 'Record' });
    await detail.waitFor();
    await page.keyboard.press('Escape');
    await detail.waitFor({ state: 'detached' });
    await page.keyboard.press('t');
    await page.getByRole('button', { name: 'All time' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'All time' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('w');
    await page.getByRole('button', { name: 'Wrap lines', pressed: true }).waitFor();
    await page.keyboard.press('2');
    await page.waitForURL(/view=flow/);
    await page.context().close();
  });

  it('refreshes while live, and stops when told', async () => {
    const page = await open();
    await rows(page).first().waitFor();
    await page.keyboard.press('l');
    await expect.poll(() => parameter(page, 'live')).toBe('1');
    const before = server.searches;
    await expect.poll(() => server.searches, { timeout: 15_000 }).toBeGreaterThan(before + 1);
    await page.keyboard.press('l');
    await expect.poll(() => parameter(page, 'live')).toBeNull();
    await page.context().close();
  });

  it('shows hostile text as text, and cuts what is too long in the row only', async () => {
    const page = await open();
    await page.getByText('<img src=x onerror', { exact: false }).first().waitFor();
    expect(await page.title()).not.toBe('owned');
    expect(await page.locator('.result-list img, .result-list script').count()).toBe(0);
    await page.getByText('panic', { exact: false }).first().waitFor();
    expect(await textOf(page.locator('.cell-body', { hasText: 'panic' }))).toContain('␛[31m');
    const huge = rows(page).filter({ hasText: 'request dump' });
    expect((await textOf(huge)).length).toBeLessThan(2000);
    expect(await huge.textContent()).toMatch(/\+[\d,]+ characters/);
    await huge.click();
    const whole = await page
      .locator('.detail-message')
      .evaluate((element) => element.textContent?.length ?? 0);
    expect(whole).toBeGreaterThan(HUGE_BODY_CHARACTERS * 0.99);
    await page.context().close();
  });

  it('says why there is nothing, and offers a way out', async () => {
    const page = await open('?range=2020-01-01T00:00:00.000Z..2020-01-02T00:00:00.000Z');
    await page.getByText('Nothing matches in this time range.').waitFor();
    await page.getByRole('button', { name: 'Search all time' }).click();
    await rows(page).first().waitFor();
    expect(parameter(page, 'range')).toBe('all');
    await page.context().close();
  });

  it('shows a store that is down with a retry, and recovers', async () => {
    server.trouble = 'store down';
    const page = await open();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await textOf(alert)).toContain('The store is not available');
    await page.locator('.health', { hasText: '1 problem' }).waitFor();
    server.trouble = 'none';
    await page.getByRole('button', { name: 'Try again' }).click();
    await rows(page).first().waitFor();
    await page.context().close();
  });

  it('says in the header how it stands, and lists what is wrong, by mouse and by key', async () => {
    const page = await open();
    const health = page.locator('.health');
    await health.getByText('All is well').waitFor();
    expect(await health.getAttribute('data-state')).toBe('up');
    server.trouble = 'unwell';
    await page.goto(`${server.url}/?view=flow`);
    await health.getByText('40 problems').waitFor();
    expect(await health.getAttribute('data-state')).toBe('down');
    await health.click();
    const list = page.getByRole('dialog', { name: 'Health' });
    const items = list.getByRole('listitem');
    expect(await items.count()).toBe(8);
    expect(await textOf(items.first())).toMatch(
      /^Errorsince [-\d]+ [:\d]+ \(12 m 34 s\)store_awayThe store is not available: .*Start the store,/,
    );
    // What a peer says is text, whatever it looks like.
    expect(await textOf(items.nth(1))).toContain('Something <b>new</b> is wrong.');
    expect(await textOf(list)).toContain('and 32 more');
    expect(await textOf(list)).toContain('The oldest record that cannot be found yet is 12 m 34 s old.');
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'detached' });
    await page.keyboard.press('h');
    await list.waitFor();
    await page.keyboard.press('Escape');
    // In Chinese by code; what the page does not know stays in the server's words.
    await page.getByRole('button', { name: '简体中文' }).click();
    await page.getByRole('button', { name: '40 个问题' }).click();
    const listed = page.getByRole('dialog', { name: '健康状况' }).getByRole('listitem');
    expect(await textOf(listed.first())).toContain('存储不可用：no answer from the store');
    expect(await textOf(listed.nth(1))).toContain('Something <b>new</b> is wrong.');
    await page.context().close();
  });

  it('shows the list of problems whole on a narrow screen', async () => {
    server.trouble = 'unwell';
    const page = await open('', { viewport: { width: 390, height: 844 } });
    await page.locator('.health').click();
    const list = page.getByRole('dialog', { name: 'Health' });
    await list.waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(390);
    expect(await list.evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth)).toBe(0);
    await page.context().close();
  });

  it('shows a server that does not answer', async () => {
    const page = await open();
    await rows(page).first().waitFor();
    server.trouble = 'cut off';
    await page.route('**/sluice.v1.QueryService/**', (route) => route.abort('connectionrefused'));
    await page.keyboard.press('r');
    await page.getByRole('alert').waitFor();
    expect(await textOf(page.getByRole('alert'))).toContain('The server does not answer');
    await page.unroute('**/sluice.v1.QueryService/**');
    server.trouble = 'none';
    await page.getByRole('button', { name: 'Try again' }).click();
    await rows(page).first().waitFor();
    await page.context().close();
  });

  it('asks for the token that the server wants, shows it, and forgets it', async () => {
    // The browser itself logs each refused request.
    const asked = (complaint: string): boolean => !complaint.includes('status of 401');
    server.token = 'a token for this test';
    const page = await open('?q=service:api');
    const field = page.getByLabel('Token', { exact: true });
    await field.fill('another one');
    await field.press('Enter');
    await page.getByText('The server does not take this token.').waitFor();
    await field.fill(server.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await rows(page).first().waitFor();
    expect(page.url()).not.toContain('token');
    await page.reload();
    await rows(page).first().waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await field.waitFor();
    await page.reload();
    await field.waitFor();
    expect(await rows(page).count()).toBe(0);
    await page.context().close();
    complaints = complaints.filter(asked);
  });

  it('shows the flow: channels in one order, the use out of turn, and the notice', async () => {
    const page = await open('?view=flow');
    const channels = page.locator('.channels li');
    await channels.first().waitFor();
    expect(await channels.locator('.priority').allInnerTexts()).toEqual(['1', '2', '3', '4']);
    expect((await channels.locator('.channel-name').allInnerTexts()).map((text) => text.slice(0, 2))).toEqual(
      ['S1', 'S2', 'S1', 'S2'],
    );
    const strip = await textOf(page.locator('.use-strip'));
    expect(strip.replace(/\s+/g, ' ')).toMatch(/S1\/1.*S2\/2.*notice to S2.*S1\/3/);
    expect(await textOf(page.locator('.notices'))).toContain('S1 leads with 1 and still held 3');
    expect(await page.getByRole('img', { name: /priority order/ }).getAttribute('aria-label')).toContain(
      '1: S1',
    );
    expect(await textOf(page.locator('.flow'))).toContain('connection refused');
    const sources = (await textOf(page.getByRole('list', { name: 'Sources that need a look' }))).replace(
      /\s+/g,
      ' ',
    );
    expect(sources).toMatch(/main\.log ?cannot be read for 5.*3\.0 MiB not read ?EACCES: permission denied/);
    expect(sources).toMatch(/events\.jsonl ?lines kept as plain text: 3 ?JSON nested deeper than 100/);
    expect(await textOf(page.locator('.urgent-figure'))).toMatch(/Oldest urgent record.*\d+(\.\d)? m?s/s);
    const servers = (await textOf(page.locator('.server-card').first())).replace(/\s+/g, ' ');
    expect(servers).toMatch(
      /granted, unused ?31\.0 MiB.*leaves the journal ?18\.0 MiB\/s.*requests waiting ?1/,
    );
    expect((await textOf(page.locator('.server-card').nth(1))).replace(/\s+/g, ' ')).toMatch(
      /S2 ?stalled for 1.*answers in ?240 ms/,
    );
    expect(await textOf(page.locator('.card[data-shown="true"]'))).toMatch(
      /request waits[\s\S]*ranked lower by/,
    );
    await page.getByRole('button', { name: 'db-01' }).click();
    await page.waitForURL(/agent=db-01/);
    await page.getByText('No live channels', { exact: false }).first().waitFor();
    await page.context().close();
  });

  it('shows what happened between an agent and its servers, with why, one kind alone or all', async () => {
    const page = await open('?view=flow');
    const events = page.getByRole('list', { name: 'What happened' }).locator('li');
    await events.first().waitFor();
    const texts = (await events.allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));
    expect(texts).toHaveLength(12);
    // The newest is what the server alone knows; the last is the oldest.
    expect(texts[0]).toMatch(/yield S1 a notice named priority 3 Priority 4, 6$/);
    expect(texts.at(-1)).toMatch(/request S1 connected/);
    // Text of a peer is shown, and neither obeyed nor hidden.
    expect(texts.join('\n')).toContain('<img src=x onerror=alert(1)><U+202E> answered no request');
    await page.getByRole('button', { name: /^hedge/ }).click();
    expect((await events.allInnerTexts()).map((text) => text.replace(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/hedge S1 no answer from S2 for 0\.4 s 102 KiB$/),
    ]);
    await page.getByRole('button', { name: /^hedge/ }).click();
    expect(await events.count()).toBe(12);
    await page.context().close();
  });

  it('says when the flow is old because nothing answers, and goes on by itself', async () => {
    const page = await open('?view=flow');
    await page.locator('.channels li').first().waitFor();
    server.trouble = 'cut off';
    await page.route('**/sluice.v1.QueryService/**', (route) => route.abort('connectionrefused'));
    await page.getByText('what you see is old', { exact: false }).waitFor();
    expect(await page.locator('.channels li').count()).toBe(4);
    await page.unroute('**/sluice.v1.QueryService/**');
    await page.getByText('what you see is old', { exact: false }).waitFor({ state: 'hidden' });
    server.trouble = 'none';
    await page.context().close();
  });

  it.each(['', '?view=flow'])('fits into 390 pixels: %j', async (search) => {
    const page = await open(search, { viewport: { width: 390, height: 780 } });
    await page.locator('.row, .channels').first().waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    const inner = await page
      .locator('main > *')
      .evaluate((element) => element.scrollWidth - element.clientWidth);
    expect(inner).toBeLessThanOrEqual(0);
    await page.context().close();
  });

  it('does not move sideways while it searches', async () => {
    const page = await open('', { viewport: { width: 390, height: 780 } });
    await rows(page).first().waitFor();
    const held: Route[] = [];
    await page.route('**/sluice.v1.QueryService/Search', (route) => {
      held.push(route);
    });
    // The first search is over, not only its first rows: the one that is held shows the bar by itself.
    await page.locator('.toolbar[data-busy=false]').waitFor();
    await page.keyboard.press('r');
    await expect.poll(() => held.length).toBeGreaterThan(0);
    await page.locator('.toolbar[data-busy=true]').waitFor();
    // The bar that runs while it searches, a moment before it begins anew.
    const overflow = await page.evaluate(() => {
      for (const animation of document.getAnimations()) {
        const end = animation.effect?.getComputedTiming();
        animation.pause();
        animation.currentTime = Number(end?.delay) + Number(end?.duration) - 1;
      }
      return document.documentElement.scrollWidth - window.innerWidth;
    });
    expect(overflow).toBeLessThanOrEqual(0);
    for (const route of held) await route.continue();
    await page.context().close();
  });

  it('follows the system theme, and a person over the system', async () => {
    const page = await open('', { colorScheme: 'dark' });
    const background = (): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await rows(page).first().waitFor();
    const dark = await background();
    await page.getByRole('button', { name: 'Theme: as the system' }).click();
    await expect.poll(background).not.toBe(dark);
    await page.reload();
    await page.getByRole('button', { name: 'Theme: light' }).waitFor();
    expect(await background()).not.toBe(dark);
    await page.context().close();
  });

  it('speaks Chinese to those who want it, and English again', async () => {
    const page = await open('', { locale: 'zh-CN' });
    await page.getByRole('button', { name: '搜索', exact: true }).waitFor();
    await expect.poll(() => page.evaluate(() => document.documentElement.lang)).toBe('zh-Hans');
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('button', { name: 'Search', exact: true }).waitFor();
    await page.context().close();
  });
});

/** Builds as `npm run build` does: in a process of its own, since the test's own environment would make a test build. */
function buildConsole(): void {
  const vite = path.join(DIRECTORY, '../../node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', DIRECTORY, '--logLevel', 'error'], {
    env: { ...process.env, NODE_ENV: 'production' },
  });
}

/** True when there is no build, or a source is newer than it. */
function isStale(): boolean {
  const index = path.join(DIST, 'index.html');
  if (!existsSync(index)) return true;
  const builtMs = statSync(index).mtimeMs;
  const sources = readdirSync(path.join(DIRECTORY, 'source'), { recursive: true, withFileTypes: true });
  return [
    path.join(DIRECTORY, 'index.html'),
    path.join(DIRECTORY, 'vite.config.ts'),
    ...sources.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)),
  ].some((file) => statSync(file).mtimeMs > builtMs);
}
