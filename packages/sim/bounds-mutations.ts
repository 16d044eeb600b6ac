/** Collections of both machines that are made to grow without end; see mutation-list.ts. */
import type { Mutation } from './mutation.ts';

export const BOUNDS_MUTATIONS: readonly Mutation[] = [
  {
    name: 'the list of releases is cut only when nothing is in doubt',
    rule: 'U19',
    file: 'protocol/backlog.ts',
    from: "import { RemovalHeap } from '@sluice/base/collections/removal-heap';",
    to: `class RemovalHeap {
  #heap = new (class {
    items = [];
  })();
  #past = 0;
  get first() {
    for (; this.#heap.items[this.#past] !== undefined; this.#past += 1)
      if (this.#heap.items[this.#past].isRemoved === false) return this.#heap.items[this.#past].item;
    this.#heap.items.length = 0;
    this.#past = 0;
    return undefined;
  }
  add(item) {
    const handle = { item, isRemoved: false };
    let index = this.#heap.items.length;
    while (index > this.#past && this.#heap.items[index - 1].item.atMs > item.atMs) index -= 1;
    this.#heap.items.splice(index, 0, handle);
    return handle;
  }
  remove(handle) {
    handle.isRemoved = true;
  }
}`,
  },
  {
    name: 'what was taken out of a queue stays in it',
    rule: 'U19',
    file: 'base/collections/fifo.ts',
    from: 'if (!needsSweep(this.#handles.length, this.#size)) return;',
    to: 'if (this.#size >= 0) return;',
  },
  {
    name: 'a server that no block waits for is remembered as one',
    rule: 'U19',
    file: 'protocol/backlog.ts',
    from: 'this.#bound.delete(boundTo);',
    to: 'void boundTo;',
  },
  {
    name: 'a channel whose blocks are answered stays among those that end',
    rule: 'U19',
    file: 'protocol/channel-book.ts',
    from: 'const isOpen = this.#ending.delete(channel) ||',
    to: 'const isOpen = this.#ending.has(channel) ||',
  },
  {
    name: 'a grant that is over stays with its agent',
    rule: 'U19',
    file: 'protocol/channel-book.ts',
    from: 'server.grants.delete(grant.grantId);',
    to: 'void server;',
  },
  {
    name: 'every use is remembered for people',
    rule: 'U19',
    file: 'protocol/agent-history.ts',
    from: 'if (list.length > most) list.shift();',
    to: 'void most;',
  },
  {
    name: 'every notice is remembered for people',
    rule: 'U19',
    file: 'protocol/server-machine.ts',
    from: 'if (this.#recentNotices.length > MAX_RECENT_NOTICES) this.#recentNotices.shift();',
    to: '',
  },
  {
    name: 'a yield that is over stays remembered',
    rule: 'U19',
    file: 'protocol/yielding.ts',
    from: 'if (untilMs > nowMs) return;',
    to: 'if (untilMs > 0) return;',
  },
  {
    name: 'grants of a lost connection stay in the queue of ends',
    rule: 'U19',
    file: 'protocol/grant-book.ts',
    from: 'for (const grant of agent.grants.values()) this.#end(agent, grant);',
    to: 'for (const grant of agent.grants.values()) {\n      const { end } = grant;\n      grant.end = undefined;\n      this.#end(agent, grant);\n      grant.end = end;\n    }',
  },
  {
    name: 'a grant that is used up may be asked back',
    rule: 'U19',
    file: 'protocol/recall.ts',
    from: 'if (leftBytes(grant) === 0) this.#forget(grant);',
    to: '',
  },
  {
    name: 'an agent keeps every grant until it ends',
    rule: 'U19',
    file: 'protocol/grant-book.ts',
    from: 'if (agent.grants.size > MAX_GRANTS_PER_AGENT) this.#endOne(agent);',
    to: '',
  },
  {
    name: 'a block that could not be written stays among those that are',
    rule: 'U19',
    file: 'protocol/block-intake.ts',
    from: 'this.#writing.delete(blockKey(blockId));',
    to: 'if (failure === undefined) this.#writing.delete(blockKey(blockId));',
  },
  {
    name: 'every change of the room is remembered',
    rule: 'U19',
    file: 'protocol/admission.ts',
    from: '  roomChanged(roomBytes: number, nowMs: number): void {',
    to: '  #rooms: number[] = [];\n  roomChanged(roomBytes: number, nowMs: number): void {\n    this.#rooms.push(roomBytes);',
  },
  {
    name: 'a function hides what it remembers',
    rule: 'U19',
    file: 'protocol/admission.ts',
    from: '  roomChanged(roomBytes: number, nowMs: number): void {',
    to: '  #remember = ((rooms: number[]) => (room: number) => rooms.push(room))([]);\n  roomChanged(roomBytes: number, nowMs: number): void {\n    this.#remember(roomBytes);',
  },
];
