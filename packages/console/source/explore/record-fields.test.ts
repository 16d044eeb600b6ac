import { create } from '@bufbuild/protobuf';
import { LogRecordSchema } from '@sluice/wire/gen/query_pb';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { describe, expect, it } from 'vitest';
import { recordJson, sortedFields, urgencyName } from './record-fields.ts';

describe('record fields', () => {
  it('sorts by name, whatever the language of the browser', () => {
    expect(
      sortedFields({ b: '1', a: '2', Z: '3', 'a.b': '4' }, 'attributes').map((field) => field.name),
    ).toEqual(['Z', 'a', 'a.b', 'b']);
  });

  it('searches for an attribute under a name that means it', () => {
    const names = (scope: 'attributes' | 'resource'): (string | undefined)[] =>
      sortedFields({ 'http.method': 'GET', host: 'h', 'resource.x': 'y' }, scope).map(
        (field) => field.queryName,
      );
    expect(names('attributes')).toEqual(['attributes.host', 'http.method', 'attributes.resource.x']);
    expect(names('resource')).toEqual(['resource.host', 'resource.http.method', 'resource.resource.x']);
  });

  it('writes JSON without losing nanoseconds', () => {
    const record = create(LogRecordSchema, {
      id: 'a.1.2.3',
      timestampUnixNanos: 1_780_819_750_123_456_789n,
      severityNumber: 17,
      severityText: 'ERROR',
      body: 'he said "no"\n',
      attributes: { k: 'v' },
      urgency: UrgencyClass.URGENT,
    });
    expect(JSON.parse(recordJson(record))).toMatchObject({
      id: 'a.1.2.3',
      timestamp: '2026-06-07T08:09:10.123456789Z',
      body: 'he said "no"\n',
      attributes: { k: 'v' },
      urgency: 'urgent',
    });
  });

  it('names urgency classes', () => {
    expect(urgencyName(UrgencyClass.BULK)).toBe('bulk');
    expect(urgencyName(UrgencyClass.UNSPECIFIED)).toBe('unspecified');
  });
});
