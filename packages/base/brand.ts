/**
 * Tells values of one type apart by what they mean: a string that names a server is no string that names an agent.
 */

declare const brand: unique symbol;

/** A `T` that is a `Name`. Only its maker turns a plain value into one; it is a plain `T` when it runs. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };
