/** Each source passes the suite of the contract: files, which wait, and one that cannot. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FileSource } from './file/file-source.ts';
import { MemorySource } from './testing/memory-source.ts';
import { testSource } from './testing/source-contract.ts';

testSource('files', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-source-'));
  const file = path.join(directory, 'a.log');
  const options = { include: [file], fromStart: true, lookIntervalMs: 50, pollIntervalMs: 20 };
  return {
    create: (host) => new FileSource(options, host),
    write: (records) => appendFileSync(file, records.map((record) => `${record}\n`).join('')),
    cleanUp: () => rmSync(directory, { recursive: true }),
  };
});

testSource('one that cannot wait', () => {
  let source: MemorySource | undefined;
  return {
    create: (host) => {
      source = new MemorySource(host);
      return source;
    },
    write: (records) => {
      for (const record of records) source?.send(record);
    },
    cleanUp: () => undefined,
  };
});
