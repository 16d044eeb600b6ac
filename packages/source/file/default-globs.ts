/**
 * What `up` and an agent without configuration follow: this machine's own text logs.
 *
 * Left out: compressed and numbered rotations (`*.gz`, `*.xz`, `*.bz2`, `*.zst`, `*.log.1`, `*-20250131`: their lines
 * were read under the first name), binary records (wtmp, btmp, lastlog, faillog, the systemd journal, sysstat).
 */
import { homedir, platform } from 'node:os';
import path from 'node:path';

/** Patterns of this machine's own logs. */
export function defaultWatchGlobs(): string[] {
  if (platform() === 'darwin') {
    return ['/var/log/**/*.log', '/var/log/*.out', path.join(homedir(), 'Library/Logs/**/*.log')];
  }
  return [
    '/var/log/**/*.log',
    '/var/log/{syslog,messages,secure,maillog,cron,debug,dmesg,boot,kern,daemon}',
    '/var/log/{auth,mail,user,lpr,news,cron}.{log,err,info,warn}',
  ];
}

/** Patterns that are always left out of {@link defaultWatchGlobs}. */
export function defaultExcludeGlobs(): string[] {
  return [
    '**/*.{gz,xz,bz2,zst,lz4,zip,Z}',
    '**/*.{[0-9],[0-9][0-9],old}',
    '**/*.log.[0-9]*',
    '**/*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]',
    '/var/log/{wtmp,btmp,lastlog,faillog,tallylog}*',
    '/var/log/journal/**',
    '/var/log/{sa,sysstat}/**',
    '/var/log/private/**',
  ];
}
