/**
 * One line on its way to a record: where its bytes are, and what was read of it so far. One object serves all lines.
 */
import { nanosOfMoment, RecordFields } from '@sluice/block/record';
import { TIMESTAMP_ORIGIN_NUMBERS } from '@sluice/protocol/timestamp-origin';
import { Interner } from './bytes.ts';
import type { Calendar } from './calendar.ts';
import { EARLIEST_EVENT_SECONDS, latestEventSeconds } from './event-time.ts';
import { TIME_REFUSED, UNPARSED } from './marks.ts';
import { findSeverity, SeverityPlace } from './severity.ts';
import { TimeReading } from './timestamp.ts';

export class LineContext {
  readonly fields: RecordFields = new RecordFields();
  readonly time: TimeReading = new TimeReading();
  readonly place: SeverityPlace = new SeverityPlace();
  readonly interner: Interner = new Interner();
  readonly calendar: Calendar;
  buffer: Buffer = this.fields.buffer;
  start = 0;
  end = 0;
  observedMs = 0;
  /** As the line says it; empty when it does not. */
  host = '';
  /** Why the line could not be read as what it seems to be; undefined when it could, or seems to be nothing. */
  unparsed: string | undefined;
  #observedSeconds = 0;
  #observedNanos = 0;
  #latestEventSeconds = latestEventSeconds(0);

  constructor(calendar: Calendar) {
    this.calendar = calendar;
  }

  /** Begins with a line: nothing is known but when it was read, and all of it is the body. */
  begin(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    if (observedMs !== this.observedMs) this.#observe(observedMs);
    this.host = '';
    this.unparsed = undefined;
    const fields = this.fields;
    fields.buffer = buffer;
    fields.bodyStart = start;
    fields.bodyEnd = end;
    fields.bodyText = undefined;
    fields.observedMs = observedMs;
    fields.offsetBytes = offsetBytes;
    fields.traceId = '';
    fields.spanId = '';
    fields.traceFlags = 0;
    fields.attributes.clear();
    fields.timestampSeconds = this.#observedSeconds;
    fields.timestampNanos = this.#observedNanos;
    fields.timestampOrigin = TIMESTAMP_ORIGIN_NUMBERS.clock;
    fields.severityNumber = 0;
    fields.severityText = '';
    fields.serviceName = '';
  }

  /** All lines of a piece are read at one moment: what follows from it is worked out once. */
  #observe(observedMs: number): void {
    this.observedMs = observedMs;
    this.#observedSeconds = Math.floor(observedMs / 1000);
    this.#observedNanos = nanosOfMoment(observedMs, this.#observedSeconds);
    this.#latestEventSeconds = latestEventSeconds(this.#observedSeconds);
  }

  /** Whether an event can have happened then; see event-time.ts. */
  isEventTime(seconds: number): boolean {
    return seconds >= EARLIEST_EVENT_SECONDS && seconds <= this.#latestEventSeconds;
  }

  /** Takes over the time that was read from `at` on; one that cannot be is kept as a mark, and the time of reading stays. */
  takeTime(at: number): void {
    if (!this.takeEventTime()) this.fields.attributes.addRange(TIME_REFUSED, at, this.time.end);
  }

  /** Takes over the time that was read, if an event can have happened then. */
  takeEventTime(): boolean {
    const { time, fields } = this;
    if (!this.isEventTime(time.seconds)) return false;
    fields.timestampSeconds = time.seconds;
    fields.timestampNanos = time.nanos;
    fields.timestampOrigin = time.assumed ? TIMESTAMP_ORIGIN_NUMBERS.assumed : TIMESTAMP_ORIGIN_NUMBERS.read;
    return true;
  }

  /** The line is not what it seems to be: all of it becomes the body, marked with the reason. */
  markUnparsed(reason: string): void {
    this.unparsed = reason;
    this.fields.bodyText = undefined;
    this.fields.attributes.addText(UNPARSED, reason);
  }

  /** Takes over a severity that is written at `[start, end)`. */
  takeSeverity(severity: number, start: number, end: number): void {
    this.fields.severityNumber = severity;
    this.fields.severityText = this.interner.text(this.buffer, start, end);
  }

  /** Looks for the severity from `at` on; see {@link findSeverity}. */
  takeSeverityFrom(at: number, maxGroups?: number): boolean {
    const place = this.place;
    if (!findSeverity(this.buffer, at, this.end, place, maxGroups)) return false;
    this.takeSeverity(place.severity, place.start, place.end);
    return true;
  }
}
