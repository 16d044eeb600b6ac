/** Checks of an agent: a directory, a program and a world for each, and the size of a part. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AgentProgram, ForeignAgent, StartedAgent } from './agent-program.ts';
import { AgentWorld } from './agent-world.ts';
import { type Check, must } from './check.ts';
import type { CheckResult, OpenedWorld } from './run-checks.ts';
import { runChecks } from './run-checks.ts';

/** Lines of a failure's story. */
const STORY_LINES = 40;
/** A foreign agent comes back within this, however its pauses grow. */
const FOREIGN_RETURN_MS = 120_000;
const SETTLING_QUOTA_BYTES: number = 64 * 1024 * 1024;
export const FOREIGN_SERVERS = ['S1', 'S2', 'S3', 'S4', 'S5'] as const;

export interface AgentRun {
  readonly checks: readonly Check<AgentWorld>[];
  readonly jobs: number;
  done(result: CheckResult, story: string): void;
}

/** @param command started anew for each check, with placeholders as fillCommand says */
export async function runOnCommand(command: readonly string[], run: AgentRun): Promise<CheckResult[]> {
  const root = mkdtempSync(path.join(tmpdir(), 'sluice-conformance-'));
  const programIn = (name: string): AgentProgram =>
    new StartedAgent(command, mkdtempSync(path.join(root, `${name}-`)));
  try {
    const partBytes = await measurePart({ program: programIn('part'), partBytes: 0 });
    return await runChecks(run.checks, {
      ...run,
      open: async ({ name }) => open(new AgentWorld({ program: programIn(name), partBytes })),
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/**
 * @param ports of the servers that the agent knows
 * @param log the file that it follows
 */
export async function runOnForeign(
  ports: ReadonlyMap<string, number>,
  log: string,
  run: AgentRun,
): Promise<CheckResult[]> {
  const program = new ForeignAgent(log);
  await settle(program, ports);
  const partBytes = await measurePart({ program, ports, partBytes: 0 });
  return await runChecks(run.checks, {
    ...run,
    // One agent: one check at a time, and nothing left over from the one before.
    jobs: 1,
    open: async () => {
      await settle(program, ports);
      return open(new AgentWorld({ program, ports, partBytes }));
    },
  });
}

function open(world: AgentWorld): OpenedWorld<AgentWorld> {
  return {
    world,
    faults: () => world.judge.faults.map(({ rule, text }) => `${rule}: ${text}`),
    story: () => {
      const lines = world.timeline.latest
        .slice(-STORY_LINES)
        .map(({ atMs, text }) => `${(atMs / 1000).toFixed(3).padStart(8)} ${text}`);
      return [...lines, world.program.output()].join('\n');
    },
    end: () => world.end(),
  };
}

/** Raw bytes of a part as the agent seals it. */
async function measurePart(options: ConstructorParameters<typeof AgentWorld>[0]): Promise<number> {
  const world = new AgentWorld(options);
  try {
    const server = await world.beginOne();
    await world.grant(server, [{ priority: 1, quotaBytes: 4 * 1024 * 1024 }]);
    await world.part();
    const bytes = world.judge.blocks.reduce((sum, { block }) => sum + block.rawBytes, 0);
    must(bytes > 0, 'wire', 'a block with its raw size', `${bytes} bytes`);
    return bytes;
  } catch (error) {
    const said = world.program.output();
    throw new Error(`the agent sends nothing: ${String(error)}\n${said}`, { cause: error });
  } finally {
    await world.end();
  }
}

/** Takes all that the agent still has. */
async function settle(program: AgentProgram, ports: ReadonlyMap<string, number>): Promise<void> {
  const world = new AgentWorld({ program, ports, partBytes: 0 });
  try {
    for (const name of ports.keys()) {
      const server = await world.server(name);
      server.onRequest = () => void server.grant([{ priority: 1, quotaBytes: SETTLING_QUOTA_BYTES }]);
    }
    const [leader] = world.servers;
    const isEmpty = (): boolean => {
      const latest = leader?.requests.at(-1);
      return latest?.request.backlog.every(({ recordCount }) => recordCount === 0n) ?? false;
    };
    await world.timeline.until(isEmpty, FOREIGN_RETURN_MS);
  } finally {
    await world.end();
  }
}
