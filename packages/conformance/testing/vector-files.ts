/** The files of vectors, and how they are written. */
import path from 'node:path';
import { agentVectors } from './agent-vectors.ts';
import { serverVectors } from './server-vectors.ts';
import { wireVectors } from './wire-vectors.ts';

export const VECTORS_DIRECTORY: string = path.join(import.meta.dirname, '..', '..', '..', 'proto', 'vectors');

export const VECTOR_FILES: ReadonlyMap<string, () => object> = new Map<string, () => object>([
  ['agent.json', agentVectors],
  ['server.json', serverVectors],
  ['wire.json', wireVectors],
]);

/** One event, or effect, a line, so that a change of a rule shows as few lines. */
export function vectorText(content: object): string {
  if (!Array.isArray(content)) return `${JSON.stringify(content, undefined, 2)}\n`;
  const vectors = content.map(({ steps, ...head }: { steps: { event: object; effects: object[] }[] }) => {
    const lines = steps.map(({ event, effects }) => {
      const came = effects.map((effect) => `\n        ${JSON.stringify(effect)}`).join(',');
      return `    { "event": ${JSON.stringify(event)},\n      "effects": [${came}] }`;
    });
    return `  { ${JSON.stringify(head).slice(1, -1)},\n    "steps": [\n${lines.join(',\n')}\n  ] }`;
  });
  return `[\n${vectors.join(',\n')}\n]\n`;
}
