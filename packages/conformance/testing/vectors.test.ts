/** The vectors that others are written by are what the machines do today. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { VECTOR_FILES, VECTORS_DIRECTORY, vectorText } from './vector-files.ts';

test.each([...VECTOR_FILES])(
  '%s is what the program does (else: npm run vectors, and look at the change)',
  (name, content) => {
    const written = readFileSync(path.join(VECTORS_DIRECTORY, name), 'utf8');
    expect(written).toBe(vectorText(content()));
  },
);

test('each vector has effects, and none is named twice', () => {
  for (const name of ['agent.json', 'server.json']) {
    const vectors: { name: string; steps: { effects: object[] }[] }[] = JSON.parse(
      readFileSync(path.join(VECTORS_DIRECTORY, name), 'utf8'),
    );
    expect(vectors.length).toBeGreaterThan(8);
    expect(new Set(vectors.map((vector) => vector.name)).size).toBe(vectors.length);
    for (const { steps } of vectors) expect(steps.some(({ effects }) => effects.length > 0)).toBe(true);
  }
});
