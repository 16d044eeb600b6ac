/** Who a block is, mistaken on purpose: in the server's memory, in the store, in the agent; see mutation-list.ts. */
import type { Mutation } from './mutation.ts';

const KNOWN_BLOCKS = 'server/journal/known-blocks.ts';

export const IDENTITY_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a block is known by its position, whatever it holds',
    rule: 'U25',
    file: KNOWN_BLOCKS,
    from: "if (entry.compare(entries, at, at + KNOWN_ENTRY_BYTES) === 0) return 'known';",
    to: "return 'known';",
  },
  {
    name: 'what is settled counts as known',
    rule: 'U25',
    file: KNOWN_BLOCKS,
    from: "return isKept ? found : 'unsure';",
    to: "return isKept ? found : 'known';",
  },
  {
    name: 'what may be forgotten counts as new',
    rule: 'U25',
    file: KNOWN_BLOCKS,
    from: "return isKept ? found : 'unsure';",
    to: 'return found;',
  },
  {
    name: 'another content at a position drives out the first',
    rule: 'U25',
    file: KNOWN_BLOCKS,
    from: 'if (entries !== undefined) longer.set(entries);',
    to: '',
  },
  {
    name: 'a machine tells blocks apart by their positions',
    rule: 'U25',
    file: 'protocol/model.ts',
    from: `return \`\${positionKey(id)}/\${id.digest}\`;`,
    to: 'return positionKey(id);',
  },
  {
    name: 'a copy in the store is one of the same position',
    rule: 'U25',
    file: 'sim/store-model.ts',
    from: 'const servers = this.#stored.get(key) ?? [];\n        if (servers',
    to: `const positionOf = (block: string): string => block.slice(0, block.lastIndexOf('/'));
        const servers = [...this.#stored].flatMap(([other, copies]) => (positionOf(other) === positionOf(key) ? copies : []));
        if (servers`,
  },
  {
    name: 'a run goes on under the epoch of the one before',
    rule: 'U25',
    file: 'sim/computer.ts',
    from: 'else if (!this.#keepsEpoch) disk.epoch = numbers.epoch();',
    to: 'else if (disk.epoch === 0) disk.epoch = numbers.epoch();',
  },
  {
    name: 'a forgotten copy that is shown is hidden when the block comes again',
    rule: 'U25',
    file: 'sim/moved-blocks.ts',
    from: 'const unsure = blocks.filter(({ isUnsure }) => isUnsure);',
    to: 'const unsure: JournaledBlock[] = [];',
  },
];
