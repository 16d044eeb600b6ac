/** What a vector is: a machine's options, and its events with the effects that must come. */
export interface RecordedStep {
  /** With its time, `atMs`. */
  readonly event: object;
  /** In order. */
  readonly effects: readonly object[];
}

export interface Vector<Options> {
  readonly name: string;
  /** The rule that it shows. */
  readonly title: string;
  readonly options: Options;
  readonly steps: readonly RecordedStep[];
}
