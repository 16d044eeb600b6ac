/** The record that the address names, when it is not among the results that are loaded: a link to it still works. */
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { useQuery } from '@tanstack/react-query';
import { api } from '../api/client.ts';
import { quote } from '../query/filter.ts';

export interface NamedRecord {
  readonly record: LogRecord | undefined;
  /** Asked for and not found. */
  readonly missing: boolean;
}

/** Looks for the record `id` unless that is empty. */
export function useRecord(id: string): NamedRecord {
  const { data, isPending, isError } = useQuery({
    queryKey: ['record', id],
    queryFn: async ({ signal }) =>
      (await api.search({ query: `id:${quote(id)}`, limit: 1 }, { signal })).records[0] ?? null,
    enabled: id !== '',
    structuralSharing: false,
  });
  return { record: data ?? undefined, missing: id !== '' && !isPending && (isError || data === null) };
}
