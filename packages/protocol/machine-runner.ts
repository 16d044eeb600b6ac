/**
 * Runs a state machine in its shell: stamps what happens with the time, steps the machine, and has the effects executed.
 * Agent, server and simulator run their machines with this one.
 *
 * Invariants of this module:
 * - one event at a time: all effects of a step are executed, in their order, before the next step;
 * - an event that comes out of an effect (the execution dispatches it) waits behind those that were dispatched before, and
 *   is stamped when its turn comes, so the machine never sees time go back because of it;
 * - after `stop`, also in the middle of a step, nothing is stepped or executed any more;
 * - a step or an effect that throws stops the runner: its machine and its shell no longer agree.
 */
import type { TimeMs } from './model.ts';

/** An event with the time at which it is handed to the machine. */
export type Timed<Event> = Event & { readonly atMs: TimeMs };

/** The event as of this time. */
export function stamp<Event extends object>(event: Event, atMs: TimeMs): Timed<Event> {
  return { ...event, atMs };
}

/** A machine as its runner sees it. */
export interface SteppedMachine<Event, Effect> {
  step(event: Timed<Event>): readonly Effect[];
}

/** What a runner needs of its shell. */
export interface MachineShell<Event, Effect> {
  /** The time of the machine; it does not go back. */
  now(): TimeMs;
  /** Does what the machine asks for. It may dispatch events, and stop the runner. */
  execute(effect: Effect): void;
  /** Called after each step, before its effects are executed: for checkers and figures. */
  stepped?(event: Timed<Event>, effects: readonly Effect[]): void;
}

export class MachineRunner<Event extends object, Effect> {
  readonly #machine: SteppedMachine<Event, Effect>;
  readonly #shell: MachineShell<Event, Effect>;
  /** Those dispatched while a step is under way: as many as its effects dispatch. */
  #events: Event[] = [];
  #isRunning = false;
  #isStopped = false;

  constructor(machine: SteppedMachine<Event, Effect>, shell: MachineShell<Event, Effect>) {
    this.#machine = machine;
    this.#shell = shell;
  }

  /**
   * Hands the event to the machine and executes what it asks for, until no event is left. Within an effect's execution it
   * returns at once: the call that is under way takes the event. After `stop` it does nothing.
   *
   * @throws whatever the machine, or the execution of an effect, throws; the runner is stopped then.
   */
  dispatch(event: Event): void {
    if (this.#isStopped) return;
    this.#events.push(event);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let index = 0; index < this.#events.length; index += 1) {
        const next = this.#events[index];
        if (next !== undefined) this.#step(next);
        if (this.#isStopped) return;
      }
    } catch (error) {
      this.#isStopped = true;
      throw error;
    } finally {
      this.#events = [];
      this.#isRunning = false;
    }
  }

  /** Nothing more is stepped or executed, not even the rest of the effects of a step that is under way. */
  stop(): void {
    this.#isStopped = true;
  }

  #step(event: Event): void {
    const timed = stamp(event, this.#shell.now());
    const effects = this.#machine.step(timed);
    this.#shell.stepped?.(timed, effects);
    for (const effect of effects) {
      this.#shell.execute(effect);
      if (this.#isStopped) return;
    }
  }
}
