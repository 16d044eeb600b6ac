/** Bags of options, where "not given" is the absence of a key and not `undefined`. */

/** `T` without the values `undefined`: a key that may have had one is optional. */
export type Defined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The keys of `bag` whose values are not undefined, as a new object. */
export function defined<T extends object>(bag: T): Defined<T>;
export function defined(bag: object): object {
  return Object.fromEntries(Object.entries(bag).filter(([, value]) => value !== undefined));
}
