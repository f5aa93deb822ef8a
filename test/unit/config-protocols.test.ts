/** What virtual servers listen on beside TCP and UDP. */
import { expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { type Changes, changed, issuesOf, refusedByReadersOnly } from '../helpers/config-issues.js'

const site = 'virtualServers.site'

type Wrong = [string, Changes, string, RegExp]

const wrong: Wrong[] = [
  [
    'no such inspection',
    { [`${site}.inspect`]: 'ssh' },
    `${site}.inspect`,
    /take http, cookie, tls, raw/,
  ],
  ...['gre://192.0.2.100:80', 'ip-89://[2001:db8::1]:80'].map(
    (listen): Wrong => [
      `a port in ${listen}`,
      { [`${site}.listen`]: listen },
      `${site}.listen`,
      /has a port/,
    ],
  ),
  // Those that have a name, are no protocols, or no numbers of any.
  ...['ip-6', 'ip-1', 'ip-58', 'ip-0', 'ip-44', 'ip-255', 'ip-', 'ip-089', 'igmp'].map(
    (name): Wrong => [
      `the protocol ${name}`,
      { [`${site}.listen`]: `${name}://192.0.2.100` },
      `${site}.listen`,
      /is not a protocol/,
    ],
  ),
  [
    'TCP without a port',
    { [`${site}.listen`]: 'tcp://192.0.2.100' },
    `${site}.listen`,
    /a protocol with an address and a port/,
  ],
  [
    'a wildcard port where there are none',
    { [`${site}.listen`]: 'icmp://192.0.2.100', [`${site}.wildcardPort`]: true },
    `${site}.listen`,
    /names no port/,
  ],
  [
    'SCTP on another port than the nodes',
    { [`${site}.listen`]: 'sctp://192.0.2.100:3868' },
    `${site}.pool`,
    /are not translated/,
  ],
  [
    'source NAT of what has no ports',
    { [`${site}.listen`]: 'gre://192.0.2.100', [`${site}.preserveClient`]: false },
    `${site}.listen`,
    /no port to leave from/,
  ],
]

test.each(wrong)('what is wrong is told with key and remedy: %s', (_name, changes, key, text) => {
  const issues = issuesOf(changed(changes))
  expect(Object.keys(issues)).toContain(key)
  expect(`${issues[key].problem}; ${issues[key].remedy}`).toMatch(text)
})

test('JSON Schema refuses all of it but numbers that have a name or are of no protocol', () => {
  const taken = ['ip-6', 'ip-1', 'ip-58', 'ip-44', 'ip-255'].map((name) => `the protocol ${name}`)
  expect(refusedByReadersOnly(wrong)).toEqual(taken)
})

test('SCTP goes to nodes on its port, or on none', () => {
  const nodes = ['10.1.0.11:3868', '10.1.0.12']
  expect(() =>
    resolveConfig({
      ports: { inside: { kind: 'memory', address: ['10.1.0.1/24', '192.0.2.1/24'] } },
      pools: { web: { nodes } },
      virtualServers: { site: { listen: 'sctp://192.0.2.100:3868', pool: 'web' } },
    }),
  ).not.toThrow()
})
