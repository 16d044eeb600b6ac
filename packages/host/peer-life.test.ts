import { describe, expect, test } from 'vitest';
import { PeerLife } from './peer-life.ts';

const TIMEOUT_MS = 10_000;
const LOOK_MS = 5_000;

/** Looks at these bytes, one look after the other. @returns at which look the peer was dead first, from 1 */
function firstDead(
  life: PeerLife,
  looks: readonly { received?: number; gone?: number }[],
): number | undefined {
  for (const [index, { received = 0, gone = 0 }] of looks.entries()) {
    const nowMs = (index + 1) * LOOK_MS;
    if (life.isDead(nowMs, { receivedBytes: received, goneBytes: gone })) return index + 1;
  }
  return undefined;
}

function askedLife(handedBytes = 0): PeerLife {
  const life = new PeerLife(TIMEOUT_MS, LOOK_MS, 0);
  life.asked(handedBytes);
  return life;
}

describe('a peer is dead', () => {
  test('U19: when it shows no sign of life for the timeout', () => {
    expect(firstDead(askedLife(), [{}, {}, {}])).toBe(2);
  });

  test('not while it was asked nothing', () => {
    expect(firstDead(new PeerLife(TIMEOUT_MS, LOOK_MS, 0), [{}, {}, {}, {}])).toBeUndefined();
  });

  test('not while bytes come, whatever they are', () => {
    const looks = [1, 2, 3, 4, 5].map((received) => ({ received }));
    expect(firstDead(askedLife(), looks)).toBeUndefined();
    expect(firstDead(askedLife(), [...looks, { received: 5 }, { received: 5 }, { received: 5 }])).toBe(7);
  });

  test('not while the bytes before the ping go', () => {
    const looks = [100, 200, 300, 400, 500].map((gone) => ({ gone }));
    expect(firstDead(askedLife(500), looks)).toBeUndefined();
  });

  test('when only what was sent after the ping goes: the kernel of a peer that hangs takes that too', () => {
    const looks = [100, 200, 300, 400].map((gone) => ({ gone }));
    expect(firstDead(askedLife(50), looks)).toBe(3);
  });

  test('U19: not because this program did not run: what came meanwhile is read before the next look', () => {
    const life = askedLife();
    const hourMs = 3_600_000;
    const silent = { receivedBytes: 0, goneBytes: 0 };
    expect(life.isDead(LOOK_MS, silent)).toBe(false);
    expect(life.isDead(hourMs, silent)).toBe(false);
    expect(life.isDead(hourMs + LOOK_MS, { receivedBytes: 17, goneBytes: 0 })).toBe(false);
    expect(life.silentMs).toBe(0);
  });

  test('not because the clock was set back', () => {
    const life = new PeerLife(TIMEOUT_MS, LOOK_MS, 1_000_000);
    life.asked(0);
    expect(life.isDead(0, { receivedBytes: 0, goneBytes: 0 })).toBe(false);
    expect(life.silentMs).toBe(0);
  });
});

test('an answer ends the question and the silence', () => {
  const life = askedLife();
  expect(life.isDead(LOOK_MS, { receivedBytes: 0, goneBytes: 0 })).toBe(false);
  life.answered();
  expect(life.isAsked).toBe(false);
  expect(life.silentMs).toBe(0);
});
