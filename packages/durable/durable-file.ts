/**
 * Small files that are whole or not there, whatever ends the program or the computer while they are written.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { codeOf } from '@sluice/host/file-problem';
import { openPrivateFile } from '@sluice/host/private-directory';

/** Replaces the file's content; on disk when it returns. Only this user may read it. Throws what the file system says. */
export function writeDurableFile(file: string, content: string): void {
  const next = `${file}.new`;
  const descriptor = openPrivateFile(next);
  try {
    // Not writeSync: on a disk that is nearly full it may write a part and call that a success.
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(next, file);
  syncDirectory(path.dirname(file));
}

/** The file's content, or undefined when it is not there. Throws what the file system says otherwise. */
export function readDurableFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes new names in the directory durable. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
