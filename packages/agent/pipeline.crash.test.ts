import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '@sluice/base/random';
import { drawSeed } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PipelineFixture } from './pipeline-fixture.ts';

const PROGRAM = fileURLToPath(new URL('./pipeline-crash-program.ts', import.meta.url));
const ROUNDS = 8;
const LINES_PER_BURST = 2000;

let fixture: PipelineFixture;
beforeEach(() => {
  fixture = new PipelineFixture();
});
afterEach(async () => {
  await fixture.cleanUp();
});

describe('pipeline, killed with SIGKILL again and again', () => {
  it('has each line in the queue exactly once, with rotations on the way', {
    timeout: 60_000,
  }, async () => {
    const random = new Random(drawSeed());
    let written = 0;
    const names = ['a.log', 'b.log', 'c.log'];
    const burst = (): void => {
      for (const name of names) {
        let text = '';
        // The last line of a burst has no end: the next burst goes on with it.
        for (let i = 0; i < LINES_PER_BURST; i++)
          text += `${i % 7 === 0 ? 'ERROR ' : ''}${name} ${written + i}\n${name} `;
        appendFileSync(fixture.file(name), `${text}tail ${written}\n`);
      }
      written += LINES_PER_BURST;
    };
    for (const name of names) writeFileSync(fixture.file(name), '');
    for (let round = 0; round < ROUNDS; round++) {
      const child = spawn(process.execPath, [PROGRAM, fixture.root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      burst();
      await Promise.race([
        once(child.stdout, 'data'),
        exited.then(([code]) => {
          throw new Error(`the program ended by itself with ${code}`);
        }),
      ]);
      burst();
      if (round % 3 === 1) renameSync(fixture.file('a.log'), fixture.file(`a.log.${round}`));
      burst();
      // Some moment in the middle of reading, cutting and writing; any moment must do.
      await sleep(random.next() * 12);
      child.kill('SIGKILL');
      await exited;
    }
    const expected = new Map<string, string[]>();
    for (const name of names) expected.set(name, []);
    for (let start = 0; start < written; start += LINES_PER_BURST) {
      for (const name of names) {
        const lines = expected.get(name);
        for (let i = 0; i < LINES_PER_BURST; i++) {
          const lead = i === 0 ? '' : `${name} `;
          lines?.push(`${lead}${i % 7 === 0 ? 'ERROR ' : ''}${name} ${start + i}`);
        }
        lines?.push(`${name} tail ${start}`);
      }
    }
    await fixture.start();
    const all = await fixture.lines(names.length * (written + written / LINES_PER_BURST));
    for (const name of names) {
      const found = all.filter((line) => line.includes(name));
      expect(found.toSorted()).toEqual(expected.get(name)?.toSorted());
    }
  });
});
