/** What a check is, and how it says that a rule does not hold. */

/** Something that must hold, and what was seen instead. */
export class Unmet extends Error {
  override readonly name = 'Unmet';

  /** @param rule of SPEC.md, such as `U10` or `U2.4`; `wire` for what proto/PROTOCOL.md alone says */
  constructor(rule: string, expected: string, seen: string) {
    super(`${rule}: expected ${expected}; seen: ${seen}`);
  }
}

/** The check cannot be made here; not a failure. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** @throws Unmet when the condition does not hold */
export function must(condition: boolean, rule: string, expected: string, seen: string): asserts condition {
  if (!condition) throw new Unmet(rule, expected, seen);
}

export interface Check<World> {
  /** Stable: `--only` takes it, and reports name it. */
  readonly name: string;
  /** Rules of SPEC.md that it looks at. */
  readonly rules: readonly string[];
  /** What must hold, in one sentence. */
  readonly title: string;
  /** Longest time; default DEFAULT_CHECK_MS. */
  readonly withinMs?: number;
  /** It uses up what others need, or ends the program: after all others, and by itself. */
  readonly isAlone?: boolean;
  /** @returns what was seen. @throws Unmet, Skipped */
  run(world: World): Promise<string>;
}

/** A check that takes longer hangs: the longest wait of the protocol that one waits for is 30 s in doubt. */
export const DEFAULT_CHECK_MS = 60_000;
