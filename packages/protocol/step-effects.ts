/** The effects of one step of a machine, in their order, gathered by all of its parts. */

export class StepEffects<Effect> {
  #effects: Effect[] = [];

  /** Begins a step: there are none yet. Those of the step before stay with whoever got them. */
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
