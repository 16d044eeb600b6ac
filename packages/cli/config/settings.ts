/**
 * The one table of settings: from it come the flags of `sluice store|server|agent`, the keys of their configuration
 * files, the environment variables and the help. A file and flags may be mixed; a flag wins over the environment, the
 * environment over the file, the file over the default.
 */

import { messageOf } from '@sluice/base/error';
import {
  MAX_BLOCK_RAW_BYTES,
  MAX_CHANNELS_PER_GRANT,
  MAX_ID_BYTES,
  MAX_PRIORITY,
} from '@sluice/protocol/model';
import { z } from 'zod';
import { parseBytes, parseBytesPerSecond, parseDurationMs, parseListen } from './units.ts';

/** One setting; its name in a file is its key in the table, its flag is derived from it (`queueBytes`, `--queue-bytes`). */
export interface Setting<T> {
  /** What stands behind the flag in the help; absent for a switch. */
  readonly placeholder?: string;
  readonly help: string;
  readonly schema: z.ZodType<T>;
  /** Repeating the flag adds to a list. */
  readonly list?: boolean;
  /** Never a flag: secrets do not belong into the process list. */
  readonly fileOrEnvironmentOnly?: boolean;
  readonly environment?: string;
}

/** All settings of one program. */
export type SettingsTable<T> = { readonly [Key in keyof T]-?: Setting<NonNullable<T[Key]>> };

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface StoreSettings {
  data?: string;
  listen?: Listen;
  memoryBytes?: number;
  storeUser?: string;
  storePassword?: string;
  tlsCert?: string;
  tlsKey?: string;
}

export interface ServerSettings {
  id?: string;
  data?: string;
  listen?: Listen;
  apiListen?: Listen;
  apiHostName?: string[];
  storeUrl?: string;
  storeData?: string;
  storeTlsCa?: string;
  storeUser?: string;
  storePassword?: string;
  storeListen?: Listen;
  priorities?: number[];
  quotaBytes?: number;
  grantLifetime?: number;
  onNotice?: 'ignore' | 'yield';
  yieldMemory?: number;
  region?: string;
  priorityOffset?: number;
  loadedOffset?: number;
  ingestLimit?: number;
  journalBytes?: number;
  tlsCert?: string;
  tlsKey?: string;
  tlsClientCa?: string;
  token?: string;
}

export interface AgentSettings {
  id?: string;
  data?: string;
  server?: string[];
  watch?: string[];
  exclude?: string[];
  fromStart?: boolean;
  hostName?: string;
  region?: string;
  urgency?: 'severity' | 'off';
  inDoubtTimeout?: number;
  queueBytes?: number;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  token?: string;
}

/** Text that a units parser accepts, as its value. */
function parsed<T>(parse: (text: string) => T): z.ZodType<T> {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    try {
      return parse(String(value));
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
      return z.NEVER;
    }
  });
}

const bytes = parsed(parseBytes);
const bytesPerSecond = parsed(parseBytesPerSecond);
const duration = parsed(parseDurationMs);
const listen: z.ZodType<Listen> = parsed(parseListen);
const identifier = z
  .string()
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= MAX_ID_BYTES, `is longer than ${MAX_ID_BYTES} bytes`);
const url = z.url({ protocol: /^https?$/, error: 'is not an http:// or https:// URL' });
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const textList = z.union([
  z.array(z.string().min(1)),
  z
    .string()
    .min(1)
    .transform((text) => [text]),
]);

const priorities = z
  .union([
    z.array(z.number()),
    z
      .string()
      .transform((text) => text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))),
  ])
  .pipe(
    z
      .array(z.number().int().min(1).max(MAX_PRIORITY))
      .min(1)
      .max(MAX_CHANNELS_PER_GRANT)
      .refine((list) => new Set(list).size === list.length, 'names a priority twice'),
  );

const priorityOffset = z.coerce.number().int().min(0).max(MAX_PRIORITY);

