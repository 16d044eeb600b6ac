/**
 * Lines of each kind of log, written for the tests: as such programs write them, with invented hosts, addresses of the ranges
 * for documentation, and no real names. Beside each line stands what it states, whatever today's code makes of it.
 *
 * The agent's zone is UTC, and it reads the lines on 2026-06-20. A kind is added as a row here; `samples.test.ts` holds what is
 * recognised of it.
 */

/** A line; its event time in UTC (empty: it states none); its severity number (0: it states none). */
export type SampleLine = readonly [text: string, time: string, severity: number];

export interface SampleKind {
  readonly kind: string;
  readonly path: string;
  readonly lines: readonly SampleLine[];
}

export const SAMPLES: readonly SampleKind[] = [
  {
    kind: 'syslog (BSD)',
    path: '/var/log/syslog',
    lines: [
      ['Jun 19 06:25:01 web-3 CRON[20417]: (root) CMD (test -x /usr/sbin/anacron)', '2026-06-19T06:25:01', 0],
      ['Jun 19 06:25:02 web-3 systemd[1]: Starting Rotate log files...', '2026-06-19T06:25:02', 0],
      [
        'Jun  9 23:59:59 web-3 kernel: [12345.678901] eth0: link up, 1000 Mbps, full-duplex',
        '2026-06-09T23:59:59',
        0,
      ],
      [
        'Jun 19 06:31:40 web-3 named[812]: error (network unreachable) resolving example.com/A/IN',
        '2026-06-19T06:31:40',
        0,
      ],
      [
        'Dec 31 23:58:00 web-3 ntpd[77]: kernel reports TIME_ERROR: 0x41: Clock Unsynchronized',
        '2025-12-31T23:58:00',
        0,
      ],
    ],
  },
  {
    kind: 'syslog (RFC 5424)',
    path: '/var/log/network.log',
    lines: [
      [
        '<34>1 2026-06-19T22:14:15.003Z gw-1.example su - ID47 - su root failed on /dev/pts/8',
        '2026-06-19T22:14:15.003',
        18,
      ],
      [
        '<165>1 2026-06-19T22:14:15.000003-07:00 192.0.2.1 evntslog 8710 ID47 [ctx@32473 iut="3"] An application event',
        '2026-06-20T05:14:15.000003',
        10,
      ],
      [
        '<14>1 2026-06-19T22:14:16Z gw-1.example dhcpd 911 - - DHCPACK on 192.0.2.77',
        '2026-06-19T22:14:16',
        9,
      ],
      [
        '<11>1 2026-06-19T22:14:17Z gw-1.example ospfd 17 - - neighbor 198.51.100.4 down',
        '2026-06-19T22:14:17',
        17,
      ],
    ],
  },
  {
    kind: 'syslog (rsyslog, ISO)',
    path: '/var/log/messages',
    lines: [
      [
        '2026-06-19T06:25:02.123456+02:00 db-1 sshd[9912]: Accepted publickey for deploy from 192.0.2.8 port 51312 ssh2',
        '2026-06-19T04:25:02.123456',
        0,
      ],
      [
        '2026-06-19T06:25:03.000001+02:00 db-1 kernel: Out of memory: Killed process 4411 (java)',
        '2026-06-19T04:25:03.000001',
        0,
      ],
      [
        '2026-06-19T06:25:04.500000+02:00 db-1 postfix/smtpd[2211]: warning: unknown[198.51.100.9]: SASL LOGIN failed',
        '2026-06-19T04:25:04.5',
        0,
      ],
    ],
  },
  {
    kind: 'nginx access',
    path: '/var/log/nginx/access.log',
    lines: [
      [
        '192.0.2.10 - - [19/Jun/2026:08:01:11 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "kube-probe/1.30"',
        '2026-06-19T08:01:11',
        0,
      ],
      [
        '2001:db8::17 - anna [19/Jun/2026:10:01:12 +0200] "POST /api/orders HTTP/2.0" 502 157 "https://shop.example/" "Mozilla/5.0 (X11; Linux)"',
        '2026-06-19T08:01:12',
        0,
      ],
      [
        '192.0.2.10 - - [19/Jun/2026:08:01:13 +0000] "\\x16\\x03\\x01\\x00" 400 150 "-" "-"',
        '2026-06-19T08:01:13',
        0,
      ],
    ],
  },
  {
    kind: 'nginx error',
    path: '/var/log/nginx/error.log',
    lines: [
      [
        '2026/06/19 08:01:12 [error] 31#31: *881 connect() failed (111: Connection refused) while connecting to upstream',
        '2026-06-19T08:01:12',
        17,
      ],
      [
        '2026/06/19 08:01:13 [warn] 31#31: *882 an upstream response is buffered to a temporary file',
        '2026-06-19T08:01:13',
        13,
      ],
      ['2026/06/19 08:01:14 [notice] 1#1: signal process started', '2026-06-19T08:01:14', 10],
      ['2026/06/19 08:01:15 [crit] 31#31: *9 SSL_do_handshake() failed', '2026-06-19T08:01:15', 18],
      [
        '2026/06/19 08:01:16 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address in use)',
        '2026-06-19T08:01:16',
        21,
      ],
    ],
  },
  {
    kind: 'Apache error',
    path: '/var/log/apache2/error.log',
    lines: [
      [
        '[Fri Jun 19 08:03:55.902022 2026] [core:error] [pid 35708:tid 4328636416] [client 198.51.100.187:1234] AH00126: Invalid URI',
        '2026-06-19T08:03:55.902022',
        17,
      ],
      ['[Fri Jun 19 08:03:56 2026] [notice] caught SIGTERM, shutting down', '2026-06-19T08:03:56', 10],
      [
        '[Fri Jun 19 08:03:57.000001 2026] [ssl:warn] [pid 1] AH01909: server certificate does NOT include an ID',
        '2026-06-19T08:03:57.000001',
        13,
      ],
    ],
  },
  {
    kind: 'HAProxy',
    path: '/var/log/haproxy.log',
    lines: [
      [
        'Jun 19 08:05:00 lb-1 haproxy[144]: 192.0.2.33:33317 [19/Jun/2026:08:05:00.655] http-in app/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"',
        '2026-06-19T08:05:00',
        0,
      ],
      [
        'Jun 19 08:05:01 lb-1 haproxy[144]: Server app/srv2 is DOWN, reason: Layer4 timeout, check duration: 2001ms.',
        '2026-06-19T08:05:01',
        0,
      ],
    ],
  },
  {
    kind: 'PostgreSQL',
    path: '/var/log/postgresql/postgresql-16-main.log',
    lines: [
      [
        '2026-06-19 08:06:01.234 UTC [912] LOG:  database system is ready to accept connections',
        '2026-06-19T08:06:01.234',
        9,
      ],
      [
        '2026-06-19 08:06:02.001 UTC [1044] app@shop ERROR:  duplicate key value violates unique constraint "orders_pkey"',
        '2026-06-19T08:06:02.001',
        17,
      ],
      [
        '2026-06-19 08:06:02.001 UTC [1044] app@shop DETAIL:  Key (id)=(17) already exists.',
        '2026-06-19T08:06:02.001',
        0,
      ],
      [
        '2026-06-19 08:06:03.900 UTC [1050] FATAL:  password authentication failed for user "app"',
        '2026-06-19T08:06:03.9',
        21,
      ],
      [
        '2026-06-19 08:06:04.000 UTC [912] WARNING:  there is no transaction in progress',
        '2026-06-19T08:06:04',
        13,
      ],
    ],
  },
  {
    kind: 'MySQL',
    path: '/var/log/mysql/error.log',
    lines: [
      [
        '2026-06-19T08:07:00.123456Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections.',
        '2026-06-19T08:07:00.123456',
        9,
      ],
      [
        '2026-06-19T08:07:01.000001Z 17 [Warning] [MY-010055] [Server] IP address could not be resolved',
        '2026-06-19T08:07:01.000001',
        13,
      ],
      [
        '2026-06-19T08:07:02.000001Z 0 [ERROR] [MY-012592] [InnoDB] Operating system error number 13 in a file operation.',
        '2026-06-19T08:07:02.000001',
        17,
      ],
    ],
  },
  {
    kind: 'Redis',
    path: '/var/log/redis/redis-server.log',
    lines: [
      ['812:M 19 Jun 2026 08:08:00.001 * Ready to accept connections tcp', '2026-06-19T08:08:00.001', 9],
      [
        '812:M 19 Jun 2026 08:08:01.002 # WARNING Memory overcommit must be enabled!',
        '2026-06-19T08:08:01.002',
        13,
      ],
    ],
  },
  {
    kind: 'MongoDB',
    path: '/var/log/mongodb/mongod.log',
    lines: [
      [
        '{"t":{"$date":"2026-06-19T08:09:00.123+00:00"},"s":"I","c":"NETWORK","id":22943,"ctx":"listener","msg":"Connection accepted","attr":{"remote":"192.0.2.5:51000"}}',
        '2026-06-19T08:09:00.123',
        9,
      ],
      [
        '{"t":{"$date":"2026-06-19T08:09:01.000+00:00"},"s":"E","c":"STORAGE","id":22435,"ctx":"initandlisten","msg":"WiredTiger error"}',
        '2026-06-19T08:09:01',
        17,
      ],
    ],
  },
  {
    kind: 'logback (Java)',
    path: '/var/log/shop/shop.log',
    lines: [
      [
        '2026-06-19 08:10:00,123 INFO  [main] com.example.shop.Application - Started Application in 3.2 seconds',
        '2026-06-19T08:10:00.123',
        9,
      ],
      [
        '2026-06-19 08:10:01,456 ERROR [http-nio-8080-exec-4] com.example.shop.Payments - charge failed',
        '2026-06-19T08:10:01.456',
        17,
      ],
      [
        '2026-06-19 08:10:02.789 DEBUG 1 --- [scheduling-1] c.e.shop.Cleaner : no ERROR found in 14 carts',
        '2026-06-19T08:10:02.789',
        5,
      ],
    ],
  },
  {
    kind: 'Python logging',
    path: '/var/log/worker.log',
    lines: [
      ['2026-06-19 08:11:00,001 - worker.tasks - WARNING - retrying in 5 s', '2026-06-19T08:11:00.001', 13],
      ['ERROR:worker.tasks:could not open /srv/in: permission denied', '', 17],
      ['2026-06-19 08:11:01,002 CRITICAL worker: queue lost', '2026-06-19T08:11:01.002', 18],
    ],
  },
  {
    kind: 'Go (log, slog, zap, logrus)',
    path: '/var/log/api.log',
    lines: [
      [
        '2026/06/19 08:12:00 http: TLS handshake error from 198.51.100.7:40000: EOF',
        '2026-06-19T08:12:00',
        0,
      ],
      ['time=2026-06-19T08:12:01.000Z level=INFO msg="request done" status=200', '2026-06-19T08:12:01', 9],
      [
        '{"time":"2026-06-19T08:12:02.5Z","level":"ERROR","msg":"write failed","err":"broken pipe"}',
        '2026-06-19T08:12:02.5',
        17,
      ],
      [
        '{"level":"warn","ts":1781856723.25,"caller":"db/pool.go:88","msg":"pool exhausted"}',
        '2026-06-19T08:12:03.25',
        13,
      ],
      ['2026-06-19T08:12:04.000Z\tinfo\tserver/main.go:40\tlistening', '2026-06-19T08:12:04', 9],
      ['time="2026-06-19T08:12:05Z" level=error msg="cannot parse" file=a.yaml', '2026-06-19T08:12:05', 17],
    ],
  },
  {
    kind: 'Node (pino, winston)',
    path: '/var/log/web.log',
    lines: [
      [
        '{"level":30,"time":1781856780000,"pid":12,"hostname":"web-1","msg":"listening on 3000"}',
        '2026-06-19T08:13:00',
        9,
      ],
      [
        '{"level":50,"time":1781856781000,"pid":12,"hostname":"web-1","err":{"type":"TypeError"},"msg":"boom"}',
        '2026-06-19T08:13:01',
        17,
      ],
      [
        '{"level":"info","message":"job done","timestamp":"2026-06-19T08:13:02.000Z"}',
        '2026-06-19T08:13:02',
        9,
      ],
    ],
  },
  {
    kind: 'Rust (tracing)',
    path: '/var/log/relay.log',
    lines: [
      [
        '2026-06-19T08:14:00.123456Z  INFO relay::server: listening addr=192.0.2.2:9000',
        '2026-06-19T08:14:00.123456',
        9,
      ],
      ['2026-06-19T08:14:01.000000Z ERROR relay::peer{id=7}: connection reset', '2026-06-19T08:14:01', 17],
    ],
  },
  {
    kind: 'Kubernetes (klog)',
    path: '/var/log/kube-scheduler.log',
    lines: [
      [
        'I0619 08:15:00.123456       1 scheduler.go:604] "Successfully bound pod" pod="shop/web-5"',
        '2026-06-19T08:15:00.123456',
        9,
      ],
      [
        'E0619 08:15:01.000001       1 leaderelection.go:330] error retrieving resource lock',
        '2026-06-19T08:15:01.000001',
        17,
      ],
      ['W0619 08:15:02.000001       1 reflector.go:424] watch closed', '2026-06-19T08:15:02.000001', 13],
    ],
  },
  {
    kind: 'containers (CRI, Docker)',
    path: '/var/log/containers/web-5_shop_web-0123.log',
    lines: [
      ['2026-06-19T08:16:00.123456789Z stdout F ERROR payment declined', '2026-06-19T08:16:00.123456789', 17],
      ['2026-06-19T08:16:01.000000001Z stderr P a part of a longer', '2026-06-19T08:16:01.000000001', 0],
      [
        '{"log":"WARN cache miss\\n","stream":"stdout","time":"2026-06-19T08:16:02.5Z"}',
        '2026-06-19T08:16:02.5',
        13,
      ],
    ],
  },
  {
    kind: 'journalctl, dmesg',
    path: '/var/log/kern.log',
    lines: [
      ['[    0.000000] Linux version 6.1.0-31-amd64', '', 0],
      [
        'Jun 19 08:17:00 node-2 kernel: usb 1-1: new high-speed USB device number 4',
        '2026-06-19T08:17:00',
        0,
      ],
    ],
  },
  {
    kind: 'Android logcat',
    path: '/data/logcat.log',
    lines: [
      ['06-19 08:18:00.123  1702  2395 D WindowManager: layout done', '2026-06-19T08:18:00.123', 5],
      ['06-19 08:18:01.000  1702  2395 E ActivityManager: ANR in com.example.app', '2026-06-19T08:18:01', 17],
    ],
  },
  {
    kind: 'Hadoop, Kafka, ZooKeeper',
    path: '/var/log/kafka/server.log',
    lines: [
      [
        '[2026-06-19 08:19:00,123] INFO [KafkaServer id=1] started (kafka.server.KafkaServer)',
        '2026-06-19T08:19:00.123',
        9,
      ],
      [
        '2026-06-19 08:19:01,000 - WARN  [SendWorker:1:QuorumCnxManager$SendWorker@679] - Interrupted',
        '2026-06-19T08:19:01',
        13,
      ],
      ['26/06/19 08:19:02 INFO executor.Executor: Finished task 1.0 in stage 0.0', '2026-06-19T08:19:02', 9],
      [
        '260619 081903 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 terminating',
        '2026-06-19T08:19:03',
        9,
      ],
    ],
  },
  {
    kind: 'plain text',
    path: '/var/log/notes.txt',
    lines: [
      ['connection error: none', '', 0],
      ['0 errors, 0 warnings', '', 0],
      ['no ERROR found', '', 0],
      ['ERROR: disk /dev/sdb1 failed', '', 17],
      ['größer 数据库 🜂', '', 0],
      ['', '', 0],
      ['\tat com.example.shop.Payments.charge(Payments.java:88)', '', 0],
    ],
  },
];
