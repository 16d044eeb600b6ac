/**
 * What a field name of the language means in the log table: the fixed names, and attributes for all others.
 * Invariant: names are looked up in lower case, attribute keys are taken as written.
 */
import { sqlString } from './sql-text.ts';

/** Somewhere in a record where a field's text stands. */
export interface TextSource {
  /** SQL expression of the text; empty when absent. */
  readonly read: string;
  /** SQL condition: the record has the field. */
  readonly present: string;
  /** True when stored in lower case, so that the case of a query does not matter. */
  readonly lowerCase: boolean;
}

export type FieldMeaning =
  | { readonly kind: 'severity' | 'urgency' | 'timestamp_origin' | 'record_id' | 'body' }
  /** Matches when any of the sources does. */
  | { readonly kind: 'text'; readonly sources: readonly TextSource[] };

const FIELDS: ReadonlyMap<string, FieldMeaning> = new Map<string, FieldMeaning>([
  ['severity', { kind: 'severity' }],
  ['level', { kind: 'severity' }],
  ['urgency', { kind: 'urgency' }],
  ['id', { kind: 'record_id' }],
  ['body', { kind: 'body' }],
  ['message', { kind: 'body' }],
  ['msg', { kind: 'body' }],
  ['service', column('ServiceName')],
  ['service.name', column('ServiceName')],
  ['host', column('HostName')],
  ['host.name', column('HostName')],
  ['trace', column('TraceId', true)],
  ['trace_id', column('TraceId', true)],
  ['span', column('SpanId', true)],
  ['span_id', column('SpanId', true)],
  ['agent', column('AgentId')],
  ['server', column('ServerId')],
  ['event', column('EventName')],
  ['scope.name', orAttribute('ScopeName', 'scope.name')],
  ['scope.version', orAttribute('ScopeVersion', 'scope.version')],
  ['priority', numberColumn('ChannelPriority')],
  // Those of whom nobody said it (timestamp-origin.ts) have 0 in the column.
  ['record.offset', numberColumn('RecordOffset', 'TimestampOrigin != 0')],
  ['timestamp.origin', { kind: 'timestamp_origin' }],
]);

/** Names that mean something other than an attribute, for completion. */
export const FIELD_NAMES: readonly string[] = [...FIELDS.keys()];

/** @param name as written in the query */
export function meaningOf(name: string): FieldMeaning {
  const fixed = FIELDS.get(name.toLowerCase());
  if (fixed !== undefined) return fixed;
  const [, scope, key] = /^(attributes|resource|scope)\.(.+)$/su.exec(name) ?? [];
  if (scope === 'attributes' && key !== undefined)
    return { kind: 'text', sources: [attribute('LogAttributes', key)] };
  if (scope === 'resource' && key !== undefined) {
    return { kind: 'text', sources: [attribute('ResourceAttributes', key)] };
  }
  const sources = attributesNamed(name);
  // A record may well have an attribute of its own that begins so.
  if (scope === 'scope' && key !== undefined) sources.unshift(attribute('ScopeAttributes', key));
  return { kind: 'text', sources };
}

function attributesNamed(name: string): TextSource[] {
  return [attribute('LogAttributes', name), attribute('ResourceAttributes', name)];
}

function attribute(map: 'LogAttributes' | 'ResourceAttributes' | 'ScopeAttributes', key: string): TextSource {
  const literal = sqlString(key);
  return { read: `${map}[${literal}]`, present: `mapContains(${map}, ${literal})`, lowerCase: false };
}

function column(read: string, lowerCase = false): FieldMeaning {
  return { kind: 'text', sources: [textColumn(read, lowerCase)] };
}

function textColumn(read: string, lowerCase: boolean): TextSource {
  return { read, present: `${read} != ''`, lowerCase };
}

/** A column that came when there were attributes of that name already. */
function orAttribute(read: string, name: string): FieldMeaning {
  return { kind: 'text', sources: [textColumn(read, false), ...attributesNamed(name)] };
}

/** @param present SQL condition: the column says something */
function numberColumn(name: string, present = 'true'): FieldMeaning {
  const read = present === 'true' ? `toString(${name})` : `if(${present}, toString(${name}), '')`;
  return { kind: 'text', sources: [{ read, present, lowerCase: false }] };
}
