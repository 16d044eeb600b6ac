import picomatch from 'picomatch';
import { describe, expect, it } from 'vitest';
import { defaultExcludeGlobs, defaultWatchGlobs } from './default-globs.ts';

describe('default patterns', () => {
  const included = picomatch(defaultWatchGlobs(), { dot: true });
  const excluded = picomatch(defaultExcludeGlobs(), { dot: true });
  const follows = (file: string): boolean => included(file) && !excluded(file);

  it.runIf(process.platform === 'linux')('follow the text logs of a Linux machine', () => {
    for (const name of [
      'syslog',
      'messages',
      'secure',
      'auth.log',
      'kern.log',
      'mail.err',
      'dpkg.log',
      'nginx/access.log',
    ]) {
      expect(follows(`/var/log/${name}`), name).toBe(true);
    }
    expect(follows('/var/log/postgresql/postgresql-2026-05-20.log')).toBe(true);
  });

  it('leave out binary files and rotated ones', () => {
    for (const name of [
      'wtmp',
      'btmp',
      'lastlog',
      'journal/0a/system.journal',
      'journal/x.log',
      'sysstat/sa.log',
    ]) {
      expect(follows(`/var/log/${name}`), name).toBe(false);
    }
    for (const name of [
      'syslog.1',
      'auth.log.2.gz',
      'dpkg.log.1',
      'x.log.xz',
      'messages-20260101',
      'Xorg.0.log.old',
    ]) {
      expect(follows(`/var/log/${name}`), name).toBe(false);
    }
  });
});
