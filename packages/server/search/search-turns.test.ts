import { SluiceError } from '@sluice/base/error';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { searchCancelled, searchTimeout } from './search-errors.ts';
import { type Estimate, type SearchAsk, SearchTurns, type Turn } from './search-turns.ts';

const LIMITS = {
  lightTurns: 1,
  heavyTurns: 1,
  maxWaitingLight: 8,
  maxWaitingHeavy: 3,
  estimateTurns: 1,
  maxEstimatingLight: 8,
  maxEstimatingHeavy: 8,
  maxWaitMs: 9_000,
  lightBudgetMs: 1_500,
  lightTimeoutMs: 5_000,
  timeoutMs: 30_000,
  maxRequestsOfSearch: 3,
};
const HEAVY: Estimate = { weight: 'heavy', expectedMs: 2_000 };

let turns: SearchTurns;
beforeEach(() => {
  vi.useFakeTimers();
  turns = new SearchTurns(LIMITS, () => Date.now());
});
afterEach(() => {
  vi.useRealTimers();
});

function asking(changes: Partial<SearchAsk> = {}): SearchAsk {
  return {
    asker: 'anonymous',
    searchId: '',
    guess: 'heavy',
    estimate: async () => HEAVY,
    signal: new AbortController().signal,
    ...changes,
  };
}

/** Work that takes so long, as the engine does it: it ends when its turn is over or its caller is gone. */
function lasting(ms: number, signal?: AbortSignal): (turn: Turn) => Promise<string> {
  return (turn) =>
    new Promise((resolve, reject) => {
      const left = turn.leftMs();
      const timer = setTimeout(
        () => (left < ms ? reject(searchTimeout()) : resolve(turn.weight)),
        Math.min(ms, left),
      );
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(searchCancelled());
      });
    });
}

/** What became of it, and when. */
function fateOf(promise: Promise<unknown>): Promise<string> {
  const startMs = Date.now();
  const after = (what: string): string => `${what} after ${Math.round(Date.now() - startMs)}`;
  return promise.then(
    (value) => after(String(value)),
    (error: unknown) => after(SluiceError.from(error).code),
  );
}

test('each heavy search is answered, or told within the longest wait when to come again', async () => {
  const fates = Array.from({ length: 40 }, () => fateOf(turns.run(asking(), lasting(4_000))));
  await vi.advanceTimersByTimeAsync(60_000);
  const all = await Promise.all(fates);
  // At 0, 4 and 8 s; whoever waits at 9 s is told.
  expect(all.filter((fate) => fate.startsWith('heavy'))).toEqual([
    'heavy after 4000',
    'heavy after 8000',
    'heavy after 12000',
  ]);
  const busy = all.filter((fate) => fate.startsWith('busy'));
  expect(busy).toHaveLength(37);
  expect(busy.every((fate) => Number(fate.split(' ').at(-1)) <= LIMITS.maxWaitMs)).toBe(true);
  expect(turns.statistics).toMatchObject({
    runningCount: 0,
    waitingCount: 0,
    outcomes: { answered: 3, busy: 37 },
  });
});

