/**
 * The class of urgency of a record: by its severity, unless a rule moves it (an audit log is urgent).
 */
import { URGENCY_CLASSES, type UrgencyClass, urgencyRank } from '@sluice/protocol/model';
import picomatch from 'picomatch';

/** Moves records of a service or of files into a class. The first rule that fits counts; both conditions must hold. */
export interface UrgencyRule {
  readonly urgency: UrgencyClass;
  /** Glob over the service's name. */
  readonly service?: string;
  /** Glob over the file's path. */
  readonly path?: string;
}

const FIRST_ELEVATED = 13;
const FIRST_URGENT = 17;
const FIRST_NORMAL = 9;

/** `urgent` from ERROR on, `elevated` from WARN, `bulk` for TRACE and DEBUG, else `normal` (also when unknown). */
function urgencyOfSeverity(severityNumber: number): UrgencyClass {
  if (severityNumber >= FIRST_URGENT) return 'urgent';
  if (severityNumber >= FIRST_ELEVATED) return 'elevated';
  return severityNumber >= FIRST_NORMAL || severityNumber === 0 ? 'normal' : 'bulk';
}

/** Rank of the class by severity number. */
export const RANK_OF_SEVERITY: Uint8Array = Uint8Array.from({ length: 256 }, (_, severity) =>
  urgencyRank(urgencyOfSeverity(severity)),
);

/** Names of services that are remembered per file. */
const MAX_REMEMBERED_SERVICES = 1024;

/** The rules as they apply to one file. */
export class FileUrgency {
  readonly #rules: readonly { readonly rank: number; readonly fits: (service: string) => boolean }[];
  readonly #rankByService = new Map<string, number>();

  constructor(rules: readonly UrgencyRule[], file: string) {
    this.#rules = rules
      .filter((rule) => rule.path === undefined || picomatch.isMatch(file, rule.path, { dot: true }))
      .map((rule) => ({
        rank: urgencyRank(rule.urgency),
        fits: rule.service === undefined ? () => true : picomatch(rule.service, { dot: true }),
      }));
  }

  /** Rank of the class (an index into URGENCY_CLASSES). */
  rank(service: string, severityNumber: number): number {
    if (this.#rules.length > 0) {
      const moved = this.#movedRank(service);
      if (moved < URGENCY_CLASSES.length) return moved;
    }
    return RANK_OF_SEVERITY[severityNumber] ?? 0;
  }

  #movedRank(service: string): number {
    let rank = this.#rankByService.get(service);
    if (rank === undefined) {
      rank = this.#rules.find((rule) => rule.fits(service))?.rank ?? URGENCY_CLASSES.length;
      if (this.#rankByService.size < MAX_REMEMBERED_SERVICES) this.#rankByService.set(service, rank);
    }
    return rank;
  }
}
