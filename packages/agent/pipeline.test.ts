import { appendFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PipelineFixture } from './pipeline-fixture.ts';

let fixture: PipelineFixture;
beforeEach(() => {
  fixture = new PipelineFixture();
});
afterEach(async () => {
  await fixture.cleanUp();
});

describe('pipeline', () => {
  it('brings lines into the queue in order and goes on behind them after a restart', async () => {
    writeFileSync(fixture.file('a.log'), 'one\ntwo\n');
    await fixture.start();
    expect(await fixture.lines(2)).toEqual(['one', 'two']);
    appendFileSync(fixture.file('a.log'), 'three\n');
    expect(await fixture.lines(3)).toEqual(['one', 'two', 'three']);
    await fixture.stop();
    appendFileSync(fixture.file('a.log'), 'four\n');
    await fixture.start();
    expect(await fixture.lines(4)).toEqual(['one', 'two', 'three', 'four']);
  });
});
