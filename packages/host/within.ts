/** Waiting that ends. */

/**
 * Waits for a promise, for at most so long; leaves no timer behind.
 *
 * @returns whether the promise was resolved in time
 * @throws what the promise is rejected with, in time
 */
export async function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
