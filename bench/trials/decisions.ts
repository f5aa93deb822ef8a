/**
 * `decisions`: how many new flows a second the control segment decides, on one thread: QUERY read,
 * session entered, policy or balancing, REPLY written, and later the DELETE of the flow.
 */
import type { SluiceConfig } from '../../src/config/config.js'
import { Engine } from '../../src/engine.js'
import { QuerySource } from '../loads/query-source.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

const VIRTUAL = '192.0.2.100:80'

export const decisions: Trial = {
  name: 'decisions',
  about:
    'New flows decided in TypeScript, from QUERY to DELETE, 20 000 live at a time. The messages are ' +
    'those of the bus; the data flow segment and its rings are replaced by a source in JavaScript ' +
    'that only copies them: crossing between the threads is not in it. ' +
    'Loss: asked and not answered.',
  metrics: [
    { name: 'decisions', unit: '1/s', better: 'higher' },
    { name: 'CPU of decisions', unit: 'µs', better: 'lower' },
  ],
  runs: 3,
  laboratory: false,
  subjects: async () => SUBJECTS,
  comparisons: [],
}

type Server = NonNullable<SluiceConfig['virtualServers']>[string]
type Balance = NonNullable<SluiceConfig['pools']>[string]['balance']

const SUBJECTS: Subject[] = [
  subject('policy function', 'round-robin', { policy: () => 'web' }),
  subject('round robin', 'round-robin', { pool: 'web' }),
  subject('least connections', 'least-connections', { pool: 'web' }),
  subject('source hash', { hash: 'source' }, { pool: 'web' }),
]

function subject(name: string, balance: Balance, server: Partial<Server>): Subject {
  return {
    name,
    unavailable: async () => undefined,
    measure: (options) => measure(balance, server, options),
  }
}

async function measure(
  balance: Balance,
  server: Partial<Server>,
  { seconds }: MeasureOptions,
): Promise<Sample[]> {
  const source = new QuerySource(VIRTUAL)
  const nodes = ['10.1.0.11:80', '10.1.0.12:80', '10.1.0.13:80', '10.1.0.14:80']
  const config = {
    ports: {
      outside: { kind: 'packet', device: 'none0', address: '192.0.2.1/24' },
      inside: { kind: 'packet', device: 'none1', address: '10.1.0.1/24' },
    },
    pools: { web: { nodes, balance } },
    virtualServers: { web: { listen: `tcp://${VIRTUAL}`, ...server } },
  } as SluiceConfig
  await using _engine = await Engine.start(config, { segment: source })
  // The compiler has seen every path before the measuring.
  await source.flood(seconds / 2)
  const [decided, asked, cpu, began] = [
    source.decided,
    source.asked,
    process.cpuUsage(),
    performance.now(),
  ]
  await source.flood(seconds)
  const took = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const count = source.decided - decided
  return [
    { metric: 'decisions', value: count / took, loss: 1 - count / (source.asked - asked) },
    { metric: 'CPU of decisions', value: (user + system) / count, loss: null },
  ]
}
