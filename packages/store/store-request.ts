/**
 * An HTTP request, read as ClickHouse reads it: which URL parameters are about the request, which are parameters of
 * the query, and which are settings; who asks; how the body is compressed.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type StoreClientPrincipal, storeClientPrincipal } from '@sluice/protocol/principal';
import { ASKER_HEADER, readAsker } from './asker.ts';
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';
import { notTaken } from './sql-scanner.ts';
import type { Access, StoreRules } from './statement.ts';
import { readTurnClaim, TURN_HEADER, type TurnClaim } from './turn-claim.ts';

export interface StoreRequest {
  /** Text from the URL; the body may follow it. */
  readonly urlQuery: string;
  readonly queryId: string | undefined;
  /** What the request claims for itself: only a POST that says so may write. */
  readonly access: Access;
  readonly defaultFormat: string;
  /** Who sent it. */
  readonly principal: StoreClientPrincipal;
  /** For whom it was sent, as its sender says. */
  readonly asker: string | undefined;
  /** Undefined: it says nothing of its turn. */
  readonly turn: TurnClaim | undefined;
  readonly settings: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  /** The answer waits for the end of the query, so that its status is final. */
  readonly waitsForEnd: boolean;
  /** The engine's name of the body's compression; `none` as it is. */
  readonly bodyCompression: string;
  /** The client takes a compressed answer and wants one. */
  readonly gzipAnswer: boolean;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** With the value `write` on a POST: the request may change the store. A page cannot send it to another origin unasked. */
export const ACCESS_HEADER = 'x-sluice-access';
/** With the value 1: the request may only read, whatever it says else. All reads run with it (engine.ts). */
const READONLY = 'readonly';
/** The only database; there is no other with tables of ours. */
const DATABASE = 'default';

/**
 * URL parameters that are about the request. Those without effect here are accepted and ignored, as clients send them.
 * User and password are not among them: a URL is shown and kept in too many places.
 */
const REQUEST_PARAMETERS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'wait_end_of_query',
  'buffer_size',
  'enable_http_compression',
  'http_zlib_compression_level',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_write_exception_in_output_format',
  'cancel_http_readonly_queries_on_client_close',
  'quota_key',
  'stacktrace',
  'compress',
  'decompress',
  'client_protocol_version',
]);

/** Of bodies; the engine has the same names. */
const BODY_COMPRESSIONS: ReadonlySet<string> = new Set(['gzip', 'zstd', 'br', 'deflate', 'xz', 'lz4', 'bz2']);

/** @throws EngineError for what cannot be served */
export function readRequest(
  request: IncomingMessage,
  url: URL,
  rules: StoreRules,
  principal: StoreClientPrincipal,
): StoreRequest {
  const { searchParams } = url;
  const settings = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const [name, value] of searchParams) {
    if (name.startsWith('param_')) parameters.set(name.slice('param_'.length), value);
    else if (REQUEST_PARAMETERS.has(name) || (name === READONLY && value === '1')) continue;
    else if (rules.takesSetting(name)) settings.set(name, value);
    else throw settingNotTaken(name);
  }
  for (const name of ['compress', 'decompress']) {
    if (isOn(searchParams.get(name)))
      throw new EngineError(
        EXCEPTION_CODES.notImplemented,
        `${name}=1 (ClickHouse's own block compression) is not served here: use Accept-Encoding and Content-Encoding. (NOT_IMPLEMENTED)`,
      );
  }
  const database = searchParams.get('database') ?? headerOf(request, 'x-clickhouse-database') ?? DATABASE;
  if (database !== DATABASE)
    throw new EngineError(
      EXCEPTION_CODES.accessDenied,
      `The store has the database ${DATABASE} only. (ACCESS_DENIED)`,
    );
  const defaultFormat =
    searchParams.get('default_format') ?? headerOf(request, 'x-clickhouse-format') ?? 'TabSeparated';
  if (!rules.takesOutputFormat(defaultFormat)) throw notTaken(`the format ${defaultFormat.slice(0, 64)}`);
  const accepted = String(request.headers['accept-encoding'] ?? '');
  return {
    urlQuery: searchParams.get('query') ?? '',
    queryId: searchParams.get('query_id') ?? undefined,
    access: accessOf(request, searchParams),
    defaultFormat,
    settings,
    parameters,
    principal,
    asker: readAsker(headerOf(request, ASKER_HEADER)),
    turn: readTurnClaim(headerOf(request, TURN_HEADER)),
    waitsForEnd: isOn(searchParams.get('wait_end_of_query')),
    bodyCompression: bodyCompressionOf(request),
    gzipAnswer: isOn(searchParams.get('enable_http_compression')) && /\bgzip\b/.test(accepted),
  };
}

/**
 * The door. Compares in constant time.
 *
 * @param expected undefined where reaching the door is enough
 * @throws EngineError 516 when user or password are not those of the store
 */
export function authenticate(
  request: IncomingMessage,
  expected: Credentials | undefined,
): StoreClientPrincipal {
  if (expected === undefined) return storeClientPrincipal('socket');
  const given = credentialsOf(request);
  const matches = [sameText(given.user, expected.user), sameText(given.password, expected.password)];
  if (matches.includes(false))
    throw new EngineError(
      EXCEPTION_CODES.authenticationFailed,
      `${given.user}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)`,
    );
  return storeClientPrincipal('password');
}

function accessOf({ method, headers }: IncomingMessage, parameters: URLSearchParams): Access {
  const isWrite = method === 'POST' && headers[ACCESS_HEADER] === 'write';
  return isWrite && !parameters.has(READONLY) ? 'write' : 'read';
}

function credentialsOf(request: IncomingMessage): Credentials {
  const user = headerOf(request, 'x-clickhouse-user');
  if (user !== undefined) return { user, password: headerOf(request, 'x-clickhouse-key') ?? '' };
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon >= 0) return { user: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return { user: 'default', password: '' };
}

function settingNotTaken(name: string): EngineError {
  return new EngineError(
    EXCEPTION_CODES.unknownSetting,
    `The store does not take '${name.slice(0, 64)}' in a URL: neither a parameter nor a setting that a request may set. (UNKNOWN_SETTING)`,
  );
}

/** Digests have one length, whatever was given. */
function sameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function bodyCompressionOf(request: IncomingMessage): string {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity' || encoding === '') return 'none';
  if (!BODY_COMPRESSIONS.has(encoding))
    throw new EngineError(
      EXCEPTION_CODES.notImplemented,
      `Unknown content encoding '${encoding}'. (NOT_IMPLEMENTED)`,
    );
  return encoding;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function isOn(value: string | null): boolean {
  return value === '1' || value === 'true';
}
