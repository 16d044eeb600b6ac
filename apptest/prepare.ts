/**
 * Before the tests: what they need beyond npm packages is Chromium. Installs it from Debian's packages when it may,
 * otherwise says what to install and fails.
 */
import { spawnSync } from 'node:child_process';
import { CHROMIUM_CANDIDATES, findChromium } from '../packages/console/testing/chromium.ts';

if (findChromium() === undefined) {
  const mayInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0;
  if (mayInstall) {
    process.stderr.write('Chromium is missing: installing the Debian package chromium ...\n');
    const options = { stdio: ['ignore', 'ignore', 'inherit'] as ('ignore' | 'inherit')[] };
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], {
      ...options,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  if (findChromium() === undefined) {
    process.stderr.write(
      `Chromium is needed for the browser tests (looked for ${CHROMIUM_CANDIDATES.join(', ')}): install the package 'chromium'.\n`,
    );
    process.exitCode = 1;
  }
}
