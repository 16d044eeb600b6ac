/**
 * Judges whether the peer of a connection is dead. It is asked by pings, and an answer is not all that counts: on a slow link a
 * ping stands behind what was sent before it, and a peer that is sent 200 KB at 20 kB/s cannot answer within 10 s. (That rule
 * alone ended connections on which bytes moved, again and again.)
 *
 * Signs of life are bytes that come, and, until the ping has left, bytes that go. What goes after the ping is no sign: the
 * kernel of a peer that hangs takes bytes for a long time, and that of this computer takes them when the network is gone.
 *
 * Invariants: a peer is dead only when no sign came for the timeout; time in which this program did not run (a computer that
 * slept, a process that was stopped) is nobody's silence: a look that comes late counts no time, because what came meanwhile has
 * not been read yet.
 */

/** How far the bytes of a connection have come, counted from its start. */
export interface LinkBytes {
  readonly receivedBytes: number;
  /** Handed to the connection to be sent. */
  readonly handedBytes: number;
  /** Of these, on their way: as far as can be seen, those that the peer's computer has. */
  readonly goneBytes: number;
}

export class PeerLife {
  readonly #timeoutMs: number;
  readonly #lateMs: number;
  #lookedAtMs: number;
  #silentMs = 0;
  #receivedBytes = 0;
  #goneBytes = 0;
  /** Bytes that stand before the ping that is on its way. */
  #beforePingBytes: number | undefined;

  /**
   * @param timeoutMs without a sign, after which the peer is dead
   * @param lookEveryMs between two looks
   * @param nowMs of a clock that only counts on
   */
  constructor(timeoutMs: number, lookEveryMs: number, nowMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#lateMs = 2 * lookEveryMs;
    this.#lookedAtMs = nowMs;
  }

  /** Whether a ping is on its way: one at a time. */
  get isAsked(): boolean {
    return this.#beforePingBytes !== undefined;
  }

  /** For how long no sign came, as of the latest look. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** A ping was handed to the connection, behind so many bytes. */
  asked(handedBytes: number): void {
    this.#beforePingBytes = handedBytes;
  }

  /** The ping was answered. */
  answered(): void {
    this.#beforePingBytes = undefined;
    this.#silentMs = 0;
  }

  /** Whether a look would find a sign in what was received: then nothing else needs to be looked at. */
  hasReceived(receivedBytes: number): boolean {
    return receivedBytes !== this.#receivedBytes;
  }

  /** @returns whether the peer is dead */
  isDead(nowMs: number, { receivedBytes, goneBytes }: Omit<LinkBytes, 'handedBytes'>): boolean {
    const sinceMs = Math.max(0, nowMs - this.#lookedAtMs);
    const stepMs = sinceMs < this.#lateMs ? sinceMs : 0;
    this.#lookedAtMs = nowMs;
    const goes = this.#goneBytes < goneBytes && this.#goneBytes <= (this.#beforePingBytes ?? -1);
    const isSign = this.hasReceived(receivedBytes) || goes;
    this.#receivedBytes = receivedBytes;
    this.#goneBytes = goneBytes;
    this.#silentMs = isSign ? 0 : this.#silentMs + stepMs;
    return this.isAsked && this.#silentMs >= this.#timeoutMs;
  }
}
