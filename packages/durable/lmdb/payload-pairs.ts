/** Headers and payloads belong together: each header says how long its payload is, each payload has a header. */

export class PayloadPairs<K> {
  readonly #headers = new Map<K, number>();
  readonly #payloads = new Map<K, number>();

  /** A header names a payload of this size. */
  header(key: K, payloadBytes: number): void {
    this.#headers.set(key, payloadBytes);
  }

  /** There is a payload of this size. */
  payload(key: K, payloadBytes: number): void {
    this.#payloads.set(key, payloadBytes);
  }

  /** What the header says, when there is a payload of that length; otherwise undefined. */
  matched(key: K): number | undefined {
    const bytes = this.#headers.get(key);
    return bytes === this.#payloads.get(key) ? bytes : undefined;
  }

  /** Headers and payloads without each other. */
  get lonelyCount(): number {
    let count = 0;
    for (const key of this.#headers.keys()) if (this.matched(key) === undefined) count += 1;
    for (const key of this.#payloads.keys()) if (this.matched(key) === undefined) count += 1;
    return count;
  }
}