test('a light search passes heavy ones, whether its words or its estimate say so', async () => {
  const heavy = Array.from({ length: 4 }, () => fateOf(turns.run(asking(), lasting(20_000))));
  await vi.advanceTimersByTimeAsync(10);
  const byWords = fateOf(turns.run(asking({ guess: 'light' }), lasting(20)));
  await vi.advanceTimersByTimeAsync(100);
  const light: Estimate = { weight: 'light', expectedMs: 20 };
  const byEstimate = fateOf(turns.run(asking({ estimate: async () => light }), lasting(20)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([await byWords, await byEstimate]).toEqual(['light after 20', 'light after 20']);
  await Promise.all(heavy);
});

test('no light search waits for the estimate of a heavy one', async () => {
  void fateOf(turns.run(asking(), lasting(60_000)));
  void fateOf(turns.run(asking({ guess: 'light' }), lasting(1_000)));
  const begun: string[] = [];
  const noting = (name: string, guess: 'light' | 'heavy'): SearchAsk =>
    asking({
      guess,
      estimate: () => {
        begun.push(name);
        return new Promise(() => undefined);
      },
    });
  for (const name of ['a', 'b']) void fateOf(turns.run(noting(name, 'heavy'), lasting(1)));
  void fateOf(turns.run(noting('light', 'light'), lasting(1)));
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toEqual(['a', 'light']);
  await vi.advanceTimersByTimeAsync(100_000);
});

test('of a crowd that looks heavy a few are estimated, and the others told at once to come again', async () => {
  const crowded = new SearchTurns({ ...LIMITS, maxEstimatingHeavy: 2 }, () => Date.now());
  let estimates = 0;
  const estimate = async (): Promise<Estimate> => {
    estimates += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return HEAVY;
  };
  const fates = Array.from({ length: 50 }, () => fateOf(crowded.run(asking({ estimate }), lasting(20_000))));
  await vi.advanceTimersByTimeAsync(0);
  // One runs, one is being estimated, two wait for that.
  expect(crowded.statistics).toMatchObject({ runningCount: 1, waitingCount: 3, outcomes: { busy: 46 } });
  await vi.advanceTimersByTimeAsync(60_000);
  expect((await Promise.all(fates)).filter((fate) => fate === 'busy after 0')).toHaveLength(46);
  expect(estimates).toBe(3);
});

test('what is sure to be heavy has its place without an estimate, behind what is known to be shorter', async () => {
  const first = fateOf(turns.run(asking(), lasting(1_000)));
  const sure = fateOf(turns.run(asking({ estimate: undefined }), lasting(1_000)));
  const shorter = fateOf(turns.run(asking(), lasting(1_000)));
  await vi.advanceTimersByTimeAsync(5_000);
  expect([await first, await sure, await shorter]).toEqual([
    'heavy after 1000',
    'heavy after 3000',
    'heavy after 2000',
  ]);
});

test('a light turn that is too short is followed by a heavy one', async () => {
  const fate = fateOf(turns.run(asking({ guess: 'light' }), lasting(5_000)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await fate).toBe('heavy after 6500');
  expect(turns.statistics.outcomes).toMatchObject({ answered: 1, timeout: 0 });
});

test('what the engine says is light has a longer light turn on a slow machine, and a heavy one only after it', async () => {
  const light: Estimate = { weight: 'light', expectedMs: 20 };
  const asked = asking({ guess: 'light', estimate: async () => light });
  const slow = fateOf(turns.run(asked, lasting(3_000)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await slow).toBe('light after 4500');
  const wrong = fateOf(turns.run(asked, lasting(6_000)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await wrong).toBe('heavy after 12500');
});

test('a failed estimate leaves it at the guess', async () => {
  const first = fateOf(turns.run(asking(), lasting(1_000)));
  const failing = asking({ estimate: () => Promise.reject(new Error('no such function')) });
  const second = fateOf(turns.run(failing, lasting(1_000)));
  await vi.advanceTimersByTimeAsync(5_000);
  expect([await first, await second]).toEqual(['heavy after 1000', 'heavy after 2000']);
});

test('requests of one search have one turn, one after the other, and one deadline', async () => {
  const ran: string[] = [];
  const work =
    (name: string, ms: number) =>
    async (turn: Turn): Promise<string> => {
      ran.push(`${name} begins`);
      const result = await lasting(ms)(turn);
      ran.push(`${name} ends`);
      return result;
    };
  const blocking = fateOf(turns.run(asking(), lasting(1_000)));
  const page = fateOf(turns.run(asking({ searchId: 'x' }), work('page', 12_000)));
  const histogram = fateOf(turns.run(asking({ searchId: 'x' }), work('histogram', 12_000)));
  const other = fateOf(turns.run(asking(), lasting(1)));
  expect(turns.statistics).toMatchObject({ runningCount: 1, waitingCount: 2 });
  await vi.advanceTimersByTimeAsync(2_000);
  // It came while the search already had its turn, which has 30 s in all.
  const late = fateOf(turns.run(asking({ searchId: 'x' }), work('count', 12_000)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ran).toEqual(['page begins', 'page ends', 'histogram begins', 'histogram ends', 'count begins']);
  expect([await blocking, await page, await histogram, await late]).toEqual([
    'heavy after 1000',
    'heavy after 13000',
    'heavy after 25000',
    'timeout after 29000',
  ]);
  expect(await other).toBe('busy after 9000');
});

test('nobody joins the search of another principal, whatever id they draw', async () => {
  const blocking = fateOf(turns.run(asking(), lasting(1_000)));
  for (const asker of ['token', 'anonymous', 'token'])
    void fateOf(turns.run(asking({ asker, searchId: 'x' }), lasting(1)));
  expect(turns.statistics).toMatchObject({ runningCount: 1, waitingCount: 2 });
  await vi.advanceTimersByTimeAsync(60_000);
  await blocking;
});

test('one search cannot have ever more requests in its turn', async () => {
  const fates = Array.from({ length: 5 }, () => fateOf(turns.run(asking({ searchId: 'x' }), lasting(4_000))));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await Promise.all(fates)).toEqual([
    'heavy after 4000',
    'heavy after 8000',
    'heavy after 12000',
    'busy after 9000',
    'busy after 9000',
  ]);
});

test('a caller that goes away ends its turn, waiting or running, and the next one begins', async () => {
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = fateOf(turns.run(asking({ signal: running.signal }), lasting(20_000, running.signal)));
  const begun = vi.fn(lasting(1));
  const second = fateOf(turns.run(asking({ signal: waiting.signal }), begun));
  const third = fateOf(turns.run(asking(), lasting(1_000)));
  await vi.advanceTimersByTimeAsync(100);
  waiting.abort();
  await vi.advanceTimersByTimeAsync(100);
  running.abort();
  await vi.advanceTimersByTimeAsync(5_000);
  expect([await first, await second, await third]).toEqual([
    'cancelled after 200',
    'cancelled after 100',
    'heavy after 1200',
  ]);
  expect(begun).not.toHaveBeenCalled();
  expect(turns.statistics).toMatchObject({ runningCount: 0, waitingCount: 0, outcomes: { cancelled: 2 } });
});

test('an estimate is given up with its search', async () => {
  const gone = new AbortController();
  void fateOf(turns.run(asking(), lasting(30_000)));
  let seen: AbortSignal | undefined;
  const estimate = (signal: AbortSignal): Promise<Estimate> => {
    seen = signal;
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const fate = fateOf(turns.run(asking({ signal: gone.signal, estimate }), lasting(1)));
  gone.abort();
  await vi.advanceTimersByTimeAsync(1);
  expect(await fate).toBe('cancelled after 0');
  expect(seen?.aborted).toBe(true);
  const next = fateOf(turns.run(asking(), lasting(1)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await next).toBe('busy after 9000');
});

test('a caller that is gone already is nobody', async () => {
  const asked = turns.run(asking({ signal: AbortSignal.abort() }), lasting(1));
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
});

test('the time to come again is in the error', async () => {
  void fateOf(turns.run(asking(), lasting(30_000)));
  const busy = turns.run(asking(), lasting(1)).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(9_000);
  const error = await busy;
  expect(error).toMatchObject({
    code: 'busy',
    retryAfterSeconds: expect.any(Number),
    message: expect.stringMatching(/try again in \d+ s$/),
  });
  await vi.advanceTimersByTimeAsync(60_000);
});
