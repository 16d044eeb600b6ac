/**
 * Loaded before a program (`node --import`): replaces the piece of its source that SLUICE_WRONG_PEER names, and makes a
 * program of ours a wrong one. Nothing of the working tree is changed. The kit itself, which is started with the same
 * environment, stays as it is.
 */
import { registerHooks } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WRONG_PEERS } from './wrong-peers.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const wrong = WRONG_PEERS.find(({ name }) => name === process.env.SLUICE_WRONG_PEER);
const isOurs = process.argv[1]?.endsWith(path.join('packages', 'cli', 'main.ts')) === true;

if (wrong !== undefined && isOurs) {
  const file = path.join(ROOT, wrong.file);
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || fileURLToPath(url) !== file) return loaded;
      const source = String(loaded.source ?? '');
      if (!source.includes(wrong.find)) throw new Error(`${wrong.file} has no: ${wrong.find}`);
      return { ...loaded, source: source.replace(wrong.find, () => wrong.replace) };
    },
  });
}
