/**
 * Fails when packages/wire/gen is not what `npm run generate` makes of proto/ now.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..', '..');
const generated = path.join('packages', 'wire', 'gen');
const fresh = mkdtempSync(path.join(tmpdir(), 'sluice-generated-'));
try {
  execFileSync('buf', ['generate', '--output', fresh], { cwd: root, stdio: 'inherit' });
  const files = (base: string): string[] =>
    readdirSync(base, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(base, path.join(entry.parentPath, entry.name)))
      .sort();
  const expected = files(path.join(fresh, generated));
  const actual = files(path.join(root, generated));
  const stale = [...new Set([...expected, ...actual])].filter(
    (file) =>
      !expected.includes(file) ||
      !actual.includes(file) ||
      !readFileSync(path.join(fresh, generated, file)).equals(readFileSync(path.join(root, generated, file))),
  );
  if (expected.length === 0) throw new Error('buf generated nothing');
  if (stale.length > 0) {
    process.stderr.write(`Not current: ${stale.join(', ')}. Run 'npm run generate' and commit the result.\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true });
}
