/**
 * Runs a bench in a network of its own, in which the kernel holds no more for a sender than on common links.
 *
 * On loopback the kernel lets a sender push some MB ahead (it takes packets of 64 KiB for those of a wire): a minute of the
 * slowest link here. Node has no option for it, but Linux has a setting for each network namespace, and anybody may make
 * one where user namespaces are allowed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';

/** Set inside. */
const MARK = 'SLUICE_BENCH_NETWORK';
const SETTINGS = '/proc/sys/net/ipv4';

/** Least, default and most bytes of a socket, the kernel's overhead included. */
interface Buffers {
  readonly tcp_wmem: string;
  readonly tcp_rmem: string;
}

/** With these a sender that does not pace itself has 300 to 450 KiB in two kernels and the relay. */
const OF_A_LINK: Buffers = { tcp_wmem: '4096 16384 262144', tcp_rmem: '4096 32768 65536' };
/** What Linux has for a machine of common size. */
const OF_LOOPBACK: Buffers = { tcp_wmem: '4096 16384 4194304', tcp_rmem: '4096 131072 6291456' };

/** Whether this process is in such a network. */
export function isInOwnNetwork(): boolean {
  return process.env[MARK] !== undefined;
}

/** Sets what sockets from now on have, in a network of its own; elsewhere nothing, for it would be the machine's. */
export function setKernelBuffers(isForLink: boolean): void {
  if (!isInOwnNetwork()) return;
  for (const [name, value] of Object.entries(isForLink ? OF_A_LINK : OF_LOOPBACK)) {
    writeFileSync(`${SETTINGS}/${name}`, value);
  }
}

/**
 * Runs this very command again, in a network of its own.
 * @returns false when the machine allows none, and nothing was run
 */
export async function runInOwnNetwork(): Promise<boolean> {
  const enter = (command: string): readonly string[] => [
    ...['--user', '--map-root-user', '--net', 'sh', '-c', `ip link set lo up && ${command}`, 'sh'],
  ];
  if (spawnSync('unshare', enter('true'), { stdio: 'ignore' }).status !== 0) return false;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', [...enter('exec "$@"'), ...command], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: 'own' },
  });
  // Ctrl-C reaches the child as well, and it ends what it started.
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, forward);
  const [code]: unknown[] = await once(child, 'exit');
  for (const signal of signals) process.off(signal, forward);
  process.exitCode = typeof code === 'number' ? code : 1;
  return true;
}
