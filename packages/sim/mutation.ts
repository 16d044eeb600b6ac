/** A rule broken on purpose: a piece of source text and what it is replaced by. */
export interface Mutation {
  readonly name: string;
  readonly rule: string;
  /** Named from `packages`. What is not of the machines (load-machines.ts) is broken in the whole simulation. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
}
