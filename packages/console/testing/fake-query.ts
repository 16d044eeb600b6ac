/**
 * The part of the search language that the fake server understands: words, `"phrases"`, `field:value`, `-` in front.
 * It exists to give the page something to filter, not to be right.
 */
import type { LogRecord } from '@sluice/wire/gen/query_pb';

export type FakeQuery =
  | { readonly kind: 'matcher'; readonly matches: (record: LogRecord) => boolean }
  | { readonly kind: 'error'; readonly message: string; readonly position: number };

export function readFakeQuery(query: string): FakeQuery {
  const quotes = query.match(/(?<!\\)"/g)?.length ?? 0;
  if (quotes % 2 === 1) {
    return { kind: 'error', message: 'this quote is never closed', position: query.lastIndexOf('"') };
  }
  const dangling = /:(?=\s|$)/.exec(query);
  if (dangling !== null) {
    return { kind: 'error', message: 'expected a value after the colon', position: dangling.index + 1 };
  }
  const terms = query.match(/-?(?:[\w.@/-]+:)?(?:"(?:\\.|[^"\\])*"|[^\s"]+)/g) ?? [];
  const tests = terms.filter((term) => term !== '*').map(readTerm);
  return { kind: 'matcher', matches: (record) => tests.every((test) => test(record)) };
}

function readTerm(term: string): (record: LogRecord) => boolean {
  const negative = term.startsWith('-');
  const positive = negative ? term.slice(1) : term;
  const parts = /^(?:([\w.@/-]+):)?(?:"((?:\\.|[^"\\])*)"|(.+))$/.exec(positive);
  const field = parts?.[1];
  const value = (parts?.[2]?.replace(/\\(.)/g, '$1') ?? parts?.[3] ?? '').toLowerCase();
  return (record) => {
    const found =
      field === undefined
        ? record.body.toLowerCase().includes(value)
        : fieldValue(record, field).toLowerCase() === value;
    return found !== negative;
  };
}

/** Fields are named by whoever asks. */
function own(map: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function fieldValue(record: LogRecord, field: string): string {
  switch (field) {
    case 'severity':
      return record.severityText;
    case 'service':
      return record.serviceName;
    case 'id':
      return record.id;
    case 'host':
      return record.hostName;
    default:
      return own(record.attributes, field) ?? own(record.resource, field.replace(/^resource\./, '')) ?? '';
  }
}
