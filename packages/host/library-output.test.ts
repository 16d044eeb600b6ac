import { expect, test } from 'vitest';
import { logLibraryOutput, REPEAT_AFTER_MS } from './library-output.ts';

/** As a library has it. */
const { console: library } = globalThis;

test('what a library prints is logged without its stack, and once a minute', () => {
  const logged: string[] = [];
  let nowMs = 0;
  const giveBack = logLibraryOutput({ warn: ({ printed }) => logged.push(printed) }, () => nowMs);
  try {
    for (let attempt = 0; attempt < 5; attempt += 1)
      library.error(Object.assign(new Error('Input/output error'), { code: 5 }));
    library.warn('another', 7);
    expect(logged).toEqual(['Input/output error (code 5)', 'another 7']);
    nowMs = REPEAT_AFTER_MS;
    library.error(Object.assign(new Error('Input/output error'), { code: 5 }));
    expect(logged).toHaveLength(3);
  } finally {
    giveBack();
  }
});
