/** Log records for the fake server: the same for the same seed and present, with the oddities that real logs have. */
import { create } from '@bufbuild/protobuf';
import { type LogRecord, LogRecordSchema } from '@sluice/wire/gen/query_pb';
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';

interface Template {
  readonly severityNumber: number;
  readonly severityText: string;
  readonly urgency: UrgencyClass;
  readonly weight: number;
  readonly service: string;
  readonly body: (random: () => number) => string;
}

const INFO = { severityNumber: 9, severityText: 'INFO', urgency: UrgencyClass.NORMAL };
const DEBUG = { severityNumber: 5, severityText: 'DEBUG', urgency: UrgencyClass.BULK };
const WARN = { severityNumber: 13, severityText: 'WARN', urgency: UrgencyClass.ELEVATED };
const ERROR = { severityNumber: 17, severityText: 'ERROR', urgency: UrgencyClass.URGENT };
const FATAL = { severityNumber: 21, severityText: 'FATAL', urgency: UrgencyClass.URGENT };

const pick = <T>(random: () => number, choices: readonly [T, ...T[]]): T =>
  choices[Math.floor(random() * choices.length)] ?? choices[0];

const TEMPLATES: readonly Template[] = [
  {
    ...INFO,
    weight: 40,
    service: 'api',
    body: (random) =>
      `${pick(random, ['GET', 'POST', 'PUT'])} /v1/${pick(random, ['orders', 'users', 'carts'])}/${Math.floor(random() * 9000)} ${pick(random, [200, 200, 200, 201, 304])} ${Math.floor(random() * 90)} ms`,
  },
  {
    ...INFO,
    weight: 16,
    service: 'payments',
    body: (random) => `charge ${Math.floor(random() * 1e6)} settled in ${Math.floor(random() * 900)} ms`,
  },
  {
    ...DEBUG,
    weight: 24,
    service: 'scheduler',
    body: (random) => `tick ${Math.floor(random() * 1e5)}: ${Math.floor(random() * 40)} jobs due`,
  },
  {
    severityNumber: 1,
    severityText: 'TRACE',
    urgency: UrgencyClass.BULK,
    weight: 5,
    service: 'cache',
    body: () => 'probe slot 0x7f3a: hit',
  },
  {
    ...WARN,
    weight: 9,
    service: 'api',
    body: (random) => `slow query: ${1000 + Math.floor(random() * 4000)} ms on orders_by_user, retrying once`,
  },
  {
    ...ERROR,
    weight: 4,
    service: 'payments',
    body: (random) => `upstream timed out after 30000 ms (attempt ${1 + Math.floor(random() * 3)} of 3)`,
  },
  { ...ERROR, weight: 1, service: 'mailer', body: () => 'connection refused: smtp.internal:25' },
  {
    ...FATAL,
    weight: 0.4,
    service: 'scheduler',
    body: () => 'out of memory: kill process 4121 (worker) score 912',
  },
  {
    severityNumber: 0,
    severityText: '',
    urgency: UrgencyClass.NORMAL,
    weight: 4,
    service: 'kernel',
    body: () => 'eth0: link becomes ready',
  },
];

/** Body length of the one huge record: what a dumped request looks like. */
export const HUGE_BODY_CHARACTERS = 200_000;
/** Attributes of the one record that has very many. */
const MANY_ATTRIBUTES = 26_000;

const HOUR_MS = 3_600_000;

/** `count` records over the two hours before `nowMs`, newest first; more in the middle than at the ends. */
export function makeRecords(count: number, nowMs: number, seed: number): LogRecord[] {
  const random = randomFrom(seed);
  const totalWeight = TEMPLATES.reduce((sum, template) => sum + template.weight, 0);
  const times = Array.from({ length: count }, (_, index) => {
    const share = (index + random()) / count;
    return (share + 0.025 * Math.sin(share * 31)) * 2 * HOUR_MS;
  }).sort((a, b) => a - b);
  return times.map((ageMs, index) => {
    const template = chooseTemplate(random() * totalWeight);
    const timestampUnixNanos = BigInt(Math.floor(nowMs - 1500 - ageMs)) * 1_000_000n + BigInt(index % 1000);
    const host = pick(random, ['web-01', 'web-02', 'db-01']);
    return create(LogRecordSchema, {
      id: `${host}.1.${count - index}.0`,
      timestampUnixNanos,
      observedUnixNanos: timestampUnixNanos + 12_000_000n,
      severityNumber: template.severityNumber,
      severityText: template.severityText,
      serviceName: template.service,
      hostName: host,
      body: oddBody(index) ?? template.body(random),
      attributes: attributes(index, random),
      resource: { 'host.name': host, 'service.name': template.service, 'os.type': 'linux' },
      traceId: index % 3 === 0 ? '4bf92f3577b34da6a3ce929d0e0e4736' : '',
      spanId: index % 3 === 0 ? '00f067aa0ba902b7' : '',
      urgency: template.urgency,
      serverId: index % 4 === 0 ? 'S2' : 'S1',
      channelPriority: 1 + (index % 4),
    });
  });
}

/** The template whose share of the total weight `mark` falls into. */
function chooseTemplate(mark: number): Template {
  let left = mark;
  for (const template of TEMPLATES) {
    left -= template.weight;
    if (left < 0) return template;
  }
  throw new Error(`no template at weight ${mark}`);
}

function oddBody(index: number): string | undefined {
  switch (index) {
    case 3:
      return `request dump ${'{"key":"value","n":12345},'.repeat(HUGE_BODY_CHARACTERS / 26)}`;
    case 5:
      return '<img src=x onerror="document.title=\'owned\'"> <script>document.title="owned"</script>';
    case 7:
      return '\u001b[31mpanic\u001b[0m: goroutine 17 [running]:\nmain.main()\n\t/app/main.go:42 +0x1b\u202egnp.exe';
    case 9:
      return '用户登录失败：密码错误（第 3 次）';
    default:
      return undefined;
  }
}

function attributes(index: number, random: () => number): Record<string, string> {
  if (index === 11) {
    return Object.fromEntries(
      Array.from({ length: MANY_ATTRIBUTES }, (_, field) => [`field.${field}`, `value ${field}`]),
    );
  }
  return {
    'log.file.path': '/var/log/app/current.log',
    'http.response.status_code': pick(random, ['200', '201', '304', '500', '503']),
    'user.id': `user-${Math.floor(random() * 200)}`,
    'app.request.id': Math.floor(random() * 1e12).toString(36),
  };
}

/** Numbers in [0, 1) that depend on the seed only (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