const data: Setting<string> = {
  placeholder: 'DIR',
  help: 'directory for durable state (created when missing)',
  schema: z.string().min(1),
  environment: 'SLUICE_DATA',
};
const token: Setting<string> = {
  help: 'bearer token that agents, console and API clients show to servers; needed when not on loopback',
  schema: z.string().min(16, 'is shorter than 16 characters'),
  fileOrEnvironmentOnly: true,
  environment: 'SLUICE_TOKEN',
};
/** A file in PEM, which tls.ts reads. */
const pemFile = z.string().min(1);
const storeUser: Setting<string> = {
  placeholder: 'NAME',
  help: 'user at the store',
  schema: z.string().min(1),
  environment: 'SLUICE_STORE_USER',
};
const storePassword: Setting<string> = {
  help: 'password at the store',
  schema: z.string(),
  fileOrEnvironmentOnly: true,
  environment: 'SLUICE_STORE_PASSWORD',
};
/** Less could not take a full block of each class on each of a few channels. */
const storageBytes = bytes.refine(
  (value) => value >= 16 * MAX_BLOCK_RAW_BYTES,
  `is less than 16 full blocks (${16 * MAX_BLOCK_RAW_BYTES} bytes)`,
);

/** Settings of `sluice store`. */
export const STORE_SETTINGS: SettingsTable<StoreSettings> = {
  data,
  listen: {
    placeholder: 'HOST:PORT',
    help: 'where to serve ClickHouse over HTTP (default: a Unix socket in DATA); beyond loopback with TLS and a password',
    schema: listen,
  },
  memoryBytes: {
    placeholder: 'SIZE',
    help: 'memory that the engine may use (default 1.5GiB)',
    schema: bytes,
  },
  storeUser,
  storePassword,
  tlsCert: {
    placeholder: 'FILE',
    help: "the store's certificate with its chain (PEM)",
    schema: pemFile,
  },
  tlsKey: { placeholder: 'FILE', help: 'private key of the certificate (PEM)', schema: pemFile },
};

/** Settings of `sluice server`. */
export const SERVER_SETTINGS: SettingsTable<ServerSettings> = {
  id: {
    placeholder: 'NAME',
    help: 'name of this server, unique among the servers (default: host name)',
    schema: identifier,
  },
  data,
  listen: {
    placeholder: 'HOST:PORT',
    help: 'where agents connect (default 127.0.0.1:4620)',
    schema: listen,
  },
  apiListen: {
    placeholder: 'HOST:PORT',
    help: 'where console, API and metrics are served (default 127.0.0.1:8080)',
    schema: listen,
  },
  apiHostName: {
    placeholder: 'NAME',
    help: 'further name that a proxy on this computer may ask them by, as its Host header; repeat for several',
    schema: textList,
    list: true,
  },
  storeUrl: {
    placeholder: 'URL',
    help: 'ClickHouse to use (default: an embedded one in DATA/store)',
    schema: url,
    environment: 'SLUICE_STORE_URL',
  },
  storeData: {
    placeholder: 'DIR',
    help: "data directory of a 'sluice store' on this computer to use, where it keeps its address and secret",
    schema: z.string().min(1),
    environment: 'SLUICE_STORE_DATA',
  },
  storeTlsCa: {
    placeholder: 'FILE',
    help: 'authorities that sign the certificate of the store at --store-url (PEM; default: those of the system)',
    schema: pemFile,
  },
  storeUser,
  storePassword,
  storeListen: {
    placeholder: 'HOST:PORT',
    help: 'where on loopback the embedded store listens (default: a Unix socket in DATA/store)',
    schema: listen,
  },
  priorities: {
    placeholder: 'N,N',
    help: 'priorities of the channels that this server grants, 1 is the highest (default 1,2)',
    schema: priorities,
  },
  quotaBytes: {
    placeholder: 'SIZE',
    help: 'most uncompressed bytes in one channel of one grant (default 16MiB)',
    schema: bytes.refine(
      (value) => value >= MAX_BLOCK_RAW_BYTES,
      `is less than a full block (${MAX_BLOCK_RAW_BYTES} bytes)`,
    ),
  },
  grantLifetime: { placeholder: 'TIME', help: 'how long a grant lives (default 20s)', schema: duration },
  onNotice: {
    placeholder: 'POLICY',
    help: 'what a priority violation notice does: yield (rank the next grants lower for a while) or ignore (only count it)',
    schema: z.enum(['yield', 'ignore']),
  },
  yieldMemory: {
    placeholder: 'TIME',
    help: 'how long a notice is remembered; then this server may lead again (default 60s)',
    schema: duration.refine((timeMs) => timeMs >= 100, 'is less than 100ms'),
  },
  region: {
    placeholder: 'NAME',
    help: 'where this server is; agents that name another region use it last (default: anywhere)',
    schema: identifier,
  },
  priorityOffset: {
    placeholder: 'N',
    help: 'added to all priorities: a standby takes what servers with a smaller one leave (default 0)',
    schema: priorityOffset,
  },
  loadedOffset: {
    placeholder: 'N',
    help: 'added to all priorities while the journal is mostly full, so that other servers go first (default 10)',
    schema: priorityOffset,
  },
  ingestLimit: {
    placeholder: 'SIZE/s',
    help: 'most uncompressed bytes per second that agents are granted, such as 20MB/s (default: no limit)',
    schema: bytesPerSecond.refine((value) => value >= 1, 'is less than 1 byte per second'),
  },
  journalBytes: {
    placeholder: 'SIZE',
    help: 'uncompressed bytes that the journal may hold; grants never exceed it (default 512MiB)',
    schema: storageBytes,
  },
  tlsCert: {
    placeholder: 'FILE',
    help: "this server's certificate with its chain (PEM), for agents, console and API; needed when not on loopback",
    schema: pemFile,
  },
  tlsKey: { placeholder: 'FILE', help: 'private key of the certificate (PEM)', schema: pemFile },
  tlsClientCa: {
    placeholder: 'FILE',
    help: 'take only agents whose certificate one of these authorities signed (PEM)',
    schema: pemFile,
  },
  token,
};

