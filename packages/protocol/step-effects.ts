/** The effects of one step of a machine, in their order, gathered by all of its parts. */

export class StepEffects<Effect> {
  #effects: Effect[] = [];

  /** Begins a step: it has no effects yet. The list of the step before belongs to the caller that got it. */
  begin(): void {
    this.#effects = [];
  }

  push(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Those of the present step. */
  get all(): Effect[] {
    return this.#effects;
  }
}
