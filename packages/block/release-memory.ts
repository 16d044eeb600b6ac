/**
 * Gives the memory of a large buffer back at once. The collector would find it only in a full collection, which the
 * runtime starts again and again when megabytes outside of its heap pass through: that costs more CPU than the work on
 * the bytes, and holds tens of megabytes meanwhile.
 *
 * Invariant: who calls this owns the bytes alone; they are empty afterwards, for every view of them.
 */

/** Below this little is gained; and small buffers (up to half of the runtime's pool of 64 KiB) share their memory with others. */
const MIN_RELEASED_BYTES: number = 64 * 1024;

/** Frees the memory behind `bytes`, all of it. Nobody may use it any more; small buffers are left to the collector. */
export function releaseMemory(bytes: Uint8Array): void {
  const memory = bytes.buffer;
  if (!(memory instanceof ArrayBuffer) || bytes.byteLength < MIN_RELEASED_BYTES) return;
  memory.transfer(0);
}