/** Settings of `sluice agent`. */
export const AGENT_SETTINGS: SettingsTable<AgentSettings> = {
  id: {
    placeholder: 'NAME',
    help: 'name of this agent (default: host name and a random part, kept in DATA)',
    schema: identifier,
  },
  data,
  server: {
    placeholder: 'URL',
    help: 'a server to send to; repeat for several (default http://127.0.0.1:4620)',
    schema: z.union([z.array(url).min(1), url.transform((text) => [text])]),
    list: true,
  },
  watch: {
    placeholder: 'GLOB',
    help: "files to follow; repeat for several (default: this machine's own logs)",
    schema: textList,
    list: true,
  },
  exclude: {
    placeholder: 'GLOB',
    help: 'files not to follow; repeat for several',
    schema: textList,
    list: true,
  },
  fromStart: {
    help: 'read files that are there at the first start from their beginning, not from their end',
    schema: flag,
  },
  hostName: {
    placeholder: 'NAME',
    help: "this computer's name in the records (default: its host name)",
    schema: z.string().min(1).max(255),
  },
  region: {
    placeholder: 'NAME',
    help: 'where this agent is; servers that name another region are used last (default: anywhere)',
    schema: identifier,
  },
  urgency: {
    placeholder: 'RULE',
    help: 'what goes first: severity (errors before warnings before the rest), or off (all alike, in the order of reading)',
    schema: z.enum(['severity', 'off']),
  },
  inDoubtTimeout: {
    placeholder: 'TIME',
    help: 'how long a block waits for a silent server that may have it before it goes to another one (default 30s)',
    schema: duration.refine((timeMs) => timeMs >= 100, 'is less than 100ms'),
    environment: 'SLUICE_IN_DOUBT_TIMEOUT',
  },
  queueBytes: {
    placeholder: 'SIZE',
    help: 'disk space for what no server has taken yet (default 1GiB)',
    schema: storageBytes,
  },
  tlsCa: {
    placeholder: 'FILE',
    help: "authorities that sign the servers' certificates (PEM; default: those of the system)",
    schema: pemFile,
    environment: 'SLUICE_TLS_CA',
  },
  tlsCert: {
    placeholder: 'FILE',
    help: "this agent's certificate with its chain (PEM), when servers ask for one",
    schema: pemFile,
  },
  tlsKey: { placeholder: 'FILE', help: 'private key of the certificate (PEM)', schema: pemFile },
  token,
};

/** `queueBytes` -> `--queue-bytes`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
