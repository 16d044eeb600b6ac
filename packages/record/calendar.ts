/**
 * From what a log line says of its time to seconds since 1970: calendar, time zone, and the year when it is missing.
 *
 * Invariants: no date object per line; a zone's offset is looked up once per quarter of an hour of log time.
 */

const SECONDS_PER_DAY = 86_400;
/** Zones change their offset at most at quarters of an hour. */
const OFFSET_SLOT_SECONDS = 900;
/** Slots that are remembered per zone: 85 days of log time; more is forgotten at once. */
const MAX_OFFSET_SLOTS = 8192;
/** A line may be this much ahead of the clock (zones, skew) before its year is taken for the last one. */
const MAX_AHEAD_SECONDS: number = SECONDS_PER_DAY;
/** Leap years are at most this far apart. */
const MAX_LEAP_GAP_YEARS = 8;

const DAYS_IN_MONTH = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Whether there is such a day. Months count from 1. */
function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  return day <= (DAYS_IN_MONTH[month] ?? 0) || (month === 2 && day === 29 && isLeapYear(year));
}

/** Days since 1970 of a date of the Gregorian calendar. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** A time zone whose offsets are remembered. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat | undefined;
  readonly #offsets = new Map<number, number>();
  #lastSlot = Number.NaN;
  #lastOffset = 0;

  /**
   * @param name an IANA name; undefined for the zone of this computer.
   * @throws RangeError when there is no such zone.
   */
  constructor(name?: string) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    const isUtc = ['UTC', 'Etc/UTC', 'GMT', 'Etc/GMT'].includes(format.resolvedOptions().timeZone);
    this.#format = isUtc ? undefined : format;
  }

  /** Seconds since 1970 of a wall clock's reading, given as if it were UTC. In the hour that occurs twice: the first. */
  toUtc(localSeconds: number): number {
    if (this.#format === undefined) return localSeconds;
    const slot = Math.floor(localSeconds / OFFSET_SLOT_SECONDS);
    if (slot !== this.#lastSlot) {
      let offset = this.#offsets.get(slot);
      if (offset === undefined) {
        offset = this.#lookUp(this.#format, slot * OFFSET_SLOT_SECONDS);
        if (this.#offsets.size >= MAX_OFFSET_SLOTS) this.#offsets.clear();
        this.#offsets.set(slot, offset);
      }
      this.#lastSlot = slot;
      this.#lastOffset = offset;
    }
    return localSeconds - this.#lastOffset;
  }

  #lookUp(format: Intl.DateTimeFormat, localSeconds: number): number {
    // The larger of the two offsets around a change gives the earlier instant; it counts when it is consistent.
    const around = [-SECONDS_PER_DAY, SECONDS_PER_DAY].map((shift) => offsetAt(format, localSeconds + shift));
    const [before = 0, after = 0] = around;
    for (const offset of before > after ? [before, after] : [after, before]) {
      if (offsetAt(format, localSeconds - offset) === offset) return offset;
    }
    return before;
  }
}

/** Offset of the zone from UTC in seconds at an instant. */
function offsetAt(format: Intl.DateTimeFormat, utcSeconds: number): number {
  const parts = new Map(
    format.formatToParts(utcSeconds * 1000).map((part) => [part.type, Number(part.value)]),
  );
  const local =
    daysSinceEpoch(parts.get('year') ?? 1970, parts.get('month') ?? 1, parts.get('day') ?? 1) *
      SECONDS_PER_DAY +
    (parts.get('hour') ?? 0) * 3600 +
    (parts.get('minute') ?? 0) * 60 +
    (parts.get('second') ?? 0);
  return local - utcSeconds;
}

/** Turns readings of a wall clock into seconds since 1970. */
export class Calendar {
  readonly #zone: TimeZone;
  #lastDate = -1;
  #lastDateSeconds = 0;
  #observedDay = Number.NaN;
  #latestYear = 1970;

  constructor(zone: TimeZone) {
    this.#zone = zone;
  }

  /**
   * @param offsetSeconds the zone's offset that the line states, or NaN for the zone of this calendar.
   * @returns seconds since 1970, or NaN when there is no such date.
   */
  seconds(year: number, month: number, day: number, secondOfDay: number, offsetSeconds: number): number {
    const date = year * 10_000 + month * 100 + day;
    if (date !== this.#lastDate) {
      if (!isDate(year, month, day)) return Number.NaN;
      this.#lastDate = date;
      this.#lastDateSeconds = daysSinceEpoch(year, month, day) * SECONDS_PER_DAY;
    }
    const local = this.#lastDateSeconds + secondOfDay;
    return Number.isNaN(offsetSeconds) ? this.#zone.toUtc(local) : local - offsetSeconds;
  }

  /** As `seconds`, in the latest year that is not more than a day after the time of observation. */
  secondsWithoutYear(month: number, day: number, secondOfDay: number, observedMs: number): number {
    const observedSeconds = Math.floor(observedMs / 1000);
    const observedDay = Math.floor(observedSeconds / SECONDS_PER_DAY);
    if (observedDay !== this.#observedDay) {
      this.#observedDay = observedDay;
      // Two days: the one that is allowed, and zones.
      this.#latestYear = new Date((observedDay + 2) * SECONDS_PER_DAY * 1000).getUTCFullYear();
    }
    const latestSeconds = observedSeconds + MAX_AHEAD_SECONDS;
    for (let year = this.#latestYear; year >= this.#latestYear - MAX_LEAP_GAP_YEARS - 1; year -= 1) {
      const seconds = this.seconds(year, month, day, secondOfDay, Number.NaN);
      if (seconds <= latestSeconds) return seconds;
    }
    return Number.NaN;
  }
}
