/** What the recorder makes of each kind of log: what it recognises, and what it does not yet. */
import { expect, test } from 'vitest';
import { OPTIONS, recordOf } from './record-fixture.ts';
import { SAMPLES } from './testing/samples.ts';

/** Lines whose time or severity is not read yet, by kind. One that is read now, or no longer, has to be changed here. */
const NOT_READ_YET: Readonly<Record<string, { readonly times?: number; readonly severities?: number }>> = {
  // LOG, and the level behind `user@database`.
  PostgreSQL: { severities: 2 },
  // [System]
  MySQL: { severities: 1 },
  // `19 Jun 2026`, and the marks `*` and `#`.
  Redis: { times: 2, severities: 2 },
  // A time in an object, and levels of one letter.
  MongoDB: { times: 2, severities: 2 },
  // What is inside of the wrapper.
  'containers (CRI, Docker)': { severities: 2 },
};

test.each(SAMPLES)(
  '$kind: no line is changed, none claims what it does not state',
  ({ kind, path, lines }) => {
    const unread = { times: 0, severities: 0 };
    for (const [text, time, severity] of lines) {
      const read = recordOf(text, OPTIONS, path);
      // A JSON line becomes fields; what it says stands in body and attributes.
      if (!text.startsWith('{')) expect(read.body.toString()).toBe(text);
      const stated = read.timestampOrigin === 'clock' ? '' : read.time;
      if (stated === '') unread.times += Number(time !== '');
      else expect([text, stated]).toEqual([text, time]);
      if (read.severityNumber === 0) unread.severities += Number(severity !== 0);
      else expect([text, read.severityNumber]).toEqual([text, severity]);
    }
    expect(unread).toEqual({ times: 0, severities: 0, ...NOT_READ_YET[kind] });
  },
);

test('there are lines of many kinds, each once', () => {
  expect(new Set(SAMPLES.map(({ kind }) => kind)).size).toBe(SAMPLES.length);
  expect(SAMPLES.flatMap(({ lines }) => lines).length).toBeGreaterThan(60);
});
