/** What a problem is: found in facts, followed over time, told to people. */
import { type Severity, TROUBLES, type TroubleCode } from './troubles.ts';

export type SubjectKind = 'server' | 'store' | 'agent' | 'source';

/** What has the problem. */
export interface Subject {
  readonly kind: SubjectKind;
  /** Of a source: the agent's name, a space, and the source's. */
  readonly name: string;
}

/** A trouble that the facts of one moment show. */
export interface Finding {
  readonly code: TroubleCode;
  readonly subject: Subject;
  /** Since when, when the facts tell it; otherwise it is since it was found first. */
  readonly sinceMs?: number;
  /** Fills the sentences of the code: numbers, names, sizes and reasons, no words of a language but in reasons. */
  readonly values: Readonly<Record<string, string>>;
}

/** A trouble that lasts, in words. */
export interface Problem {
  readonly code: TroubleCode;
  readonly severity: Severity;
  readonly sinceMs: number;
  readonly subject: Subject;
  /** What is wrong, and what to do: a sentence each. */
  readonly summary: string;
  readonly action: string;
  readonly values: Readonly<Record<string, string>>;
}

/** The longest value in a sentence, in UTF-16 units: reasons come from elsewhere and may be anything. */
const MAX_VALUE_LENGTH = 300;

/** @returns the problem that a finding has become, in words */
export function describeProblem(finding: Finding, sinceMs: number): Problem {
  const { code, subject } = finding;
  const { severity, summary, action } = TROUBLES[code];
  const values = Object.fromEntries(
    Object.entries({ subject: subject.name, ...finding.values }).map(([name, value]) => [name, short(value)]),
  );
  return {
    ...{ code, severity, sinceMs, values },
    subject: { kind: subject.kind, name: short(subject.name) },
    summary: fillSentence(summary, values),
    action: fillSentence(action, values),
  };
}

/**
 * @param text with `{name}`, or `{name:block}` for a count of something: `1 block`, `7 blocks`
 * @returns the text filled with the values; a name without a value stays as it is
 */
function fillSentence(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)(?::(\w+))?\}/g, (placeholder, name: string, noun: string | undefined) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return placeholder;
    return noun === undefined ? value : `${value} ${noun}${value === '1' ? '' : 's'}`;
  });
}

function short(value: string): string {
  return value.length <= MAX_VALUE_LENGTH ? value : `${value.slice(0, MAX_VALUE_LENGTH - 1)}…`;
}
