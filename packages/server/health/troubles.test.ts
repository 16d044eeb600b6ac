import { expect, test } from 'vitest';
import { TROUBLE_CODES, TROUBLES } from './troubles.ts';

/** The table of all codes, as Markdown. */
function document(): string {
  const rows = TROUBLE_CODES.map((code) => {
    const { severity, meaning, summary, action } = TROUBLES[code];
    return `## ${code}\n\n${severity === 'error' ? 'Error' : 'Warning'}. ${meaning}\n\n- Says: ${summary}\n- Do: ${action}\n`;
  });
  return `# Problems

What \`sluice status\`, the console and \`sluice_health_problems\` tell, worst first. A code keeps its meaning for ever. How to
watch a server: [monitoring.md](monitoring.md).

${rows.join('\n')}`;
}

test('docs/problems.md is what the table of troubles says (update it with `vitest run -u`)', async () => {
  await expect(document()).toMatchFileSnapshot('../../../docs/problems.md');
});

test('a code is a word of lower case', () => {
  for (const code of TROUBLE_CODES) expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
});
