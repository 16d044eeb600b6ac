/** The example rules of docs/alerts.yml against what a server really shows. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ServerMetrics } from '@sluice/server/metrics';
import { showUplink } from '@sluice/server/uplink-metrics';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const DOCUMENTS = path.join(import.meta.dirname, '../../docs');
const Rules = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Sluice\w+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
          annotations: z.strictObject({ summary: z.string(), runbook: z.string().min(40) }),
        }),
      ),
    }),
  ),
});

function notScraped(): never {
  throw new Error('nothing is scraped here');
}

function shownMetrics(): Set<string> {
  const metrics = new ServerMetrics({
    serverId: 's1',
    journal: {
      get statistics(): never {
        return notScraped();
      },
    },
    processMetrics: false,
  });
  metrics.showHealth({ view: notScraped, disk: undefined });
  showUplink(metrics.registry, {
    health: { view: notScraped },
    ingest: {
      view: notScraped,
      get agentEventTotals(): never {
        return notScraped();
      },
    },
  });
  return new Set(metrics.registry.getMetricsAsArray().map(({ name }) => name));
}

const namesIn = (text: string): string[] => [...text.matchAll(/\bsluice_\w+/g)].map((match) => match[0]);

describe('docs/alerts.yml', () => {
  const text = readFileSync(path.join(DOCUMENTS, 'alerts.yml'), 'utf8');
  const { groups } = Rules.parse(parse(text));

  test('every rule asks for metrics that a server shows, and says what to do', () => {
    const shown = shownMetrics();
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(5);
    for (const { alert, expr } of rules) {
      if (alert !== 'SluiceServerDown') expect(namesIn(expr), alert).not.toEqual([]);
    }
    for (const name of namesIn(text)) expect(shown, name).toContain(name);
  });

  test('docs/monitoring.md names no metric that is not shown', () => {
    const shown = shownMetrics();
    const named = namesIn(readFileSync(path.join(DOCUMENTS, 'monitoring.md'), 'utf8'));
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(shown, name).toContain(name);
  });
});
